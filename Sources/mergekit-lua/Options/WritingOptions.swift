import ArgumentParser
import Merging
import Tensors

/// Options of every command that writes models.
struct WritingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Store all floating-point tensors as this.", valueName: "dtype"))
  var dtype: DType?

  @Option(help: ArgumentHelp("Maximum shard size.", valueName: "size"))
  var outShardSize = ByteCount(bytes: OutputOptions().maximumShardBytes)

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp("Copy the tokenizer's files to the output."))
  var copyTokenizer = OutputOptions().copiesTokenizer

  @Flag(
    name: [.customShort("f"), .long],
    help: "Replace OUT if it holds a model and nothing else; rebuild what is up to date.")
  var force = false

  @Flag(help: "Write OUT whatever it holds; the whole directory that was there is kept beside it.")
  var forceAll = false

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp("Wait until the output is on the disk, so that it outlives a power cut."))
  var sync = OutputOptions().isDurable

  /// Whether an output that is there is written whatever it is.
  var replaces: Bool { force || forceAll }

  /// How outputs are written.
  ///
  /// - Parameter policy: What becomes of an output with contents, unless `--force` or `--force-all` is given.
  func outputOptions(policy: OutputDirectory.Policy) -> OutputOptions {
    OutputOptions(
      policy: forceAll ? .moveAside : force ? .replace : policy, dtype: dtype,
      maximumShardBytes: outShardSize.bytes, copiesTokenizer: copyTokenizer, isDurable: sync)
  }
}
