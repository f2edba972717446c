import ArgumentParser
import Merging

/// What a config is translated by; a recipe has the same as fields of `mk.merge`.
struct ConfigOptions: ParsableArguments {
  @Flag(
    help:
      "Unknown keys and parameters of a config, and elements that are not finite, are errors, not warnings.")
  var strict = false

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp("A config may mix architectures."))
  var allowCrimes: Bool?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp(
      "Cut embeddings of different sizes to the smallest. Wrong unless the same ids are the same tokens."))
  var unsafeTruncateEmbeddings: Bool?

  @Flag(help: "The experts of a mixture may all be the same model.")
  var iUnderstandThisIsNotUsefulWithoutTraining = false

  /// Fails if one is set that only configs know.
  func requireNone(for recipe: String) throws {
    for (isSet, option, field) in [
      (allowCrimes == true, "--allow-crimes", "mk.merge takes allow_crimes"),
      (
        unsafeTruncateEmbeddings == true, "--unsafe-truncate-embeddings", "mk.merge takes truncate_embeddings"
      ),
      (
        iUnderstandThisIsNotUsefulWithoutTraining, "--i-understand-this-is-not-useful-without-training",
        "mk.moe takes allow_all_same"
      ),
    ] where isSet {
      throw ValidationError(
        "\(option) is for configs; \(recipe) is a recipe, where \(field) = true")
    }
  }
}

/// What becomes of the named merges of a config with several documents.
struct StageOptions: ParsableArguments {
  @Option(
    name: [.customShort("I"), .long],
    help: ArgumentHelp("Keep the named merges of a config with several there, too.", valueName: "dir"),
    completion: .directory)
  var intermediateDir: String?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Read merges that are finished there, if they were made from the same.")
  var lazy = true
}

/// Options of a merge that is written.
struct MergeOptions: ParsableArguments {
  @OptionGroup var writing: WritingOptions

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp("Write README.md, and the recipe or config beside it."))
  var writeModelCard = OutputOptions().writesModelCard

  @Option(
    help: ArgumentHelp(
      "A folder below which scripts may save models (m:save), beside OUT; may be repeated.", valueName: "dir"),
    completion: .directory)
  var allowWrite: [String] = []

  @Flag(help: "Print the plan, and write nothing.")
  var dryRun = false

  @OptionGroup var config: ConfigOptions

  @OptionGroup var host: HostOptions

  /// How outputs are written.
  ///
  /// - Parameter policy: What becomes of an output with contents, unless `--force` or `--force-all` is given.
  func outputOptions(policy: OutputDirectory.Policy) -> OutputOptions {
    var options = writing.outputOptions(policy: policy)
    options.writesModelCard = writeModelCard
    options.isStrict = config.strict
    return options
  }
}
