import Basics

extension ConfigKeys {
  static let layerSlices = ["layer_slices", "embedding_source", "lm_head_source"]
  static let layerSlice = ["model", "start", "end", "scale"]
}

/// The configs of mergekit's `bakllama`: layers of several models, one run after the other.
extension MergeReader {
  /// Reads such a config as the stack that it stands for.
  ///
  /// `embedding_source` and `lm_head_source`, which mergekit 0.1.5 reads and does not use, become slices without layers:
  /// what stands before the layers is the first slice's, and what stands after them the last one's.
  func layerSlices(_ document: YAMLNode) throws(ConfigError) -> MergeConfig {
    let top = KeyPath()
    let fields = try known(document, top, keys: ConfigKeys.layerSlices)
    guard let node = fields["layer_slices"] else {
      throw missing("layer_slices", in: document, top, keys: ConfigKeys.layerSlices)
    }
    var slices: [MergeConfig.Slice] = []
    for (index, item) in try list(node, top.key("layer_slices"), of: "layers with their model").enumerated() {
      slices.append(try layerSlice(item, top.key("layer_slices").item(index + 1)))
    }
    if let source = fields["embedding_source"] {
      slices.insert(try slice(of: source, top.key("embedding_source")), at: 0)
    }
    if let source = fields["lm_head_source"] {
      slices.append(try slice(of: source, top.key("lm_head_source")))
    }
    return MergeConfig(
      place: document.place,
      method: MergeConfig.PlacedText(text: "passthrough", place: document.place),
      parts: .slices(slices), partsPlace: node.place, parameters: Scope())
  }

  private func layerSlice(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> MergeConfig.Slice {
    _ = try mapping(node, path, "a mapping of model, start and end")
    let fields = try known(node, path, keys: ConfigKeys.layerSlice)
    guard let model = fields["model"] else {
      throw missing("model", in: node, path, keys: ConfigKeys.layerSlice)
    }
    var ends: [Int] = []
    for key in ["start", "end"] {
      guard let end = fields[key] else { throw missing(key, in: node, path, keys: ConfigKeys.layerSlice) }
      guard let number = end.number?.integer else {
        throw error(.expected("a layer number", found: end.found), end, path.key(key))
      }
      if number < 0 { throw error(.layersNegative(number), end, path.key(key)) }
      ends.append(number)
    }
    if ends[0] > ends[1] { throw error(.layersReversed(ends[0], ends[1]), node, path) }
    var parameters = Scope()
    if let scale = fields["scale"] {
      guard let number = scale.number, number.value.isFinite else {
        throw error(.expected("a number", found: scale.found), scale, path.key("scale"))
      }
      parameters.place = scale.place
      // The last matrix of a layer's feed-forward part, as in mergekit.
      let filtered = LuaValue.table([
        .field("filter", .string("down_proj"), scale.place), .field("value", .code(number.lua), scale.place),
      ])
      parameters.settings = [
        ("scale", Setting(value: filtered, place: scale.place, path: path.key("scale")))
      ]
    }
    let source = MergeConfig.Source(
      model: try self.model(model, path.key("model")), place: node.place,
      layers: (ends[0]..<ends[1], node.place), parameters: parameters)
    return MergeConfig.Slice(
      place: node.place, sources: [source], sourcesPlace: node.place, parameters: Scope())
  }

  /// A slice without layers.
  private func slice(of node: YAMLNode, _ path: KeyPath) throws(ConfigError) -> MergeConfig.Slice {
    let source = MergeConfig.Source(
      model: try model(node, path), place: node.place, layers: (0..<0, node.place), parameters: Scope())
    return MergeConfig.Slice(
      place: node.place, sources: [source], sourcesPlace: node.place, parameters: Scope())
  }
}
