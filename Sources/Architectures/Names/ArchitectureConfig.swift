import Basics

/// What a config.json says of a model's modules.
struct ArchitectureConfig {
  /// What it says of one module.
  struct Facts {
    var sections: [[String]]
    var layerCountKeys: [[String]]
    /// How well the keys' names fit.
    var rank = 0
    var predictionLayers = 0
    var scale = LayerCountScale.exact
    /// Whether no key has the number of layers, and those that may are taken to be wrong.
    var isAssumed = false
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
  /// A key of the number of layers is one whose name says so, in an object that describes the module, and
  /// whose value is the number found in the tensor names, or a multiple or part of it. Where no value is, a
  /// wrong config is assumed, and it is every key with a general name in the first section that has one.
  func facts(for role: ModuleRole, stack: LayerStack, words: ModuleWords, isOnly: Bool) -> Facts {
    let sections = sections(for: role, prefix: stack.prefix, isOnly: isOnly)
    let candidates = countCandidates(words, role).filter {
      role == .text || $0.rank > 0 || isOwn($0, role, sections)
    }
    func rank(_ keys: [[String]]) -> Int {
      candidates.filter { keys.contains($0.path) }.map(\.rank).max() ?? 0
    }
    for further in [0] + predictionLayers(sections, below: stack.count) + [stack.predictors] {
      let keys = countKeys(candidates.filter { $0.value == stack.count - further }, role, isOnly: isOnly)
      if !keys.isEmpty {
        return Facts(
          sections: extended(sections, by: keys), layerCountKeys: keys, rank: rank(keys),
          predictionLayers: further)
      }
    }
    for candidate in candidates.sorted(by: { $0.rank > $1.rank }) where candidate.value > 1 {
      guard let scale = LayerCountScale(count: stack.count, value: candidate.value) else { continue }
      let keys = countKeys(candidates.filter { $0.value == candidate.value }, role, isOnly: isOnly)
      return Facts(
        sections: extended(sections, by: keys), layerCountKeys: keys, rank: rank(keys), scale: scale)
    }
    let present = sections.lazy.map { section in
      candidates.map(\.path).filter { $0.dropLast() == section[...] }
    }
    return Facts(sections: sections, layerCountKeys: present.first { !$0.isEmpty } ?? [], isAssumed: true)
  }

  /// Facts of which no two claim a key: it is that of the module whose layers it counts, and not of one with a part, a
  /// multiple or some other number of them (the convolutions before an encoder).
  static func settled(_ facts: [Facts]) -> [Facts] {
    func isExact(_ facts: Facts) -> Bool { facts.scale == .exact && !facts.isAssumed }
    let exact = Set(facts.filter(isExact).flatMap(\.layerCountKeys))
    return facts.map { facts in
      guard !isExact(facts), facts.layerCountKeys.contains(where: exact.contains) else { return facts }
      var changed = facts
      (changed.layerCountKeys, changed.rank, changed.scale) = ([], 0, .exact)
      return changed
    }
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

  /// A key that may say the number of layers of a module.
  private struct Candidate {
    let path: [String]
    let value: Int
    /// How well the words of the objects and the key are those of the module.
    let rank: Int
    /// Whether the key's own name has no word of any module.
    let isGeneral: Bool
  }

  /// All keys whose names and objects do not speak of other modules.
  private func countCandidates(_ words: ModuleWords, _ role: ModuleRole) -> [Candidate] {
    var found: [Candidate] = []
    func search(_ value: JSON, _ path: [String], _ rank: Int) {
      guard let object = value.objectValue, path.count < 5 else { return }
      for (key, child) in object {
        if let count = child.intValue, ModuleWords.isLayerCount(key) {
          guard let own = words.rank(of: key) else { continue }
          found.append(Candidate(path: path + [key], value: count, rank: rank + own, isGeneral: own == 0))
        } else if child.objectValue != nil {
          // Within an encoder's own object its text's comes before its other parts' (T5Gemma 2).
          let isOwnText = role == .encoder && rank > 0 && Self.isText(key)
          guard let own = words.rank(of: key) ?? (isOwnText ? 2 : nil) else { continue }
          search(child, path + [key], rank + own)
        }
      }
    }
    search(config, [], 0)
    return found
  }

  /// Whether a general key is the module's. At the top it is the encoder's rather than the decoder's, unless the
  /// encoder has one of its own (T5 beside Cohere's speech model).
  private func isOwn(_ candidate: Candidate, _ role: ModuleRole, _ sections: [[String]]) -> Bool {
    guard role != .other, sections.contains(Array(candidate.path.dropLast())) else { return false }
    return role != .decoder || encoderHasOwnCount
  }

  private var encoderHasOwnCount: Bool {
    func search(_ value: JSON, _ isEncoder: Bool, _ depth: Int) -> Bool {
      guard let object = value.objectValue, depth < 4 else { return false }
      return object.contains { key, child in
        let isOwn = isEncoder || ModuleWords.words(of: key).contains("encoder")
        if child.intValue != nil { return isOwn && ModuleWords.isLayerCount(key) }
        return search(child, isOwn, depth + 1)
      }
    }
    return search(config, false, 0)
  }

  /// Of keys with the right value those that are the module's: the best, and general ones beside or, for the
  /// text, above them. Outermost first.
  private func countKeys(_ candidates: [Candidate], _ role: ModuleRole, isOnly: Bool) -> [[String]] {
    guard let best = candidates.max(by: { ($0.rank, $1.path.count) < ($1.rank, $0.path.count) }) else {
      return []
    }
    let section = best.path.dropLast()
    return candidates.filter { candidate in
      let own = candidate.path.dropLast()
      if own == section, candidate.rank == best.rank || isOnly { return true }
      // FastSpeech 2 says it twice: `decoder_layers`, and `layers` within `decoder_config`.
      if role == .encoder || role == .decoder, candidate.rank == best.rank, best.rank > 0,
        own.starts(with: section) || section.starts(with: own)
      {
        return true
      }
      guard candidate.isGeneral else { return false }
      // Beside a key of its own, `num_layers` and `num_hidden_layers` mean the encoder (T5, Whisper).
      if own == section { return role == .encoder || best.isGeneral }
      return role == .text && section.starts(with: own)
    }.map(\.path).sorted { $0.count < $1.count }
  }

  private func predictionLayers(_ sections: [[String]], below count: Int) -> [Int] {
    sections.compactMap { config[path: $0 + ["num_nextn_predict_layers"]]?.intValue }.filter {
      (1..<max(count, 2)).contains($0)
    }
  }

  /// The sections with that of the number of layers.
  private func extended(_ sections: [[String]], by keys: [[String]]) -> [[String]] {
    guard let section = keys.last.map({ Array($0.dropLast()) }), !sections.contains(section) else {
      return sections
    }
    return sections.filter { section.starts(with: $0) } + [section]
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
      return isOnly || own.isEmpty ? [outer] + own : own
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
