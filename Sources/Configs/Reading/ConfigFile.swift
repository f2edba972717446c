import Basics

/// A mergekit config (https://github.com/arcee-ai/mergekit, 0.1.5): YAML, read and ready to be translated
/// to a recipe.
package struct ConfigFile: Sendable {
  /// What a config asks for.
  package enum Kind: Sendable {
    /// One merge.
    case merge
    /// Merges that use each other by name: several documents, or one that has a name.
    case megaMerge
    /// A mixture of experts: a document with `experts`.
    case mixtureOfExperts
    /// Runs of layers of several models, as `bakllama` has them: a document with `layer_slices`.
    case layerSlices
  }

  /// What the file asks for.
  package let kind: Kind
  /// Every merge method that the config names, in order, each once.
  package let methodNames: [String]

  private let path: String
  private let documents: [YAMLNode]
  private let repeatedKeys: [YAMLReader.RepeatedKey]

  /// Reads YAML. `path` is the file's, as messages are to name it.
  package init(text: String, path: String) throws(ConfigError) {
    try self.init(bytes: Array(text.utf8), path: path)
  }

  /// Reads the bytes of a YAML file, which must be UTF-8. `path` is the file's, as messages are to name it.
  package init(bytes: [UInt8], path: String) throws(ConfigError) {
    self.path = path
    (documents, repeatedKeys) = try YAMLReader.documents(of: bytes, file: path)
    if documents.isEmpty { throw ConfigError(.empty, at: Place(line: 1, column: 1), in: path) }
    for document in documents where document.mapping == nil {
      throw ConfigError(.documentNotMapping(found: document.found), at: document.place, in: path)
    }
    if documents.count > 1 {
      kind = .megaMerge
    } else if documents[0].mapping?.contains(where: { $0.key == "experts" }) == true {
      kind = .mixtureOfExperts
    } else if documents[0].mapping?.contains(where: { $0.key == "layer_slices" }) == true {
      kind = .layerSlices
    } else {
      kind = documents[0]["name"].map { !$0.isNull } == true ? .megaMerge : .merge
    }
    var names: [String] = []
    for document in documents {
      let modules = document["modules"]?.mapping ?? []
      let slices = ([document["slices"]] + modules.map { $0.value["slices"] }).flatMap { $0?.sequence ?? [] }
      for name in ([document] + slices).compactMap({ $0["merge_method"]?.text }) where !names.contains(name) {
        names.append(name)
      }
    }
    methodNames = names
  }

  /// The recipe that does what the config says. `methods` holds the declarations of `methodNames`, and may
  /// hold more, for suggestions.
  package func translate(
    methods: [String: MethodDeclaration], options: TranslationOptions = TranslationOptions()
  ) throws(ConfigError) -> Translation {
    var options = options
    // Of one merge, the dtype of the result is not the recipe's to say.
    if kind != .megaMerge { options.dtype = nil }
    let reader = MergeReader(file: path, options: options, methods: methods)
    for key in repeatedKeys {
      try reader.leaveOut(at: key.place, KeyPath().key(key.name)) {
        .duplicateKey(first: key.first, isWarning: $0)
      }
    }
    let fileName = path.split(separator: "/").last.map(String.init) ?? path
    if kind == .mixtureOfExperts {
      let writer = RecipeWriter(fileName: fileName, options: options)
      let text = writer.write(try reader.experts(documents[0]))
      return Translation(text: text, file: path, reader: reader, writer: writer)
    }
    for document in documents {
      guard let experts = document.mapping?.first(where: { $0.key == "experts" }) else { continue }
      throw reader.error(.expertsAmongDocuments, at: experts.keyPlace, KeyPath().key("experts"))
    }
    var merges: [MergeConfig] = []
    for document in documents {
      merges.append(try kind == .layerSlices ? reader.layerSlices(document) : reader.merge(document))
    }
    let tree = try reader.tree(merges)
    var names = tree.merges.map { $0.name?.text ?? "" }
    let returned: [Int]
    let needed: [Int]
    switch options.results {
    case .one:
      returned = [tree.result]
      needed = tree.needed(for: returned)
      try reader.leaveOut(from: tree, needed: needed)
    case .all(let nameless, let isDirectory):
      let unnamed = tree.merges.firstIndex { $0.name == nil }
      if let unnamed {
        var name = nameless
        while let clash = tree.merges.first(where: { $0.name?.text == name })?.name {
          if isDirectory { throw reader.error(.namelessClash(name), at: clash.place, KeyPath().key("name")) }
          name += "_"
        }
        names[unnamed] = name
      }
      returned = tree.merges.indices.filter { options.finished[names[$0]] == nil }
      needed = tree.needed(for: returned) { options.finished[names[$0]] != nil }
    }
    if options.requiresNameless, tree.merges.allSatisfy({ $0.name != nil }) {
      throw reader.error(.nameless, at: tree.merges[tree.result].place)
    }
    let writer = RecipeWriter(
      tree: tree, names: names, places: needed, fileName: fileName, options: options)
    let text = writer.write(returning: returned)
    return Translation(text: text, file: path, reader: reader, writer: writer)
  }
}
