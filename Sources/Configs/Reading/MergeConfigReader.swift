import Basics

/// The keys of a config, by where they stand.
enum ConfigKeys {
  static let top = [
    "merge_method", "base_model", "models", "slices", "modules", "parameters", "dtype", "out_dtype",
    "chat_template", "tokenizer_source", "tokenizer", "name",
  ]
  static let slice = ["sources", "base_model", "merge_method", "parameters", "residual_weight"]
  static let source = ["model", "layer_range", "parameters"]
  static let model = ["model", "parameters"]
  static let module = ["models", "slices", "parameters"]
  /// Keys by their names in recipes.
  static let recipeNames = ["base": "base_model", "layers": "layer_range", "method": "merge_method"]
  /// What options of the command line give, by the keys that old configs have.
  static let options = ["random_seed": "--random-seed"]
}

extension MergeReader {
  /// Reads one document. What its merges mean, and whether they can, is judged where the recipe runs.
  func merge(_ document: YAMLNode) throws(ConfigError) -> MergeConfig {
    let top = KeyPath()
    let fields = try known(document, top, keys: ConfigKeys.top)
    let kinds = ["models", "slices", "modules"]
    let given = filled(kinds, fields)
    guard given.count == 1, let partsNode = fields[given[0]] else {
      let place = given.dropFirst().first.flatMap { key in document.mapping?.first { $0.key == key }?.keyPlace
      }
      let misspelling =
        given.isEmpty ? misspelling(of: kinds, in: document, keys: ConfigKeys.top) : nil
      throw error(.oneOfThree(found: given, misspelling: misspelling), at: place ?? document.place)
    }
    let method = try method(fields["merge_method"], top.key("merge_method"))
    let methods = try usedMethods(method, partsNode, given[0])
    let parameters = try scope(fields["parameters"], top.key("parameters"), methods: methods, isInput: false)
    let context = Context(
      document: document, method: method,
      base: try fields["base_model"].map { (node) throws(ConfigError) in
        try model(node, top.key("base_model"))
      }, methods: methods)
    let parts = try parts(given[0], partsNode, top, context)
    let config = MergeConfig(
      place: document.place,
      name: try fields["name"].map { (node) throws(ConfigError) in
        try name(node, top.key("name"))
      }, method: method, base: context.base, parts: parts, partsPlace: partsNode.place,
      parameters: parameters, dtype: try dtype(fields["dtype"], top.key("dtype")),
      outDType: try dtype(fields["out_dtype"], top.key("out_dtype")),
      tokenizer: try tokenizer(fields),
      chatTemplate: try stated(fields["chat_template"]).map { (node) throws(ConfigError) in
        let words = "a name such as chatml, 'auto', or a Jinja template"
        return MergeConfig.PlacedText(
          text: try text(node, top.key("chat_template"), words), place: node.place)
      })
    return config
  }

  /// What an inner part of a document gets from the parts around it.
  struct Context {
    var document: YAMLNode
    var method: MergeConfig.PlacedText?
    var base: PlacedModel?
    /// All that the document uses, its own first.
    var methods: [MethodDeclaration]
  }

  /// The keys of those fields that are not empty; if all are, of all that are given.
  private func filled(_ keys: [String], _ fields: [String: YAMLNode]) -> [String] {
    let given = keys.filter { fields[$0] != nil }
    let filled = given.filter { key in
      fields[key]?.sequence?.isEmpty != true && fields[key]?.mapping?.isEmpty != true
    }
    return filled.isEmpty ? given : filled
  }

  /// A value that is not an empty text, which mergekit takes for none.
  func stated(_ node: YAMLNode?) -> YAMLNode? { node?.text?.isEmpty == true ? nil : node }

  // MARK: Parts

  private func parts(
    _ key: String, _ node: YAMLNode, _ path: KeyPath, _ context: Context
  ) throws(ConfigError) -> MergeConfig.Parts {
    let path = path.key(key)
    switch key {
    case "models": return .models(try models(node, path, context))
    case "slices":
      var slices: [MergeConfig.Slice] = []
      for (index, item) in try list(node, path, of: "slices").enumerated() {
        slices.append(try slice(item, path.item(index + 1), context))
      }
      return .slices(slices)
    default:
      let entries = try mapping(node, path, "a mapping of modules, such as text_decoder")
      if entries.isEmpty { throw error(.emptyList(expected: "at least one module"), node, path) }
      var modules: [MergeConfig.Module] = []
      for entry in entries { modules.append(try module(entry, path.key(entry.key), context)) }
      return .modules(modules)
    }
  }

  private func models(
    _ node: YAMLNode, _ path: KeyPath, _ context: Context
  ) throws(ConfigError) -> [MergeConfig.Source] {
    let method = try declaration(context.method, in: context.document, KeyPath(), keys: ConfigKeys.top)
    var sources: [MergeConfig.Source] = []
    for (index, item) in try list(node, path, of: "models").enumerated() {
      sources.append(try source(item, path.item(index + 1), keys: ConfigKeys.model, method))
    }
    return sources
  }

  private func slice(
    _ node: YAMLNode, _ path: KeyPath, _ context: Context
  ) throws(ConfigError) -> MergeConfig.Slice {
    _ = try mapping(node, path, "a slice with its sources")
    let fields = try known(node, path, keys: ConfigKeys.slice)
    if fields["residual_weight"] != nil,
      let place = node.mapping?.first(where: { $0.key == "residual_weight" })?.keyPlace
    {
      warn(.residualWeight, at: place, path.key("residual_weight"))
    }
    guard let sourcesNode = fields["sources"] else {
      throw missing("sources", in: node, path, keys: ConfigKeys.slice)
    }
    let own = try method(fields["merge_method"], path.key("merge_method"))
    let method = try declaration(own ?? context.method, in: node, path, keys: ConfigKeys.slice)
    let parameters = try scope(
      fields["parameters"], path.key("parameters"), methods: [method], isInput: false)
    let base = try fields["base_model"].map { (node) throws(ConfigError) in
      try model(node, path.key("base_model"))
    }
    let sourcesPath = path.key("sources")
    var sources: [MergeConfig.Source] = []
    for (index, item) in try list(sourcesNode, sourcesPath, of: "models with their layer_range").enumerated()
    {
      let path = sourcesPath.item(index + 1)
      let source = try source(item, path, keys: ConfigKeys.source, method)
      guard let layers = source.layers else {
        throw missing("layer_range", in: item, path, keys: ConfigKeys.source)
      }
      if let first = sources.first?.layers?.range.count, first != layers.range.count {
        throw error(
          .layersUnequal(count: layers.range.count, first: first), at: layers.place, path.key("layer_range"))
      }
      sources.append(source)
    }
    return MergeConfig.Slice(
      place: node.place, sources: sources, sourcesPlace: sourcesNode.place, base: base, method: own,
      parameters: parameters)
  }

  private func module(
    _ entry: YAMLNode.Entry, _ path: KeyPath, _ context: Context
  ) throws(ConfigError) -> MergeConfig.Module {
    let node = entry.value
    _ = try mapping(node, path, "models or slices of the module")
    let fields = try known(node, path, keys: ConfigKeys.module)
    let kinds = ["models", "slices"]
    let given = filled(kinds, fields)
    guard given.count == 1, let partsNode = fields[given[0]] else {
      let misspelling = given.isEmpty ? misspelling(of: kinds, in: node, keys: ConfigKeys.module) : nil
      throw error(.modelsAndSlices(found: given, misspelling: misspelling), at: entry.keyPlace, path)
    }
    let parameters = try scope(
      fields["parameters"], path.key("parameters"), methods: context.methods, isInput: false)
    return MergeConfig.Module(
      name: entry.key, place: node.place,
      parts: try parts(given[0], partsNode, path, context),
      partsPlace: partsNode.place, parameters: parameters)
  }

  private func source(
    _ node: YAMLNode, _ path: KeyPath, keys: [String], _ method: MethodDeclaration
  ) throws(ConfigError) -> MergeConfig.Source {
    _ = try mapping(node, path, "a mapping with the key model")
    let fields = try known(node, path, keys: keys)
    guard let modelNode = fields["model"] else { throw missing("model", in: node, path, keys: keys) }
    return MergeConfig.Source(
      model: try model(modelNode, path.key("model")), place: node.place,
      layers: try fields["layer_range"].map { (node) throws(ConfigError) in
        (try layers(node, path.key("layer_range")), node.place)
      },
      parameters: try scope(fields["parameters"], path.key("parameters"), methods: [method], isInput: true))
  }

  private func layers(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> Range<Int> {
    let words = "two layer numbers, the first and the one after the last, such as [0, 16]"
    guard let items = node.sequence, items.count == 2 else {
      let found = node.sequence.map { $0.count == 1 ? "one number" : "a list of \($0.count)" }
      throw error(.expected(words, found: found ?? node.found), node, path)
    }
    var numbers: [Int] = []
    for (index, item) in items.enumerated() {
      guard let number = item.number?.integer else {
        throw error(.expected("a layer number", found: item.found), item, path.item(index + 1))
      }
      if number < 0 { throw error(.layersNegative(number), item, path.item(index + 1)) }
      numbers.append(number)
    }
    if numbers[0] > numbers[1] { throw error(.layersReversed(numbers[0], numbers[1]), node, path) }
    return numbers[0]..<numbers[1]
  }

  // MARK: Methods

  private func method(_ node: YAMLNode?, _ path: KeyPath) throws(ConfigError) -> MergeConfig.PlacedText? {
    guard let node else { return nil }
    let name = try text(node, path, "the name of a merge method, or a file such as ./method.lua")
    guard methods[name] != nil else {
      let nearest = nearestName(to: name, among: methods.keys.sorted())
      throw error(.unknownMethod(name, nearest: nearest), node, path)
    }
    return MergeConfig.PlacedText(text: name, place: node.place)
  }

  private func declaration(
    _ method: MergeConfig.PlacedText?, in node: YAMLNode, _ path: KeyPath, keys: [String]
  ) throws(ConfigError) -> MethodDeclaration {
    guard let method, let declaration = methods[method.text] else {
      throw missing("merge_method", in: node, path, keys: keys)
    }
    return declaration
  }

  /// All methods that a document uses, its own first, each once.
  private func usedMethods(
    _ own: MergeConfig.PlacedText?, _ parts: YAMLNode, _ key: String
  ) throws(ConfigError) -> [MethodDeclaration] {
    var names = [own?.text].compactMap(\.self)
    let lists = key == "slices" ? [parts] : (parts.mapping ?? []).compactMap { $0.value["slices"] }
    for slice in lists.flatMap({ $0.sequence ?? [] }) {
      if let name = slice["merge_method"]?.text, !names.contains(name) { names.append(name) }
    }
    return names.compactMap { methods[$0] }
  }

  // MARK: Single values

  func dtype(_ node: YAMLNode?, _ path: KeyPath) throws(ConfigError) -> MergeConfig.PlacedText? {
    guard let node = stated(node) else { return nil }
    let text = try text(node, path, "the name of a dtype, such as bfloat16")
    let name = text.hasPrefix("torch.") ? String(text.dropFirst("torch.".count)) : text
    guard options.dtypeNames.contains(name.lowercased()) else {
      // The start of a name means it more than a similar one: float8 is no float16.
      let start = name.lowercased()
      let nearest =
        options.dtypeNames.first { start.count > 3 && $0.hasPrefix(start) }
        ?? nearestName(to: name, among: options.dtypeNames)
      throw error(.unknownDType(found: text, nearest: nearest, known: options.dtypeNames), node, path)
    }
    return MergeConfig.PlacedText(text: name.lowercased(), place: node.place)
  }

  private func name(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> MergeConfig.PlacedText {
    let name = try text(node, path, "a name")
    let isControl = name.unicodeScalars.contains { $0.value < 32 }
    if name.contains("/") || name.contains("..") || name == "." || isControl {
      throw error(.badName(name), node, path)
    }
    return MergeConfig.PlacedText(text: name, place: node.place)
  }
}
