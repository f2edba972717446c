import Basics

/// What a config.json says of how a decoder is run, with the defaults of transformers 5.
struct DecoderConfig {
  let architecture: DecoderArchitecture
  /// What messages call the model.
  let model: String
  let layers: Int
  let hiddenSize: Int
  let intermediateSize: Int
  let heads: Int
  /// Heads of keys and values; each serves as many heads of queries.
  let keyHeads: Int
  let headSize: Int
  /// Added to the mean square in norms.
  let epsilon: Double
  let activation: Activation
  let rotary: RotaryEmbedding
  /// Positions that a position sees, itself included, in each layer; `nil` for all before it.
  let windows: [Int?]
  let hasQueryKeyValueBias: Bool
  let hasOutputBias: Bool
  let hasMLPBias: Bool
  /// Whether queries and keys are normalised, head by head.
  let normalisesHeads: Bool

  init(_ json: JSON, model: String) throws {
    architecture = try .named(by: json, model: model)
    self.model = model
    let reader = ConfigReader(json: json, model: model)
    layers = try reader.requiredCount("num_hidden_layers", atMost: 1 << 16)
    hiddenSize = try reader.requiredCount("hidden_size")
    intermediateSize = try reader.requiredCount("intermediate_size")
    heads = try reader.requiredCount("num_attention_heads")
    keyHeads = try reader.count("num_key_value_heads") ?? heads
    guard heads % keyHeads == 0 else {
      throw reader.bad("num_key_value_heads", expected: "a divisor of num_attention_heads, \(heads)")
    }
    headSize = try reader.count("head_dim") ?? (architecture == .qwen3 ? 128 : hiddenSize / heads)
    guard headSize > 0, headSize.isMultiple(of: 2) else {
      throw InferenceError.badSetting(
        "head_dim", found: String(headSize), expected: "an even number", model: model)
    }
    epsilon = try reader.number("rms_norm_eps") ?? 1e-6
    let activationName = try reader.string("hidden_act") ?? "silu"
    guard let activation = Activation.named(activationName) else {
      let known = Activation.names.joined(separator: ", ")
      throw reader.bad("hidden_act", expected: "one of \(known)")
    }
    self.activation = activation
    rotary = try RotaryEmbedding(reader, headSize: headSize)
    windows = try Self.windows(reader, architecture, layers: layers)

    let hasAttentionBias = try reader.flag("attention_bias") ?? false
    switch architecture {
    case .llama:
      (hasQueryKeyValueBias, hasOutputBias) = (hasAttentionBias, hasAttentionBias)
      hasMLPBias = try reader.flag("mlp_bias") ?? false
    case .mistral: (hasQueryKeyValueBias, hasOutputBias, hasMLPBias) = (false, false, false)
    case .qwen2: (hasQueryKeyValueBias, hasOutputBias, hasMLPBias) = (true, false, false)
    case .qwen3:
      (hasQueryKeyValueBias, hasOutputBias, hasMLPBias) = (hasAttentionBias, hasAttentionBias, false)
    }
    normalisesHeads = architecture == .qwen3
  }

  private static func windows(
    _ reader: ConfigReader, _ architecture: DecoderArchitecture, layers: Int
  ) throws -> [Int?] {
    // Where the key is absent, transformers' own default counts; null means no window.
    let window = reader.has("sliding_window") ? try reader.positions("sliding_window") : 4096
    switch architecture {
    case .llama: return Array(repeating: nil, count: layers)
    case .mistral: return Array(repeating: window, count: layers)
    case .qwen2, .qwen3: break
    }
    let used = try reader.flag("use_sliding_window") ?? false ? window : nil
    guard let types = reader.value("layer_types") else {
      let full = reader.value("max_window_layers")?.intValue ?? 28
      return (0..<layers).map { $0 >= full ? used : nil }
    }
    guard let names = types.arrayValue, names.count == layers else {
      throw reader.bad("layer_types", expected: "a list of \(layers) names, one a layer")
    }
    return try names.map { name in
      switch name.stringValue {
      case "full_attention": return nil
      case "sliding_attention":
        guard let used else {
          throw reader.bad("layer_types", expected: "full_attention only, as there is no sliding window")
        }
        return used
      default: throw reader.bad("layer_types", expected: "full_attention or sliding_attention for each layer")
      }
    }
  }
}
