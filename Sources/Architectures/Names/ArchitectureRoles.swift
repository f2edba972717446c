/// The part that a module plays in its model.
enum ModuleRole: Sendable, Hashable, CaseIterable {
  case text
  case encoder
  case decoder
  case vision
  case audio
  case other

  /// A stack's module: what it is for, its name, and what the names of its tensors begin with.
  struct Place {
    let role: ModuleRole
    var name: String
    let root: String
  }

  /// The places of stacks, which are reordered: the main one first, then text, decoder, encoder, vision,
  /// audio, others.
  static func assign(to stacks: [LayerStack]) -> (stacks: [LayerStack], places: [Place]) {
    var roles = stacks.map { role(of: $0.prefix) }
    // An encoder alone, or a decoder alone, is the text's stack.
    if !(roles.contains(.encoder) && roles.contains(.decoder)) {
      for index in roles.indices where roles[index] == .encoder || roles[index] == .decoder {
        roles[index] = .text
      }
    }
    let ranks = stacks.indices.map { rank(of: stacks[$0].prefix, role: roles[$0]) }
    // `layers` are a text's rather than `blocks`.
    let lists = stacks.map { $0.prefix.hasSuffix("layers") ? 0 : 1 }
    let order = stacks.indices.sorted { left, right in
      (ranks[left], -stacks[left].count, lists[left], left)
        < (ranks[right], -stacks[right].count, lists[right], right)
    }
    let isOnly = stacks.count == 1
    var places = order.map { index in
      let components = stacks[index].prefix.split(separator: ".")
      return Place(
        role: roles[index],
        name: isOnly ? "default" : name(for: roles[index], components: components),
        root: isOnly ? "" : root(for: roles[index], components: components))
    }
    // Two modules of one role are told apart by their prefixes.
    let names = places.map(\.name)
    for index in places.indices where names.count(where: { $0 == names[index] }) > 1 {
      places[index].name = stacks[order[index]].prefix
    }
    return (order.map { stacks[$0] }, places)
  }

  /// Whether a tensor outside of layers belongs to what connects the modalities.
  static func isProjector(_ name: String) -> Bool {
    name.split(separator: ".").dropLast().contains { component in
      projectorNames.contains { component.lowercased().contains($0) }
    }
  }

  private static let projectorNames = [
    "projector", "modality_projection", "merger", "connector", "aligner", "embed_vision", "embed_audio",
  ]

  /// What else modules of this role are called.
  var synonyms: [String] {
    switch self {
    case .text: ["text", "language", "llm", "lm"]
    case .decoder: ["decoder", "text", "language", "llm", "lm"]
    case .encoder: ["encoder"]
    case .vision: ["vision", "visual", "image", "video", "vit"]
    case .audio: ["audio", "speech", "sound"]
    case .other: []
    }
  }

  /// The main stack has the lowest rank. Of several text stacks it is one that is called so, and an encoder
  /// only if there is no other.
  private static func rank(of prefix: String, role: ModuleRole) -> Double {
    guard role == .text else { return Double(role.rank) }
    let words = Set(ModuleWords.words(of: prefix))
    if !words.isDisjoint(with: ["language", "text", "llm", "lm"]) { return -0.5 }
    return words.contains("encoder") ? 0.5 : 0
  }

  private var rank: Int {
    switch self {
    case .text: 0
    case .decoder: 1
    case .encoder: 2
    case .vision: 3
    case .audio: 4
    case .other: 5
    }
  }

  private static func role(of prefix: String) -> ModuleRole {
    if isProjector(prefix + ".") { return .other }
    let roles = prefix.split(separator: ".").compactMap { role(ofComponent: $0) }
    // An encoder within a vision tower is the tower's.
    return roles.first { $0 != .encoder && $0 != .decoder } ?? roles.first ?? .text
  }

  private static func role(ofComponent component: Substring) -> ModuleRole? {
    let component = component.lowercased()
    let words = ModuleWords.words(of: component)
    if ["vision", "visual", "image", "video"].contains(where: { component.contains($0) })
      || component == "vit"
    {
      return .vision
    }
    if component.contains("audio") || component.hasPrefix("speech_") { return .audio }
    if !otherParts.isDisjoint(with: words) { return .other }
    // `text_encoder` and `text_decoder` are text.
    if words.contains("text") || words.contains("layers") { return nil }
    if words.contains("encoder") { return .encoder }
    if words.contains("decoder") { return .decoder }
    return nil
  }

  /// Parts beside the text's own model: what speaks, codecs, and action heads.
  private static let otherParts: Set<String> = [
    "talker", "code2wav", "token2wav", "codec", "vocoder", "dit", "qformer", "tokenizer", "quantizer",
    "patcher",
    "subsampling", "flow",
  ]

  private static func name(for role: ModuleRole, components: [Substring]) -> String {
    switch role {
    case .text: components.first == "text_model" ? "text_model" : "text_decoder"
    case .encoder: "encoder"
    case .decoder: "decoder"
    case .vision:
      components.first { self.role(ofComponent: $0) == .vision } == "vision_model"
        ? "vision_model" : "vision_tower"
    case .audio: "audio_tower"
    case .other: components.joined(separator: ".")
    }
  }

  private static func root(for role: ModuleRole, components: [Substring]) -> String {
    let textParts: Set<Substring> = ["language_model", "text_model", "text_decoder", "llm"]
    let marker = components.firstIndex {
      role == .text ? textParts.contains($0) : self.role(ofComponent: $0) == role
    }
    return components[..<(marker.map { $0 + 1 } ?? components.count - 1)].joined(separator: ".")
  }
}
