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
    // YAML as events with their places. Yams, which wraps it, brings Foundation: 3 ms of each start, and 46 MB.
    .systemLibrary(
      name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev", "pkg-config"])]),
    // Regular expressions of tokenizers.
    .systemLibrary(
      name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev", "pkg-config"])]),
    // Unicode's normal forms.
    .systemLibrary(name: "CUTF8Proc", providers: [.apt(["libutf8proc-dev"])]),
    // What happens when memory ends.
    .target(name: "CMemory"),
    // Diagnostics, JSON and files: what everyone may use, and what uses nothing of ours.
    .target(name: "Basics", dependencies: [.product(name: "SystemPackage", package: "swift-system")]),
    // Multi-versioned SIMD kernels.
    .target(name: "CKernels"),
    // OpenBLAS and LAPACK, always as an archive.
    .target(
      name: "CBLAS",
      linkerSettings: [.linkedLibrary(":libopenblas.a"), .linkedLibrary("m"), .linkedLibrary("pthread")]),
    .target(name: "Tensors", dependencies: ["CMemory", "Basics", "CKernels", "CBLAS"]),
    .target(
      name: "Checkpoints",
      dependencies: [
        "CKernels", "Basics", "Tensors", .product(name: "SystemPackage", package: "swift-system"),
      ]),
    // Tokenizer files: their vocabularies, and text to ids and back.
    .target(
      name: "Tokenizers",
      dependencies: [
        "CPCRE2", "CUTF8Proc", "Basics",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    // What config.json and names say of layers, roles and modules; config.json of the result.
    .target(name: "Architectures", dependencies: ["Basics", "Tensors"]),
    .target(
      name: "Merging",
      dependencies: [
        "Basics", "Tensors", "Checkpoints", "Tokenizers", "Architectures",
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    // Forward passes of decoders over any lazy model, one matrix at a time.
    .target(
      name: "Inference",
      dependencies: ["CBLAS", "CKernels", "Basics", "Tensors", "Checkpoints", "Merging"]),
    // A Lua state in Swift terms; knows no tensor.
    .systemLibrary(
      name: "CLua", pkgConfig: "lua5.4", providers: [.apt(["liblua5.4-dev", "pkg-config"])]),
    // The page of C that owns every jump.
    .target(name: "CLuaBridge", dependencies: ["CLua"]),
    .target(
      name: "Lua",
      dependencies: [
        "CLua", "CLuaBridge", "Basics", .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .target(
      name: "Scripting",
      dependencies: [
        "Basics", "Tensors", "Checkpoints", "Tokenizers", "Architectures", "Merging", "Inference", "Lua",
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Logging", package: "swift-log"),
      ],
      plugins: ["EmbedStdlib"]),
    // Stands apart: knows neither tensors nor Lua states, and turns text into text.
    .target(name: "Configs", dependencies: ["CYaml", "Basics"]),
    // Where the two meet: configs translated by what the script host knows, and run by it.
    .target(
      name: "ConfigRecipes",
      dependencies: [
        "Basics", "Checkpoints", "Merging", "Lua", "Scripting", "Configs",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .executableTarget(
      name: "mergekit-lua",
      dependencies: [
        "CMemory", "Basics", "Tensors", "Checkpoints", "Merging", "Lua", "Scripting", "Configs",
        "ConfigRecipes",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Logging", package: "swift-log"),
      ]),

    // Embeds stdlib/ in the binary, so that one file installs.
    .executableTarget(name: "embed-stdlib", dependencies: ["CLua"]),
    .plugin(name: "EmbedStdlib", capability: .buildTool(), dependencies: ["embed-stdlib"]),

    // What the tests of several targets need: folders of their own, noise, bytes of files.
    .target(name: "TestSupport", path: "Tests/TestSupport"),
    // Who may know whom.
    .testTarget(name: "HouseTests"),
    .testTarget(
      name: "BasicsTests",
      dependencies: ["Basics", "TestSupport", .product(name: "SystemPackage", package: "swift-system")]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "TestSupport"]),
    .testTarget(
      name: "CheckpointsTests",
      dependencies: [
        "Basics", "Checkpoints", "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(
      name: "TokenizersTests",
      dependencies: [
        "Basics", "Tokenizers", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(
      name: "ArchitecturesTests",
      dependencies: [
        "Basics", "Architectures", "Tensors", "Lua",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(
      name: "MergingTests",
      dependencies: [
        "Basics", "Architectures", "Merging", "Checkpoints", "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(
      name: "InferenceTests",
      dependencies: [
        "Basics", "Inference", "Merging", "Checkpoints", "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(name: "LuaTests", dependencies: ["Basics", "Lua", "TestSupport"]),
    // A script host with models of its own, for the tests of bindings and of the standard library.
    .target(
      name: "ScriptTestSupport",
      dependencies: [
        "Basics", "Checkpoints", "Merging", "Lua", "Scripting", "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ], path: "Tests/ScriptTestSupport"),
    .testTarget(
      name: "ScriptingTests",
      dependencies: [
        "Basics", "Architectures", "Lua", "Scripting", "Merging", "Checkpoints", "Tensors",
        "ScriptTestSupport", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(
      name: "StandardLibraryTests",
      dependencies: [
        "Basics", "Architectures", "Lua", "Scripting", "Merging", "Checkpoints", "Tensors",
        "ScriptTestSupport", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    .testTarget(name: "ConfigsTests", dependencies: ["Basics", "Configs"]),
    // Merges by configs, beside what mergekit 0.1.5 made of them.
    .testTarget(
      name: "GoldenTests",
      dependencies: [
        "Basics", "ConfigRecipes", "Configs", "Lua", "Scripting", "Merging", "Tokenizers", "Checkpoints",
        "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
    // Runs the binary, which is built with it.
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "mergekit-lua", "Basics", "Checkpoints", "Tensors", "TestSupport",
        .product(name: "SystemPackage", package: "swift-system"),
      ]),
  ],
  swiftLanguageModes: [.v6]
)
