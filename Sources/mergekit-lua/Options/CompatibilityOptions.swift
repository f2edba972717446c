import ArgumentParser

/// Options of mergekit-yaml that have another name here, or no meaning.
struct CompatibilityOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The same as --seed.", valueName: "seed"))
  var randomSeed: UInt64?

  @Option(help: ArgumentHelp("The same as --threads.", valueName: "threads"))
  var numThreads: Int?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp("Write safetensors; nothing else is written."))
  var safeSerialization = true

  @Option(help: ArgumentHelp("Ignored.", valueName: "dir"))
  var transformersCache: String?

  @Option(help: ArgumentHelp("Ignored.", valueName: "dir"))
  var loraMergeCache: String?

  @Option(help: ArgumentHelp("Ignored.", valueName: "dtype"))
  var loraMergeDtype: String?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Ignored.")
  var cuda: Bool?

  @Option(help: "Ignored: everything is computed by the processor.")
  var device: String?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Ignored.")
  var lowCpuMemory: Bool?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Ignored.")
  var cloneTensors: Bool?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Ignored: no model's code is run.")
  var trustRemoteCode: Bool?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Ignored.")
  var lazyUnpickle: Bool?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Ignored.")
  var readToGpu: Bool?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Ignored.")
  var multiGpu: Bool?

  @Flag(help: "Ignored.")
  var gpuRich = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Ignored.")
  var asyncWrite: Bool?

  @Option(help: ArgumentHelp("Ignored.", valueName: "threads"))
  var writeThreads: Int?

  func validate() throws {
    if let numThreads { try HostOptions.check(threads: numThreads, option: "--num-threads") }
    guard safeSerialization else {
      throw ValidationError(
        "--no-safe-serialization: pickled output is not written, only safetensors")
    }
  }

  /// A sentence about the options given that change nothing; `nil` if there are none.
  var notice: String? {
    let given = [
      (transformersCache != nil, "--transformers-cache"), (loraMergeCache != nil, "--lora-merge-cache"),
      (loraMergeDtype != nil, "--lora-merge-dtype"), (cuda == true, "--cuda"),
      // Where mergekit would compute on the processor too, nothing is ignored.
      (device != nil && device != "cpu" && device != "auto", "--device"),
      (lowCpuMemory == true, "--low-cpu-memory"), (cloneTensors == true, "--clone-tensors"),
      (trustRemoteCode == true, "--trust-remote-code"), (lazyUnpickle == true, "--lazy-unpickle"),
      (readToGpu == true, "--read-to-gpu"), (multiGpu == true, "--multi-gpu"), (gpuRich, "--gpu-rich"),
      (asyncWrite == true, "--async-write"), (writeThreads != nil, "--write-threads"),
    ].filter(\.0).map(\.1)
    guard !given.isEmpty else { return nil }
    let names = given.joined(separator: ", ")
    return given.count == 1
      ? "\(names) has no meaning here and is ignored" : "\(names) have no meaning here and are ignored"
  }

  /// Options of the host with those that have another name here.
  ///
  /// Throws a usage error if the two names of an option are given different values.
  func applied(to host: HostOptions) throws -> HostOptions {
    var host = host
    host.seed = try Self.agreed("--seed", host.seed, "--random-seed", randomSeed)
    host.threads = try Self.agreed("--threads", host.threads, "--num-threads", numThreads)
    return host
  }

  private static func agreed<Value: Equatable>(
    _ option: String, _ value: Value?, _ alias: String, _ other: Value?
  ) throws -> Value? {
    if let value, let other, value != other {
      throw ValidationError("\(option) \(value) and \(alias) \(other) contradict each other")
    }
    return value ?? other
  }
}
