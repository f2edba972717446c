import Basics

/// What tensor names, and config.json where there is one, tell of a model's build: its stacks of
/// layers, which tensors belong to which layer, and what each tensor is.
///
/// Nothing is known about any architecture by name; see `LayerStack` for how stacks are found. A model
/// without layers has one module without layers.
package struct Architecture: Sendable {
  /// What a tensor is. The kinds are exclusive.
  package enum Kind: String, Sendable, CaseIterable {
    /// A table of token embeddings; position and type embeddings are weights.
    case embedding
    /// The output layer outside of the stacks: over the vocabulary, or a classifier.
    case head
    /// The scale of a normalisation; its bias is a bias.
    case norm
    /// Any additive vector.
    case bias
    /// Everything else.
    case weight
  }

  /// What is known of one tensor.
  package struct TensorInfo: Sendable, Equatable {
    /// The layer, from 0; `nil` for a tensor outside of its module's layers.
    package let layer: Int?
    /// The position that gradients use: 0 to 1 over the layers, or over the entries of another list of modules;
    /// 1 in a module of one layer, 0 elsewhere.
    package let depth: Double
    /// The name of the module that it belongs to.
    package let module: String
    package let kind: Kind
    /// The name with `{layer}` in the place of the layer's number; the name itself outside of layers.
    package let template: String
    /// For the tensors of layers that follow the last one and predict further tokens (DeepSeek's
    /// `num_nextn_predict_layers`): which of these, from 0. Then `layer` is `nil`, and `template` has a
    /// place for the number, which is the number of layers plus this one.
    package let predictionLayer: Int?
  }

  /// A part of the model with a stack of layers of its own, or with none.
  package struct Module: Sendable {
    /// `default` where there is one module; else as mergekit 0.1.5 names it where that has a name
    /// (`text_decoder`, `vision_tower`, `multi_modal_projector`, `encoder`, `decoder`, `shared`), or a
    /// part of the layers' prefix.
    package let name: String
    /// What stands before the layer's number, such as `model.layers`; `nil` for a module without
    /// layers. Accepted as a name of the module too.
    package let layerPrefix: String?
    /// The number of layers.
    package let numLayers: Int
    /// The layers after them that predict further tokens; see `TensorInfo.predictionLayer`.
    package let numPredictionLayers: Int
    /// The objects of config.json that describe this module, outermost first, as key paths.
    package let configSections: [[String]]
    /// The key paths of config.json that hold the number of layers.
    package let layerCountKeys: [[String]]

    /// The words of the layers' prefix and of the module's part, by which keys of config.json are its own.
    let words: ModuleWords
    /// How well the names of the count's keys fit: of two modules with one key it is that of the better fit.
    let countRank: Int
    /// How the number in config.json relates to the number of layers.
    let countScale: LayerCountScale
    /// Further lists that are parts of the same layers, as XLM has them (`ffns` beside `attentions`).
    let furtherPrefixes: [String]
    /// What part the module plays.
    let role: ModuleRole
    /// The tensors outside of the layers whose names begin with this belong to it.
    let root: String
  }

  /// The modules: the main one, then the others in a fixed order.
  package let modules: [Module]

  /// Whether the output layer is the embedding: the config says so, or says nothing and there is an
  /// embedding and no head.
  package let tiesEmbeddings: Bool

  /// The rows of the token embedding by config.json.
  package let vocabularySize: Int?

  private let modulesByPrefix: [String: Int]
  /// The numbers of entries of lists of modules beside the layers, such as an adapter for each of some layers.
  private let minorLists: [String: Int]
  private let projector: Int?
  private let shared: Int?

  /// The module whose layers are the model's: those of the text, of the decoder if there are two.
  package var main: Module { modules[0] }

  /// The number of layers of the main module.
  package var numLayers: Int { main.numLayers }

  /// Infers the build of a model.
  ///
  /// - Parameters:
  ///   - names: The names of all its tensors.
  ///   - config: Its config.json, if there is one; a value that is no object says nothing.
  package init(names: some Collection<String>, config: JSON? = nil) {
    let reader = ArchitectureConfig(config ?? .null)
    let found = LayerStack.find(in: names)
    let (stacks, places) = ModuleRole.assign(to: found.filter { !$0.isMinor })
    let words = zip(stacks, places).map { stack, place in
      ModuleWords(prefix: stack.prefix, role: place.role, among: places.map(\.role))
    }
    let facts = ArchitectureConfig.settled(
      stacks.indices.map { index in
        reader.facts(
          for: places[index].role, stack: stacks[index], words: words[index], isOnly: stacks.count == 1)
      })
    var modules = stacks.indices.map { index in
      let (stack, place, facts) = (stacks[index], places[index], facts[index])
      return Module(
        name: place.name, layerPrefix: stack.prefix,
        numLayers: stack.count - facts.predictionLayers,
        numPredictionLayers: facts.predictionLayers,
        configSections: facts.sections, layerCountKeys: facts.layerCountKeys, words: words[index],
        countRank: facts.rank, countScale: facts.scale, furtherPrefixes: stack.furtherPrefixes,
        role: place.role, root: place.root)
    }
    if modules.isEmpty {
      modules.append(.withoutLayers("default", role: .text, sections: [[]]))
    }

    let prefixes = Set(stacks.flatMap { [$0.prefix] + $0.furtherPrefixes })
    let loose = names.filter { name in
      !NumberedComponents(name).contains { prefixes.contains(String($0.prefix)) }
    }
    var projector: Int?
    var shared: Int?
    if modules.count > 1 {
      if loose.contains(where: ModuleRole.isProjector) {
        projector = modules.count
        modules.append(.withoutLayers("multi_modal_projector", role: .other, sections: []))
      }
      let hasText = modules.contains { $0.role == .text }
      let hasOrphans = loose.contains { name in
        !ModuleRole.isProjector(name) && !modules.contains { $0.isRoot(of: name) }
      }
      if modules.contains(where: { $0.role == .decoder }), !hasText, hasOrphans {
        shared = modules.count
        modules.append(.withoutLayers("shared", role: .other, sections: []))
      }
    }
    minorLists = Dictionary(
      found.filter(\.isMinor).map { ($0.prefix, $0.count) }, uniquingKeysWith: { first, _ in first })
    self.modules = modules
    self.projector = projector
    self.shared = shared
    modulesByPrefix = Dictionary(
      modules.enumerated().flatMap { index, module in
        (module.layerPrefix.map { [$0] } ?? []).map { ($0, index) }
          + module.furtherPrefixes.map { ($0, index) }
      },
      uniquingKeysWith: { first, _ in first })
    let vocabularySize = reader.vocabularySize(sections: modules[0].configSections)
    self.vocabularySize = vocabularySize
    let kinds = Set(
      loose.map { TensorKind.of($0, inLayer: false, shape: nil, vocabularySize: vocabularySize) })
    tiesEmbeddings = reader.tiesEmbeddings ?? (kinds.contains(.embedding) && !kinds.contains(.head))
  }

  /// The module of a name: its own, or the prefix of its layers.
  package func module(named name: String) -> Module? {
    modules.first { $0.name == name } ?? modules.first { $0.layerPrefix == name }
  }

  /// What a tensor is. The name need not be one of those that the architecture was inferred from.
  ///
  /// - Parameter shape: Its dimensions, where known: a matrix is no norm, a vector no embedding, and a
  ///   table with the vocabulary's rows is an embedding or head whatever its name.
  package func info(for name: String, shape: [Int]? = nil) -> TensorInfo {
    if let place = place(name) {
      let module = modules[place.module]
      let isLayer = place.number < module.numLayers
      return TensorInfo(
        layer: isLayer ? place.number : nil,
        depth: isLayer ? Self.depth(place.number, of: module.numLayers) : 0, module: module.name,
        kind: TensorKind.of(name, inLayer: true, shape: shape, vocabularySize: vocabularySize),
        template: place.template,
        predictionLayer: isLayer ? nil : place.number - module.numLayers)
    }
    return TensorInfo(
      layer: nil, depth: minorDepth(name), module: modules[looseModule(name)].name,
      kind: TensorKind.of(name, inLayer: false, shape: shape, vocabularySize: vocabularySize),
      template: name, predictionLayer: nil)
  }

  private static func depth(_ number: Int, of count: Int) -> Double {
    count > 1 ? Double(number) / Double(count - 1) : 1
  }

  /// The position of a tensor in a list beside the layers; 0 in none.
  private func minorDepth(_ name: String) -> Double {
    if minorLists.isEmpty { return 0 }
    for number in NumberedComponents(name) {
      guard let count = minorLists[String(number.prefix)], number.value < count else { continue }
      return Self.depth(number.value, of: count)
    }
    return 0
  }

  /// The module's name and the layer of a tensor; `nil` outside of layers.
  package func layer(of name: String) -> (module: String, index: Int)? {
    guard let place = place(name), place.number < modules[place.module].numLayers else { return nil }
    return (modules[place.module].name, place.number)
  }

  /// A tensor's name with `{layer}` in the place of its layer's number.
  package func template(of name: String) -> String { place(name)?.template ?? name }

  /// A tensor's name with another number in the place of its layer's; the same outside of layers.
  package func name(_ name: String, layer: Int) -> String {
    Self.name(template: template(of: name), layer: layer)
  }

  /// The name that a template gives for a layer.
  package static func name(template: String, layer: Int) -> String {
    template.replacing(layerPlaceholder, with: String(layer), maxReplacements: 1)
  }

  /// Where the layer's number stands in a template.
  static let layerPlaceholder = "{layer}"

  // MARK: Places

  private func place(_ name: String) -> (module: Int, number: Int, template: String)? {
    for number in NumberedComponents(name) {
      guard let module = modulesByPrefix[String(number.prefix)],
        number.value < modules[module].numLayers + modules[module].numPredictionLayers
      else { continue }
      let template = "\(number.prefix).\(Self.layerPlaceholder).\(number.rest)"
      return (module, number.value, template)
    }
    return nil
  }

  /// The module of a tensor outside of the layers.
  private func looseModule(_ name: String) -> Int {
    if modules.count == 1 { return 0 }
    if let projector, ModuleRole.isProjector(name) { return projector }
    let candidates = modules.indices.filter { modules[$0].isRoot(of: name) }
    return candidates.max { modules[$0].root.utf8.count < modules[$1].root.utf8.count } ?? shared ?? 0
  }
}

extension Architecture.Module {
  static func withoutLayers(_ name: String, role: ModuleRole, sections: [[String]]) -> Self {
    Self(
      name: name, layerPrefix: nil, numLayers: 0, numPredictionLayers: 0, configSections: sections,
      layerCountKeys: [], words: ModuleWords(prefix: "", role: role, among: [role]), countRank: 0,
      countScale: .exact,
      furtherPrefixes: [], role: role, root: "")
  }

  /// The object of config.json that has the number of layers.
  var countSection: [String]? { layerCountKeys.last.map { Array($0.dropLast()) } }

  /// How many layers config.json counts for each.
  var layerCountFactor: Int {
    if case .times(let factor) = countScale { factor } else { 1 }
  }

  /// The number that stands in config.json for a number of layers; `nil` if none does.
  func configCount(for count: Int) -> Int? {
    switch countScale {
    case .exact: count
    case .times(let factor): count * factor
    case .per(let layers): count % layers == 0 ? count / layers : nil
    }
  }

  func isRoot(of name: String) -> Bool {
    !root.isEmpty && name.utf8.count > root.utf8.count && name.hasPrefix(root)
      && name.utf8.dropFirst(root.utf8.count).first == UInt8(ascii: ".")
  }
}
