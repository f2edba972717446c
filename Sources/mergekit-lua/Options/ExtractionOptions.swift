import ArgumentParser
import Configs

/// What is extracted, under the names of mergekit's options.
struct ExtractionOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The fine-tuned model.", valueName: "model"), completion: .directory)
  var model: String

  @Option(help: ArgumentHelp("The model that it was made of.", valueName: "model"), completion: .directory)
  var baseModel: String

  @Option(help: ArgumentHelp("The most singular values of a module.", valueName: "rank"))
  var maxRank = 128

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "The square roots of the singular values in A and in B, or all in A.")
  var distributeScale = true

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Embeddings and head at a low rank, too, and not as they are.")
  var embedLora = false

  @Option(
    name: .customLong("save-module"),
    help: ArgumentHelp("A module that is saved as it is; may be repeated.", valueName: "name"))
  var saveModules: [String] = []

  @Option(
    name: [.customShort("e"), .customLong("exclude-regex")],
    help: ArgumentHelp("Modules that are left out; may be repeated.", valueName: "regex"))
  var excludeRegexes: [String] = []

  @Option(
    name: [.customShort("i"), .customLong("include-regex")],
    help: ArgumentHelp("Modules, all others being left out; may be repeated.", valueName: "regex"))
  var includeRegexes: [String] = []

  @Option(help: ArgumentHelp("Singular values up to this count as zero.", valueName: "epsilon"))
  var svEpsilon = 0.0

  @Flag(help: "Leave out norms, biases and whatever else has no low rank, and do not save it as it is.")
  var skipUndecomposable = false

  func validate() throws {
    guard maxRank >= 1 else { throw ValidationError("--max-rank: expected at least 1, got \(maxRank)") }
    guard svEpsilon >= 0, svEpsilon.isFinite else {
      throw ValidationError("--sv-epsilon: expected a number from 0 on, got \(svEpsilon)")
    }
  }

  /// The recipe that says the same.
  var recipe: String {
    var fields = [
      "from = mk.model(\(quotedString(model)))", "base = mk.model(\(quotedString(baseModel)))",
      "rank = \(maxRank)",
    ]
    if !distributeScale { fields.append("distribute_scale = false") }
    if embedLora { fields.append("embeddings = true") }
    for (name, values) in [
      ("save_modules", saveModules), ("exclude", excludeRegexes), ("include", includeRegexes),
    ] where !values.isEmpty {
      fields.append("\(name) = { \(values.map(quotedString).joined(separator: ", ")) }")
    }
    if svEpsilon > 0 { fields.append("epsilon = \(svEpsilon)") }
    if skipUndecomposable { fields.append("skip_undecomposable = true") }
    return """
      local mk = require "mergekit"

      return mk.adapter {
      \(fields.map { "  \($0)," }.joined(separator: "\n"))
      }

      """
  }

  /// Lua text that measures what of the difference an adapter does not say.
  func measurement(of adapter: String) -> String {
    """
    local mk = require "mergekit"
    return mk.adapter_errors {
      adapter = mk.adapter(\(quotedString(adapter))), from = mk.model(\(quotedString(model))),
      base = mk.model(\(quotedString(baseModel))),
    }
    """
  }
}
