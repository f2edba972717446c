import Basics

/// Rewrites what a config.json says layer by layer for layers that come from elsewhere.
///
/// Lists with an entry a layer, lists of layer numbers and counts of first or last layers are put
/// together from what the sources' own configs say of the layers that were taken. A source that lacks
/// such a key is taken to agree with the base on the layer of that number.
struct LayerConfigRewriter {
  private let base: JSON
  private let module: Architecture.Module
  private let sources: [OutputConfig.LayerSource]
  private(set) var warnings: [String] = []

  init(base: JSON, module: Architecture.Module, sources: [OutputConfig.LayerSource]) {
    self.base = base
    self.module = module
    self.sources = sources
  }

  mutating func rewrite(_ config: inout JSON) {
    for section in module.configSections {
      guard let object = base[path: section]?.objectValue else { continue }
      for (key, value) in object {
        let path = section + [key]
        switch LayerKey(key, value: value, module: module) {
        case nil: continue
        case .list: rewriteList(path, &config)
        case .pattern: rewritePattern(path, &config)
        case .repeatedPatterns: rewriteRepeatedPatterns(path, &config)
        case .indices: rewriteIndices(path, &config)
        case .firstLayers: rewriteFirstLayers(path, &config)
        case .lastLayers: rewriteLastLayers(path, &config)
        case .period: checkPeriod(path, config)
        }
      }
    }
    addLayerTypes(&config)
    dropPredictionLayers(&config)
  }

  /// Layers that predict further tokens have no place in a stack.
  private mutating func dropPredictionLayers(_ config: inout JSON) {
    guard module.numPredictionLayers > 0, let section = module.layerCountKeys.last?.dropLast() else { return }
    config[path: section + ["num_nextn_predict_layers"]] = JSON(0)
    warnings.append(
      "config.json: num_nextn_predict_layers is now 0, as a stack keeps no layers that predict further tokens"
    )
  }

  // MARK: An entry a layer

  private mutating func rewriteList(_ path: [String], _ config: inout JSON) {
    guard let old = base[path: path]?.arrayValue else { return }
    let entries = sources.map { source in
      source.list(path) ?? (old.indices.contains(source.layer) ? old[source.layer] : nil)
    }
    // What follows the layers belongs to the prediction layers, which no stack has.
    store(entries, path, &config) { .array($0) }
  }

  /// Nemotron-H's string with a letter a layer.
  private mutating func rewritePattern(_ path: [String], _ config: inout JSON) {
    guard let old = base[path: path]?.stringValue.map(Array.init) else { return }
    let letters = sources.map { source in
      source.pattern(path) ?? (old.indices.contains(source.layer) ? old[source.layer] : nil)
    }
    store(letters, path, &config) { .string(String($0)) }
  }

  /// GPT-Neo's `[[["global", "local"], 12]]`: lists of types, each with how often it is repeated.
  private mutating func rewriteRepeatedPatterns(_ path: [String], _ config: inout JSON) {
    guard let old = base[path: path]?.repeatedPatterns else { return }
    let types = sources.map { source in
      source.value(path)?.repeatedPatterns.flatMap {
        $0.indices.contains(source.layer) ? $0[source.layer] : nil
      } ?? (old.indices.contains(source.layer) ? old[source.layer] : nil)
    }
    if types == old { return }
    store(types, path, &config) { .array([.array([.array($0), JSON(1)])]) }
  }

  /// Stores the rewritten entries, or removes the key if one is unknown, as a list of a wrong length
  /// keeps a model from loading.
  private mutating func store<Entry>(
    _ entries: [Entry?], _ path: [String], _ config: inout JSON, value: ([Entry]) -> JSON
  ) {
    let known = entries.compactMap(\.self)
    if known.count == entries.count {
      config[path: path] = value(known)
    } else {
      config[path: path] = nil
      warnings.append(
        "config.json: \(name(path)) is left out, as nothing says it for all layers of the output")
    }
  }

  // MARK: Numbers of layers

  private func rewriteIndices(_ path: [String], _ config: inout JSON) {
    let old = base[path: path]
    let indices = sources.indices.filter { index in
      let source = sources[index]
      return (source.value(path) ?? old)?.arrayValue?.contains { $0.intValue == source.layer } ?? false
    }
    config[path: path] = .array(indices.map { JSON($0) })
  }

  private mutating func rewriteFirstLayers(_ path: [String], _ config: inout JSON) {
    guard let old = base[path: path]?.intValue else { return }
    let isFirst = sources.map { $0.layer < $0.value(path)?.intValue ?? old }
    let run = isFirst.prefix { $0 }.count
    // A number beyond the last layer means all of them, however many there are.
    config[path: path] = JSON(run == isFirst.count && old > module.numLayers ? max(old, run) : run)
    if isFirst[run...].contains(true), !isInactive(path) {
      warnings.append(
        "config.json: \(name(path)) counts layers from the first on and cannot say that layers after"
          + " \(run) are of that kind")
    }
  }

  private mutating func rewriteLastLayers(_ path: [String], _ config: inout JSON) {
    guard let old = base[path: path]?.intValue else { return }
    let isLast = sources.map {
      $0.layer >= $0.module.numLayers - max(0, min($0.value(path)?.intValue ?? old, $0.module.numLayers))
    }
    let run = isLast.reversed().prefix { $0 }.count
    config[path: path] = JSON(run)
    if isLast.dropLast(run).contains(true) {
      warnings.append(
        "config.json: \(name(path)) counts layers from the last back and cannot say that layers before"
          + " \(isLast.count - run) are of that kind")
    }
  }

  /// Warns if a rule by the layer's number makes a layer something else than it was.
  private mutating func checkPeriod(_ path: [String], _ config: JSON) {
    guard let period = base[path: path]?.intValue, period > 1, !isInactive(path) else { return }
    let moved = sources.indices.first { (sources[$0].layer - $0) % period != 0 }
    guard let moved else { return }
    warnings.append(
      "config.json: by \(name(path)) = \(period), layer \(moved) of the output may be of another kind than"
        + " layer \(sources[moved].layer), which it comes from")
  }

  // MARK: Layer types

  /// Writes `layer_types` where the base leaves them to a rule by the layer's number which the new order
  /// of layers breaks.
  private func addLayerTypes(_ config: inout JSON) {
    guard let section = typesSection, base[path: section + ["layer_types"]] == nil else { return }
    let types = sources.map { source in
      source.list(section + ["layer_types"])?.stringValue
        ?? LayerTypeRule(source.section(section))?.type(of: source.layer)
    }
    let known = types.compactMap(\.self)
    guard known.count == types.count,
      let rule = LayerTypeRule(config[path: section] ?? .null),
      known != known.indices.map(rule.type(of:))
    else { return }
    config[path: section + ["layer_types"]] = .array(known.map { .string($0) })
  }

  /// The section that has the number of layers.
  private var typesSection: [String]? {
    module.layerCountKeys.last.map { Array($0.dropLast()) }
  }

  /// Whether a key says nothing, as another one is stronger or turns it off.
  private func isInactive(_ path: [String]) -> Bool {
    let section = Array(path.dropLast())
    func has(_ key: String) -> Bool { base[path: section + [key]]?.arrayValue != nil }
    switch path.last {
    case "max_window_layers":
      return has("layer_types") || base[path: section + ["use_sliding_window"]]?.boolValue != true
        || LayerTypeRule(base[path: section] ?? .null) != nil
    case "sliding_window_pattern":
      return has("layer_types") || LayerTypeRule(base[path: section] ?? .null) != nil
    case "full_attention_interval", "global_attn_every_n_layers":
      return has("layer_types") || LayerTypeRule(base[path: section] ?? .null) != nil
    case "no_rope_layer_interval": return has("no_rope_layers")
    case "first_k_dense_replace": return has("mlp_layer_types")
    default: return false
    }
  }

  private func name(_ path: [String]) -> String { path.joined(separator: ".") }
}

/// Attention types by a rule that transformers applies where config.json has no `layer_types`.
private enum LayerTypeRule {
  /// The last of each `period` layers attends fully (Gemma 2 and 3, Cohere 2).
  case lastOf(period: Int, other: String)
  /// The first of each `period` layers attends fully (ModernBERT).
  case firstOf(period: Int)
  /// The first layers attend fully (`max_window_layers` of Qwen).
  case fullBefore(Int)

  init?(_ section: JSON) {
    let kind = section["model_type"]?.stringValue ?? ""
    if let (key, usual) = Self.firstOfPeriods[kind] {
      self = .firstOf(period: Self.period(section[key]) ?? usual)
    } else if let (key, usual) = Self.lastOfPeriods[kind] {
      if kind == "exaone4", section["sliding_window"]?.isNull == true { return nil }
      let other = key == "full_attention_interval" ? "linear_attention" : "sliding_attention"
      self = .lastOf(period: Self.period(section[key]) ?? usual, other: other)
    } else if kind.hasPrefix("qwen"), section["use_sliding_window"]?.boolValue == true,
      let first = section["max_window_layers"]?.intValue
    {
      self = .fullBefore(first)
    } else {
      return nil
    }
  }

  func type(of layer: Int) -> String {
    switch self {
    case .lastOf(let period, let other): (layer % period) + 1 == period ? "full_attention" : other
    case .firstOf(let period): layer % period == 0 ? "full_attention" : "sliding_attention"
    case .fullBefore(let first): layer < first ? "full_attention" : "sliding_attention"
    }
  }

  /// By `model_type`, the key of the period, and what it is where the config has no such key.
  private static let lastOfPeriods: [String: (key: String, usual: Int)] = [
    "gemma2": ("sliding_window_pattern", 2), "vaultgemma": ("sliding_window_pattern", 2),
    "gpt_oss": ("sliding_window_pattern", 2), "gemma3": ("sliding_window_pattern", 6),
    "gemma3_text": ("sliding_window_pattern", 6), "gemma3n_text": ("sliding_window_pattern", 5),
    "cohere2": ("sliding_window_pattern", 4), "olmo3": ("sliding_window_pattern", 4),
    "exaone4": ("sliding_window_pattern", 4), "qwen3_next": ("full_attention_interval", 4),
    "qwen3_5_text": ("full_attention_interval", 4), "qwen3_5_moe_text": ("full_attention_interval", 4),
  ]

  private static let firstOfPeriods: [String: (key: String, usual: Int)] = [
    "modernbert": ("global_attn_every_n_layers", 3), "modernbert-decoder": ("global_attn_every_n_layers", 3),
    "cwm": ("sliding_window_pattern", 4),
  ]

  /// A period as a number, or as a pattern with a letter a layer (EXAONE 4's `LLLG`).
  private static func period(_ value: JSON?) -> Int? {
    let period = value?.intValue ?? value?.stringValue?.count
    return period.flatMap { $0 > 0 ? $0 : nil }
  }
}

/// How a key of config.json depends on the layers.
private enum LayerKey {
  case list
  case pattern
  case repeatedPatterns
  case indices
  case firstLayers
  case lastLayers
  case period

  init?(_ key: String, value: JSON, module: Architecture.Module) {
    let counts = [module.numLayers, module.numLayers + module.numPredictionLayers]
    switch value {
    case .array(let elements):
      if key == "attention_types", value.repeatedPatterns?.count == module.numLayers {
        self = .repeatedPatterns
      } else if Self.isIndexKey(key), elements.allSatisfy({ $0.intValue != nil }) {
        self = .indices
      } else if counts.contains(elements.count), Self.isListKey(key) {
        self = .list
      } else {
        return nil
      }
    case .string(let letters):
      guard key == "hybrid_override_pattern", counts.contains(letters.count) else { return nil }
      self = .pattern
    case .number:
      if Self.firstLayersKeys.contains(key) {
        self = .firstLayers
      } else if key == "num_kv_shared_layers" {
        self = .lastLayers
      } else if Self.periodKeys.contains(key) {
        self = .period
      } else {
        return nil
      }
    default:
      return nil
    }
  }

  private static func isIndexKey(_ key: String) -> Bool {
    indexKeys.contains(key) || key.hasSuffix("_layer_indices")
  }

  private static func isListKey(_ key: String) -> Bool {
    listKeys.contains(key) || key.hasPrefix("layer_") || key.hasPrefix("layers_")
      || key.hasSuffix("_types") || key.hasSuffix("_per_layer")
  }

  /// Lists with an entry a layer whose names do not tell; some are single values in other models.
  private static let listKeys: Set<String> = [
    "no_rope_layers", "attention_layers", "attn_type_list", "hybrid_layer_pattern", "block_configs",
    "block_types", "moe_layer_freq", "sliding_window", "sliding_window_pattern", "attention_window",
    "activation_sparsity_pattern", "rope_theta", "partial_rotary_factors", "intermediate_size",
    "moe_intermediate_size", "ffn_multipliers", "num_attention_heads", "num_key_value_heads",
    "num_query_heads", "num_kv_heads", "num_experts", "num_local_experts", "num_experts_per_tok",
    "num_shared_experts", "moe_topk", "swiglu_limits",
    "swiglu_limits_shared", "per_layer_config", "kv_sharing_modes", "sliding_windows", "attn_layers",
  ]

  /// Lists of the numbers of the layers that are of some kind.
  private static let indexKeys: Set<String> = [
    "full_attn_idxs", "mlp_only_layers", "cross_attention_layers", "hybrid_layer_ids",
    "fullatt_block_indexes", "deepstack_visual_indexes", "slstm_at", "moe_layer_ids",
    "moe_layers", "rope_scaling_layers", "window_block_indexes", "window_block_indices",
  ]

  /// How many layers, from the first on, are of some kind.
  private static let firstLayersKeys: Set<String> = [
    "first_k_dense_replace", "num_dense_layers", "max_window_layers", "num_hash_layers",
  ]

  /// Every so many layers one is of another kind.
  private static let periodKeys: Set<String> = [
    "sliding_window_pattern", "full_attention_interval", "global_attn_every_n_layers",
    "no_rope_layer_interval", "decoder_sparse_step", "encoder_sparse_step", "attn_layer_period",
    "expert_layer_period", "interleave_moe_layer_step", "moe_layer_freq", "moe_layer_interval",
  ]
}

extension OutputConfig.LayerSource {
  /// The value of a key of a section of the base's config: in the same section, or in another of the
  /// module, innermost first, as one model may nest what the other does not.
  fileprivate func value(_ path: [String]) -> JSON? {
    guard let key = path.last else { return nil }
    let section = Array(path.dropLast())
    if module.configSections.contains(section), let value = config[path: path] { return value }
    return module.configSections.reversed().lazy.compactMap { config[path: $0 + [key]] }.first
  }

  /// The object that says for the source what `path` says for the base.
  fileprivate func section(_ path: [String]) -> JSON {
    let own = module.layerCountKeys.last.map { Array($0.dropLast()) } ?? path
    return config[path: own] ?? .null
  }

  /// This layer's entry of a list.
  fileprivate func list(_ path: [String]) -> JSON? {
    guard let list = value(path)?.arrayValue, list.count >= module.numLayers,
      list.indices.contains(layer)
    else { return nil }
    return list[layer]
  }

  /// This layer's letter of a pattern.
  fileprivate func pattern(_ path: [String]) -> Character? {
    guard let letters = value(path)?.stringValue.map(Array.init), letters.count >= module.numLayers,
      letters.indices.contains(layer)
    else { return nil }
    return letters[layer]
  }
}

extension JSON {
  /// A type for each layer from GPT-Neo's notation; `nil` if it is none, or unbelievably long.
  fileprivate var repeatedPatterns: [JSON]? {
    guard let pairs = arrayValue else { return nil }
    var types: [JSON] = []
    for pair in pairs {
      guard let pattern = pair[0]?.arrayValue, let times = pair[1]?.intValue,
        (0...100_000).contains(times), pattern.count <= 1000, types.count <= 100_000
      else { return nil }
      if pattern.isEmpty { continue }
      for _ in 0..<times where types.count <= 100_000 { types += pattern }
    }
    return types
  }
}
