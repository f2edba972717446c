import Architectures
import Basics
import SystemPackage
import Tensors
import Tokenizers

/// A model that a script makes of others: names, what their tensors are like, and how to build each.
package final class DerivedModel: LazyModel {
  /// Where a layer of the output comes from.
  package struct Layer {
    package var model: any LazyModel
    /// The name of the module in that model.
    package var module: String
    package var index: Int

    package init(model: any LazyModel, module: String, index: Int) {
      self.model = model
      self.module = module
      self.index = index
    }
  }

  /// Everything that defines a derived model.
  package struct Definition {
    package var label: String
    package var names: [String]
    /// The model whose config.json, tokenizer and other files the output gets.
    package var like: any LazyModel
    /// The models that it is made of, `like` included or not.
    package var sources: [any LazyModel]
    /// What all floating-point tensors are stored as; `nil` keeps each tensor's own.
    package var dtype: DType?
    /// The layers of each module; a module that is not named keeps those of `like`.
    package var layers: [String: [Layer]]
    /// How keys of config.json depend on the layers.
    package var rules: LayerRules
    /// The methods that made it.
    package var methods: [ModelCard.Method]
    /// The model whose differences to the others are merged, for the model card.
    package var base: (any LazyModel)?
    /// What the output's config.json says of its vocabulary.
    package var vocabulary: OutputConfig.Vocabulary
    /// What the output's config.json says otherwise at its top, whatever that of `like` says; `nil` takes a key away.
    package var configValues: [(key: String, value: JSON?)]
    /// config.json, in the place of that of `like`; the changes above are made to it.
    package var config: JSON?
    /// Tokenizer and other files, in the place of those of `like`.
    package var files: (any ModelFiles)?
    /// What adapter_config.json says of it, if it is an adapter; `nil` if it is what `like` is.
    package var adapterConfig: JSON?
    /// The tokenizer that the output gets; `nil` keeps that of `like`.
    package var tokenizer: TokenizerFiles?
    /// What becomes of the token ids in the config files of `like` with that tokenizer.
    package var tokenIDs: TokenIDs?
    /// The Jinja text that the output's tokenizer gets; `nil` keeps that of `like`.
    package var chatTemplate: String?
    /// What the headers of the output's files note of it.
    package var metadata: [(key: String, value: String)]
    /// What a tensor is like, where that is known before it is built.
    package var specify: (String) throws -> TensorSpecification?
    /// The tensor's expression, with one reference for the caller.
    package var build: (String) throws -> NodeID

    package init(
      label: String, names: [String], like: any LazyModel, sources: [any LazyModel], dtype: DType? = nil,
      layers: [String: [Layer]] = [:], rules: LayerRules = .none,
      methods: [ModelCard.Method] = [], base: (any LazyModel)? = nil,
      vocabulary: OutputConfig.Vocabulary = OutputConfig.Vocabulary(),
      configValues: [(key: String, value: JSON?)] = [], config: JSON? = nil, files: (any ModelFiles)? = nil,
      adapterConfig: JSON? = nil,
      tokenizer: TokenizerFiles? = nil,
      tokenIDs: TokenIDs? = nil, chatTemplate: String? = nil,
      metadata: [(key: String, value: String)] = [],
      specify: @escaping (String) throws -> TensorSpecification? = { _ in nil },
      build: @escaping (String) throws -> NodeID
    ) {
      self.label = label
      self.names = names
      self.like = like
      self.sources = sources
      self.dtype = dtype
      self.layers = layers
      self.rules = rules
      self.methods = methods
      self.base = base
      self.vocabulary = vocabulary
      self.configValues = configValues
      self.config = config
      self.files = files
      self.adapterConfig = adapterConfig
      self.tokenizer = tokenizer
      self.tokenIDs = tokenIDs
      self.chatTemplate = chatTemplate
      self.metadata = metadata
      self.specify = specify
      self.build = build
    }
  }

  let definition: Definition
  private let graph: ExpressionGraph
  private let known: Set<String>
  private var cached = NodeCache()
  private var specifications: [String: TensorSpecification] = [:]
  /// Expressions built to learn their shapes, kept for their turn as long as there are few.
  private var kept: [String: NodeID] = [:]
  private static let keptNodes = 100_000

  package init(_ definition: Definition, graph: ExpressionGraph) throws {
    self.definition = definition
    self.graph = graph
    let models = [definition.like] + definition.sources
    provenance = Self.provenance(of: definition, from: models.map(\.provenance))
    companions = Self.companions(of: definition)
    depth = 1 + (models.map(\.depth).max() ?? 0)
    known = Set(definition.names)
    guard known.count == definition.names.count else {
      let repeated = Dictionary(grouping: definition.names, by: { $0 }).first { $1.count > 1 }!.key
      throw MergeError.duplicateName(repeated, model: definition.label)
    }
  }

  deinit {
    for node in kept.values { graph.release(node) }
  }

  package var label: String { definition.label }
  package var names: [String] { definition.names }
  package var metadata: [(key: String, value: String)] { definition.metadata }

  package func has(_ name: String) -> Bool { known.contains(name) }

  package func specification(of name: String) throws -> TensorSpecification? {
    guard known.contains(name) else { return nil }
    if let specification = specifications[name] { return specification }
    var specification: TensorSpecification
    if let told = try definition.specify(name) {
      specification = told
    } else {
      let node = try expression(for: name)
      specification = TensorSpecification(shape: graph.shape(of: node), dtype: graph.dtype(of: node))
      if graph.liveCount < Self.keptNodes, kept[name] == nil {
        kept[name] = node
      } else {
        graph.release(node)
      }
    }
    if let dtype = definition.dtype, specification.dtype.isArithmetic { specification.dtype = dtype }
    if specifications.isEmpty { specifications.reserveCapacity(names.count) }
    specifications[name] = specification
    return specification
  }

  /// A stage's dtype rounds what later stages read, as storing and loading it would.
  package func expression(for name: String) throws -> NodeID {
    whenAsked?(name)
    if let node = kept.removeValue(forKey: name) { return node }
    if let node = cached.node(named: name, in: graph) { return node }
    guard known.contains(name) else {
      throw MergeError.noTensor(name, model: label, nearest: nearestName(to: name, among: names))
    }
    let built = try definition.build(name)
    var node = built
    if let dtype = definition.dtype, graph.dtype(of: built).isArithmetic {
      defer { graph.release(built) }
      node = try graph.convert(built, to: dtype)
    }
    cached.add(node, named: name, in: graph)
    return node
  }

  // Each of these is found once: a chain of models would otherwise ask the same ones again and again.

  package let provenance: ModelProvenance
  package let companions: Companions

  package private(set) lazy var warnings: [String] = {
    var said: Set<String> = []
    let own = layerWarnings + (adapterConfig == nil ? (try? derived.get())?.warnings ?? [] : [])
    return (definition.sources.flatMap(\.warnings) + own).filter { said.insert($0).inserted }
  }()

  package var config: JSON? {
    get throws { try adapterConfig ?? derived.get()?.json }
  }

  package var adapterConfig: JSON? { definition.adapterConfig ?? definition.like.adapterConfig }

  private lazy var derived = Result { try derivedConfig() }

  /// What is to be said of the layers of a stack; see `checkLayers`.
  var layerWarnings: [String] = []

  package var whenAsked: ((String) -> Void)?

  package let depth: Int

  private static func provenance(
    of definition: Definition, from models: [ModelProvenance]
  ) -> ModelProvenance {
    var result = ModelProvenance(checkpoints: [], base: definition.base?.provenance.original)
    for checkpoint in models.flatMap(\.checkpoints)
    where !result.checkpoints.contains(where: { $0 === checkpoint }) {
      result.checkpoints.append(checkpoint)
    }
    // What `like` gives, the first of them, is a config and files.
    for method in models.dropFirst().flatMap(\.methods) + definition.methods
    where !result.methods.contains(where: { $0.prettyName == method.prettyName }) {
      result.methods.append(method)
    }
    return result
  }

  private static func companions(of definition: Definition) -> Companions {
    var result = definition.like.companions
    if let files = definition.files { result = Companions(files: files, label: definition.label) }
    if let tokenizer = definition.tokenizer { result.tokenizer = tokenizer }
    if let ids = definition.tokenIDs { result.tokenIDs.append(ids) }
    if let template = definition.chatTemplate { result.newChatTemplate = template }
    return result
  }

  private func derivedConfig() throws -> OutputConfig? {
    guard let base = try definition.config ?? definition.like.config else { return nil }
    var layers: [String: [OutputConfig.LayerSource]] = [:]
    for (module, sources) in definition.layers { layers[module] = try layerSources(sources) }
    var derived = OutputConfig.derive(
      from: base,
      architecture: definition.config.map { Architecture(names: names, config: $0) }
        ?? definition.like.architecture, dtype: definition.dtype, layers: layers,
      rules: definition.rules, vocabulary: definition.vocabulary, values: definition.configValues)
    if let ids = definition.tokenIDs {
      let (json, warnings) = ids.mapped(derived.json, of: "config.json")
      derived.json = json
      derived.remarks += warnings.map { OutputConfig.Remark($0) }
    }
    return derived
  }

  package private(set) lazy var aliases = NameAliases(names)

  package lazy var architecture = Architecture(names: names, config: (try? config) ?? nil)
}
