/// What the command line says about a translation.
package struct TranslationOptions: Sendable {
  /// `--unsafe-truncate-embeddings`: embeddings of different heights are cut to the smallest.
  package var truncateEmbeddings: Bool
  /// `--allow-crimes`: models of different architectures may be mixed.
  package var allowCrimes: Bool
  /// `--i-understand-this-is-not-useful-without-training`: the experts of a mixture may all be one model.
  package var allowAllSame: Bool
  /// `--strict`: unknown keys and parameters are errors, not warnings.
  package var isStrict: Bool
  /// The dtypes that a result may have, in lower case, by the names that configs use (without `torch.`).
  package var dtypeNames: [String]

  package init(
    truncateEmbeddings: Bool = false, allowCrimes: Bool = false, allowAllSame: Bool = false,
    isStrict: Bool = false,
    dtypeNames: [String] = ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]
  ) {
    self.truncateEmbeddings = truncateEmbeddings
    self.allowCrimes = allowCrimes
    self.allowAllSame = allowAllSame
    self.isStrict = isStrict
    self.dtypeNames = dtypeNames
  }
}

/// A config as a recipe, with the way back to the config's lines.
package struct Translation: Sendable {
  /// What every recipe begins with.
  package static let firstWords = "-- From "

  /// Lua text; it ends with `return mk.merge { … }`, or `return mk.moe { … }` for a mixture of experts.
  package let recipe: String
  /// What was left out or has no effect, in the order of the file, each with its place:
  /// `config.yml:7:5: parameters.desnity: unknown parameter …`.
  package let warnings: [String]

  /// A rule `{lua: …}`.
  package struct Rule: Sendable {
    /// The expression, as the config has it.
    package let text: String
    /// Where the config has it, and its path there: `config.yml:7:19: models[1].parameters.weight.lua`.
    package let place: String
  }

  /// The rules, in order.
  package let rules: [Rule]

  private let file: String
  private let linePlaces: [Place?]
  private let merges: [(firstLine: Int, values: [String: Place])]

  init(text: RecipeText, file: String, reader: MergeReader) {
    self.file = file
    recipe = text.lines.joined(separator: "\n") + "\n"
    linePlaces = text.places
    merges = text.merges
    rules = reader.rules
    // A stable order: what is said of one place stays in the order in which it was found.
    warnings = reader.warnings.enumerated()
      .sorted { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) }.map(\.element.description)
  }

  /// The place in the config (`config.yml:7:5`) that made a line of the recipe, counted from 1; nil for lines
  /// that every recipe has.
  package func place(ofLine line: Int) -> String? {
    guard linePlaces.indices.contains(line - 1), let place = linePlaces[line - 1] else { return nil }
    return "\(file):\(place)"
  }

  /// The place in the config of a value in the table that `mk.merge` or `mk.moe` gets, by its path as errors write it
  /// (`models[2].weight`, `slices[1].sources[2].layers`); if it has none, that of the innermost value
  /// around it that has one.
  ///
  /// - Parameter line: a line of the recipe in the call of `mk.merge`, for a recipe that has several; without
  ///   it, the last call is meant.
  package func place(ofPath path: String, atLine line: Int? = nil) -> String? {
    guard let merge = merges.last(where: { $0.firstLine <= line ?? .max }) else { return nil }
    var path = path[...]
    while !path.isEmpty {
      if let place = merge.values[String(path)] { return "\(file):\(place)" }
      guard let end = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return nil }
      path = path[..<end]
    }
    return nil
  }
}
