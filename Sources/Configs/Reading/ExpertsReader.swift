import Basics

extension ConfigKeys {
  static let mixture = [
    "base_model", "experts", "shared_experts", "gate_mode", "dtype", "experts_per_token", "architecture",
  ]
  static let expert = [
    "source_model", "positive_prompts", "negative_prompts", "noise_scale", "residual_scale",
  ]
  /// What `gate_mode` may be.
  static let gateModes = ["hidden", "hidden_avg", "hidden_last", "cheap_embed", "random", "uniform_random"]
}

/// The config of a mixture of experts.
extension MergeReader {
  /// Reads a document with `experts`.
  func experts(_ document: YAMLNode) throws(ConfigError) -> ExpertsConfig {
    let top = KeyPath()
    let keys = ConfigKeys.mixture
    let fields = try known(document, top, keys: keys)
    guard let base = fields["base_model"] else {
      throw missing("base_model", in: document, top, keys: keys)
    }
    guard let expertsNode = fields["experts"] else {
      throw missing("experts", in: document, top, keys: keys)
    }
    var config = ExpertsConfig(
      place: document.place, base: try model(base, top.key("base_model")),
      experts: try expertList(expertsNode, top.key("experts")), expertsPlace: expertsNode.place,
      sharedExperts: [], gateMode: try gateMode(fields["gate_mode"], top.key("gate_mode")),
      dtype: try dtype(fields["dtype"], top.key("dtype")))
    // An empty list says that there are none.
    if let shared = fields["shared_experts"], shared.sequence?.isEmpty != true {
      config.sharedExperts = try expertList(shared, top.key("shared_experts"))
      config.sharedExpertsPlace = shared.place
    }
    if let node = fields["experts_per_token"] {
      guard let count = node.number?.integer, count > 0 else {
        let problem = ConfigProblem.expected("a count from 1 on", found: node.found)
        throw error(problem, node, top.key("experts_per_token"))
      }
      config.expertsPerToken = (count, node.place)
    }
    if let node = stated(fields["architecture"]) {
      let words = "the name of an architecture, such as mixtral, or a file such as ./architecture.lua"
      config.architecture = MergeConfig.PlacedText(
        text: try text(node, top.key("architecture"), words), place: node.place)
    }
    return config
  }

  private func expertList(
    _ node: YAMLNode, _ path: KeyPath
  ) throws(ConfigError) -> [ExpertsConfig.Expert] {
    var experts: [ExpertsConfig.Expert] = []
    for (index, item) in try list(node, path, of: "experts").enumerated() {
      experts.append(try expert(item, path.item(index + 1)))
    }
    return experts
  }

  private func expert(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> ExpertsConfig.Expert {
    _ = try mapping(node, path, "a mapping with the key source_model")
    let fields = try known(node, path, keys: ConfigKeys.expert)
    guard let source = fields["source_model"] else {
      throw missing("source_model", in: node, path, keys: ConfigKeys.expert)
    }
    func prompts(_ key: String) throws(ConfigError) -> ExpertsConfig.Prompts? {
      guard let node = fields[key] else { return nil }
      return try self.prompts(node, path.key(key))
    }
    func number(_ key: String) throws(ConfigError) -> ExpertsConfig.Number? {
      guard let node = fields[key] else { return nil }
      guard let number = node.number, number.value.isFinite else {
        throw error(.expected("a number", found: node.found), node, path.key(key))
      }
      return ExpertsConfig.Number(number: number, place: node.place)
    }
    return ExpertsConfig.Expert(
      place: node.place, model: try model(source, path.key("source_model")),
      positivePrompts: try prompts("positive_prompts"), negativePrompts: try prompts("negative_prompts"),
      noiseScale: try number("noise_scale"), residualScale: try number("residual_scale"))
  }

  private func prompts(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> ExpertsConfig.Prompts {
    guard let items = node.sequence else {
      throw error(.expected("a list of prompts", found: node.found), node, path)
    }
    var texts: [MergeConfig.PlacedText] = []
    for (index, item) in items.enumerated() {
      guard let text = item.text else {
        throw error(.expected("a text", found: item.found), item, path.item(index + 1))
      }
      texts.append(MergeConfig.PlacedText(text: text, place: item.place))
    }
    return ExpertsConfig.Prompts(texts: texts, place: node.place)
  }

  private func gateMode(_ node: YAMLNode?, _ path: KeyPath) throws(ConfigError) -> MergeConfig.PlacedText? {
    guard let node else { return nil }
    guard let text = node.text, ConfigKeys.gateModes.contains(text) else {
      let nearest = node.text.flatMap { nearestName(to: $0, among: ConfigKeys.gateModes) }
      throw error(
        .badChoice(found: node.found, choices: ConfigKeys.gateModes, nearest: nearest), node, path)
    }
    return MergeConfig.PlacedText(text: text, place: node.place)
  }
}
