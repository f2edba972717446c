import Basics

/// What a config.json says of a model's modules.
struct ArchitectureConfig {
  /// What it says of one module.
  struct Facts {
    var sections: [[String]]
    var layerCountKeys: [[String]]
    var predictionLayers: Int
  }

  private let config: JSON

  init(_ config: JSON) {
    self.config = config
  }

  /// The rows of the token embedding: as the sections of the main module say, the innermost first, else as those
  /// of a text model do.
  func vocabularySize(sections: [[String]]) -> Int? {
    (sections.reversed() + textSections).lazy.compactMap { config[path: $0 + ["vocab_size"]]?.intValue }.first
  }

  /// Whether the output layer is the embedding, if the config says.
  var tiesEmbeddings: Bool? {
    textSections.lazy.compactMap { config[path: $0 + ["tie_word_embeddings"]]?.boolValue }.first
  }

  /// What the config says of a stack's module.
  ///
  /// A key of the number of layers is one with a known name in the module's sections, whose value is the
  /// number found in the tensor names. Where no value is, a wrong config is assumed, and it is every key
  /// with a known name in the first section that has one.
  func facts(for role: ModuleRole, stack: LayerStack, isOnly: Bool) -> Facts {
    let sections = sections(for: role, prefix: stack.prefix, isOnly: isOnly)
    let keys = Self.layerCountKeys(for: role, isOnly: isOnly)
    let present = sections.map { section in
      keys.map { section + [$0] }.filter { config[path: $0]?.intValue != nil }
    }
    func matching(_ count: Int) -> [[String]] {
      present.joined().filter { config[path: $0]?.intValue == count }
    }
    let exact = matching(stack.count)
    if !exact.isEmpty { return Facts(sections: sections, layerCountKeys: exact, predictionLayers: 0) }
    for section in sections {
      guard let further = config[path: section + ["num_nextn_predict_layers"]]?.intValue,
        (1..<stack.count).contains(further)
      else { continue }
      let keys = matching(stack.count - further)
      if !keys.isEmpty {
        return Facts(sections: sections, layerCountKeys: keys, predictionLayers: further)
      }
    }
    return Facts(
      sections: sections, layerCountKeys: present.first { !$0.isEmpty } ?? [], predictionLayers: 0)
  }

  /// The key that says the number of layers where none does.
  static func defaultLayerCountKey(for role: ModuleRole) -> String {
    switch role {
    case .decoder: "num_decoder_layers"
    case .encoder: "num_layers"
    default: "num_hidden_layers"
    }
  }

  // MARK: Keys

  private static func layerCountKeys(for role: ModuleRole, isOnly: Bool) -> [String] {
    let general = [
      "num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers", "depth",
      "layers", "num_blocks", "n_blocks", "num_hidden_groups",
    ]
    let decoder = ["decoder_layers", "num_decoder_layers"]
    let encoder = ["encoder_layers", "num_encoder_layers"]
    switch role {
    // Beside a decoder's own key, `num_layers` and `num_hidden_layers` mean the encoder (T5, Whisper).
    case .decoder: return decoder
    case .encoder: return encoder + general
    case .text where isOnly: return general + decoder + encoder
    case .audio: return general + encoder
    default: return general
    }
  }

  // MARK: Sections

  private var textSections: [[String]] { [[]] + nestedSections(at: []).filter { Self.isText($0.last) } }

  /// The objects that describe a module, outermost first.
  private func sections(for role: ModuleRole, prefix: String, isOnly: Bool) -> [[String]] {
    // `thinker.model.layers` is described within `thinker_config`.
    var outer: [String] = []
    if let first = prefix.split(separator: ".").first, config["\(first)_config"]?.objectValue != nil,
      Self.containers.contains("\(first)_config")
    {
      outer = ["\(first)_config"]
    }
    let nested = nestedSections(at: outer)
    switch role {
    case .text: return [outer] + nested.filter { Self.isText($0.last) }
    case .encoder: return [outer] + nested.filter { $0.last == "encoder" }
    case .decoder: return [outer] + nested.filter { $0.last == "decoder" || Self.isText($0.last) }
    case .vision, .audio:
      let own = nested.filter { role == .vision ? Self.isVision($0.last) : Self.isAudio($0.last) }
      // A model of vision alone describes itself at the top.
      return isOnly ? [outer] + own : own
    case .other: return outer.isEmpty ? [] : [outer] + nested.filter { Self.isText($0.last) }
    }
  }

  private static let containers: Set<String> = ["thinker_config", "talker_config", "model_config"]

  /// The objects within a section that describe parts of the model.
  private func nestedSections(at section: [String]) -> [[String]] {
    guard let object = config[path: section]?.objectValue else { return [] }
    var result: [[String]] = []
    for (key, value) in object where value.objectValue != nil {
      let path = section + [key]
      if Self.isText(key) || Self.isVision(key) || Self.isAudio(key) || key == "encoder" || key == "decoder" {
        result.append(path)
      }
      if section.isEmpty, Self.containers.contains(key) { result += nestedSections(at: path) }
    }
    return result
  }

  private static func isText(_ key: String?) -> Bool {
    ["text_config", "llm_config", "language_config", "language_model", "text_model"].contains(key)
  }

  private static func isVision(_ key: String?) -> Bool {
    ["vision_config", "visual", "vision_model", "vision_tower_config", "vit_config"].contains(key)
  }

  private static func isAudio(_ key: String?) -> Bool {
    ["audio_config", "speech_config", "audio_encoder"].contains(key)
  }
}
