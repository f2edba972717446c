import Basics

/// The decoders that can be run. They share their layers' build, and differ in biases, norms and windows.
package enum DecoderArchitecture: String, Sendable, CaseIterable {
  case llama, mistral, qwen2, qwen3

  /// Its name in messages.
  package var displayName: String {
    switch self {
    case .llama: "Llama"
    case .mistral: "Mistral"
    case .qwen2: "Qwen2"
    case .qwen3: "Qwen3"
    }
  }

  /// The architecture that a config.json names, by `model_type` or else by the first of `architectures`.
  static func named(by config: JSON, model: String) throws -> Self {
    let className = config["architectures"]?[0]?.stringValue
    if let type = config["model_type"]?.stringValue {
      guard let known = Self(rawValue: type) else {
        throw InferenceError.unsupportedArchitecture(className ?? type, model: model)
      }
      return known
    }
    guard let className else { throw InferenceError.missingSetting("model_type", model: model) }
    guard
      let known = allCases.first(where: {
        ["\($0.displayName)ForCausalLM", "\($0.displayName)Model"].contains(className)
      })
    else { throw InferenceError.unsupportedArchitecture(className, model: model) }
    return known
  }
}
