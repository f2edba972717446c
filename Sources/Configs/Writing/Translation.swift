import Basics

/// What the command line says about a translation.
package struct TranslationOptions: Sendable {
  /// `--unsafe-truncate-embeddings`: embeddings of different heights are cut to the smallest.
  package var truncateEmbeddings: Bool
  /// Models are bare checkpoints, of which some tensors may be in some only: `all`, `union` or `intersection`.
  package var bare: String?
  /// `--allow-crimes`: models of different architectures may be mixed.
  package var allowCrimes: Bool
  /// `--i-understand-this-is-not-useful-without-training`: the experts of a mixture may all be one model.
  package var allowAllSame: Bool
  /// `--strict`: unknown keys and parameters are errors, not warnings.
  package var isStrict: Bool
  /// The dtypes that a result may have, in lower case, by the names that configs use (without `torch.`).
  package var dtypeNames: [String]
  /// Which merges of a file with several are returned.
  package var results: Results
  /// `--require-nameless`: one of the merges has no name.
  package var requiresNameless: Bool
  /// Of merges that have been made before, where they lie, by name; only where all are returned, and then
  /// these are not.
  package var finished: [String: String] = [:]
  /// `--dtype`: what merges that others use are rounded to, as if they had been written with it.
  package var dtype: String?

  /// What a recipe of several merges returns.
  package enum Results: Sendable {
    /// The one without a name, or else the last that no other uses.
    case one
    /// All, in a table by their names. `nameless` becomes the name of the one without; `isDirectory` says
    /// that no other may have that one.
    case all(nameless: String, isDirectory: Bool)
  }

  package init(
    truncateEmbeddings: Bool = false, allowCrimes: Bool = false, allowAllSame: Bool = false,
    isStrict: Bool = false, results: Results = .one, requiresNameless: Bool = false, dtype: String? = nil,
    dtypeNames: [String] = ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]
  ) {
    self.truncateEmbeddings = truncateEmbeddings
    self.allowCrimes = allowCrimes
    self.allowAllSame = allowAllSame
    self.isStrict = isStrict
    self.dtypeNames = dtypeNames
    self.results = results
    self.requiresNameless = requiresNameless
    self.dtype = dtype
  }
}

/// A config as a recipe, with the source map to the config's lines.
package struct Translation: Sendable {
  /// What every recipe begins with.
  package static let firstWords = "-- From "

  /// Lua text; it ends with `return mk.merge { … }`, with a table of several merges by their names, or with
  /// `return mk.moe { … }` for a mixture of experts.
  package let recipe: String
  /// What was left out or has no effect, in the order of the file, each with its place:
  /// `config.yml:7:5: parameters.desnity: unknown parameter …`.
  package let findings: [Diagnostic]

  /// The sentences of the findings.
  package var warnings: [String] { findings.map(\.description) }

  /// A rule `{lua: …}`.
  package struct Rule: Sendable {
    /// The expression, as the config has it.
    package let text: String
    /// Where the config has it.
    package let location: SourceLocation
    /// Its path there: `models[1].parameters.weight.lua`.
    package let keyPath: KeyPath
  }

  /// The rules, in order.
  package let rules: [Rule]

  private let file: String
  private let linePlaces: [Place?]
  private let merges: [(firstLine: Int, values: [String: Place])]
  private let writer: RecipeWriter

  init(text: RecipeText, file: String, reader: MergeReader, writer: RecipeWriter) {
    self.file = file
    self.writer = writer
    recipe = text.lines.joined(separator: "\n") + "\n"
    linePlaces = text.places
    merges = text.merges
    rules = reader.rules
    // A stable order: what is said of one place stays in the order in which it was found.
    findings = reader.warnings.enumerated()
      .sorted { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) }.map(\.element.diagnostic)
  }

  /// A merge of the file.
  package struct Document: Sendable {
    /// Its name, or the one that the options give to that without.
    package let name: String
    /// Whether the file gives it that name.
    package let isNamed: Bool
    /// Whether it is the result where one is wanted.
    package let isResult: Bool
    /// Where the file begins it: `config.yml:7:1`.
    package let location: SourceLocation
    /// The checkpoints that go into it by way of whatever merges, each once.
    package let references: [String]
    /// The adapters that are put on merges on the way, each once.
    package let adapters: [String]
    /// The merges that use it.
    package let users: [String]

    fileprivate let index: Int
  }

  /// The merges, each after those that it uses, the result last.
  package var documents: [Document] {
    let tree = writer.tree
    let names = Set(tree.merges.compactMap(\.name?.text))
    return tree.merges.enumerated().map { index, merge in
      var references: [String] = []
      var adapters: [String] = []
      for model in tree.needed(for: [index]).flatMap({ tree.merges[$0].models }) {
        let text = model.reference.text
        if let meant = tree.adapted[text] {
          adapters += meant.adapters.map(\.text).filter { !adapters.contains($0) }
        } else if !names.contains(text), !references.contains(text) {
          references.append(text)
        }
      }
      return Document(
        name: writer.names[index], isNamed: merge.name != nil, isResult: index == tree.result,
        location: merge.place.location(in: file), references: references,
        adapters: adapters,
        users: tree.uses.indices.filter { tree.uses[$0].contains(index) }.map { writer.names[$0] },
        index: index)
    }
  }

  /// Whether the recipe has the merge, and does not leave it out.
  package func makes(_ document: Document) -> Bool { writer.places.contains(document.index) }

  /// The recipe that makes one of the merges alone, from checkpoints.
  package func recipe(of document: Document) -> String {
    writer.recipe(of: document.index).lines.joined(separator: "\n") + "\n"
  }

  /// The models that the merges name, each once, with the first place: of other merges' names those that are
  /// used, and of checkpoints all.
  package var references: [(text: String, location: SourceLocation, isMerge: Bool)] {
    let names = Set(writer.tree.merges.compactMap(\.name?.text))
    var seen: Set<String> = []
    return writer.tree.merges.flatMap(\.models).sorted { $0.place < $1.place }
      .filter { seen.insert($0.reference.text).inserted }
      .map { ($0.reference.text, $0.place.location(in: file), names.contains($0.reference.text)) }
  }

  /// The models whose tokenizer results are to have, as they are written, with the setting and its place.
  package var tokenizerSources: [(text: String, setting: KeyPath, location: SourceLocation)] {
    let names = Set(writer.tree.merges.compactMap(\.name?.text))
    return writer.tree.merges.compactMap(\.tokenizer).compactMap { tokenizer in
      guard case .model(let model) = tokenizer.source, !names.contains(model.reference.text) else {
        return nil
      }
      let setting =
        tokenizer.isSourceAlone ? KeyPath().key("tokenizer_source") : KeyPath().key("tokenizer").key("source")
      return (model.reference.text, setting, model.place.location(in: file))
    }
  }

  /// The location in the config that made a line of the recipe, counted from 1; nil for lines that every recipe has.
  package func location(ofLine line: Int) -> SourceLocation? {
    guard linePlaces.indices.contains(line - 1) else { return nil }
    return linePlaces[line - 1]?.location(in: file)
  }

  /// The location in the config of a value in the table that `mk.merge` or `mk.moe` gets, by its key path there
  /// (`models[2].weight`, `slices[1].sources[2].layers`); if it has none, that of the innermost value around it that
  /// has one.
  ///
  /// - Parameter line: a line of the recipe in the call of `mk.merge`, for a recipe that has several; without
  ///   it, the last call is meant.
  package func location(of keyPath: KeyPath, atLine line: Int? = nil) -> SourceLocation? {
    guard let merge = merges.last(where: { $0.firstLine <= line ?? .max }) else { return nil }
    var path: KeyPath? = keyPath
    while let inner = path, !inner.isEmpty {
      if let place = merge.values[inner.description] { return place.location(in: file) }
      path = inner.parent
    }
    return nil
  }
}
