// swift-tools-version: 6.0
import PackageDescription

// Targets are listed in the order of their dependencies: each imports only targets above it.
let package = Package(
  name: "mergekit-lua",
  products: [.executable(name: "mergekit-lua", targets: ["mergekit-lua"])],
  dependencies: [
    // Command-line parsing, help, shell completion.
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    // Levels and metadata for what goes to standard error.
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    // Paths and file descriptors without Foundation, whose start-up time a tool of 50 ms cannot spend.
    .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CLua", pkgConfig: "lua5.4", providers: [.apt(["liblua5.4-dev", "pkg-config"])]),
    .target(name: "CLuaBridge", dependencies: ["CLua"]),
    // YAML as events with their places. Yams, which wraps it, brings Foundation: 3 ms of each start, and 46 MB.
    .systemLibrary(
      name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev", "pkg-config"])]),
    // Regular expressions of tokenizers.
    .systemLibrary(
      name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev", "pkg-config"])]),
    // Unicode's normal forms.
    .systemLibrary(name: "CUTF8Proc", providers: [.apt(["libutf8proc-dev"])]),
    // The nearest known name, for "did you mean" in messages.
    .target(name: "Suggestions"),
    // Loops that gain from vectors wider than the oldest processor's, compiled for several.
    .target(name: "CKernels"),
    .target(name: "Tensors", dependencies: ["CKernels"]),
    .target(
      name: "Checkpoints",
      dependencies: ["Suggestions", "Tensors", .product(name: "SystemPackage", package: "swift-system")]),
    // Tokenizer files: their vocabularies, and text to ids and back.
    .target(
      name: "Tokenizers",
      dependencies: [
        "CPCRE2", "CUTF8Proc", "Suggestions", "Checkpoints",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .target(
      name: "Merging",
      dependencies: [
        "Suggestions", "Tensors", "Checkpoints", "Tokenizers",
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    // Matrix products by OpenBLAS, always as an archive.
    .target(
      name: "CBLAS",
      linkerSettings: [.linkedLibrary(":libopenblas.a"), .linkedLibrary("m"), .linkedLibrary("pthread")]),
    // Forward passes of decoders over any lazy model, one matrix at a time.
    .target(
      name: "Inference",
      dependencies: ["CBLAS", "CKernels", "Suggestions", "Tensors", "Checkpoints", "Merging"]),
    .target(
      name: "Scripting",
      dependencies: [
        "CLua", "CLuaBridge", "Suggestions", "Tensors", "Checkpoints", "Tokenizers", "Merging", "Inference",
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Logging", package: "swift-log"),
      ],
      plugins: ["EmbedStdlib"]),
    // Stands apart: knows neither tensors nor Lua states, and turns text into text.
    .target(name: "Configs", dependencies: ["CYaml", "Suggestions"]),
    // Where the two meet: configs translated by what the script host knows, and run by it.
    .target(
      name: "ConfigRecipes",
      dependencies: [
        "Suggestions", "Checkpoints", "Merging", "Scripting", "Configs",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .executableTarget(
      name: "mergekit-lua",
      dependencies: [
        "Suggestions", "Tensors", "Checkpoints", "Merging", "Scripting", "Configs", "ConfigRecipes",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Logging", package: "swift-log"),
      ]),

    // Embeds stdlib/ in the binary, so that one file installs.
    .executableTarget(name: "embed-stdlib"),
    .plugin(name: "EmbedStdlib", capability: .buildTool(), dependencies: ["embed-stdlib"]),

    // What the tests of several targets need: folders of their own, noise, bytes of files.
    .target(name: "TestSupport", path: "Tests/TestSupport"),
    .testTarget(name: "SuggestionsTests", dependencies: ["Suggestions"]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "TestSupport"]),
    .testTarget(
      name: "CheckpointsTests",
      dependencies: [
        "Checkpoints", "Tensors", "TestSupport", .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(
      name: "TokenizersTests",
      dependencies: [
        "Tokenizers", "Checkpoints", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(
      name: "MergingTests",
      dependencies: [
        "Merging", "Checkpoints", "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(
      name: "InferenceTests",
      dependencies: [
        "Inference", "Merging", "Checkpoints", "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(
      name: "ScriptingTests",
      dependencies: [
        "Scripting", "Merging", "Checkpoints", "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(name: "ConfigsTests", dependencies: ["Configs"]),
    // Merges by configs, beside what mergekit 0.1.5 made of them.
    .testTarget(
      name: "GoldenTests",
      dependencies: [
        "ConfigRecipes", "Configs", "Scripting", "Merging", "Tokenizers", "Checkpoints", "Tensors",
        "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    // Runs the binary, which is built with it.
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "mergekit-lua", "Checkpoints", "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
  ],
  swiftLanguageModes: [.v6]
)
