// swift-tools-version: 6.1
import PackageDescription

// Apart from the product, whose build stays without these packages. `Sources` links to the product's: a
// package of its own sees no `package` declaration of another.
let package = Package(
  name: "primitives",
  dependencies: [
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: [])
  ],
  targets: [
    .target(name: "CKernels"),
    .target(
      name: "CBLAS",
      linkerSettings: [.linkedLibrary(":libopenblas.a"), .linkedLibrary("m"), .linkedLibrary("pthread")]),
    .target(name: "Tensors", dependencies: ["CKernels", "CBLAS"]),
    .executableTarget(
      name: "Primitives",
      dependencies: ["Tensors", .product(name: "Benchmark", package: "benchmark")],
      path: "Benchmarks/Primitives",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
  ],
  swiftLanguageModes: [.v6]
)
