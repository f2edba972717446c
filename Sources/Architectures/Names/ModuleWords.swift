/// How a number in config.json relates to a number of layers.
enum LayerCountScale: Sendable, Hashable {
  case exact
  /// So many times as large.
  case times(Int)
  /// Each stands for several layers.
  case per(Int)

  /// The scale between two numbers that are a multiple of each other.
  init?(count: Int, value: Int) {
    guard count > 0, value > 0 else { return nil }
    if value == count {
      self = .exact
    } else if value % count == 0 {
      self = .times(value / count)
    } else if count % value == 0 {
      self = .per(count / value)
    } else {
      return nil
    }
  }
}

/// The words by which objects and keys of config.json are told to be a module's: those of its layers' prefix, and
/// what else its part is called.
package struct ModuleWords: Sendable {
  private let ranks: [String: Int]

  /// - Parameter roles: Those of all modules of the model.
  init(prefix: String, role: ModuleRole, among roles: [ModuleRole]) {
    var ranks: [String: Int] = [:]
    func add(_ words: some Sequence<String>, _ rank: Int) {
      for word in words where ranks[word] == nil { ranks[word] = rank }
    }
    for (index, component) in prefix.split(separator: ".").enumerated() {
      add(Self.words(of: String(component)), max(40 - 3 * index, 10))
    }
    let named = role.synonyms.compactMap { ranks[$0] }.max()
    add(role.synonyms, named.map { $0 - 1 } ?? 5)
    // A decoder may be called so where the model has no other.
    if role == .text, !roles.contains(.decoder) { add(["decoder"], 2) }
    if role == .encoder { add(ModuleRole.vision.synonyms + ModuleRole.audio.synonyms, 1) }
    if roles.count == 1 || role == .vision || role == .audio { add(["encoder", "decoder"], 1) }
    self.ranks = ranks
  }

  /// How well a name of an object or a key fits; 0 if it says nothing, `nil` if it is about another module.
  func rank(of name: String) -> Int? {
    var rank = 0
    for word in Self.words(of: name) where !Self.general.contains(word) {
      guard let own = ranks[word] else { return nil }
      rank = max(rank, own)
    }
    return rank
  }

  /// Whether a name speaks of a part of a model that is not this one.
  func isAboutAnother(_ name: String) -> Bool {
    Self.words(of: name).contains { Self.parts.contains($0) && ranks[$0] == nil }
  }

  /// Whether a name has a word of this module's part.
  func areIn(_ name: String) -> Bool {
    Self.words(of: name).contains { Self.parts.contains($0) && ranks[$0] != nil }
  }

  func contains(_ word: String) -> Bool { ranks[word] != nil }

  /// Whether a key's name says that it counts layers.
  static func isLayerCount(_ key: String) -> Bool {
    let words = words(of: key)
    // ALBERT counts `num_hidden_groups`; the `n_groups` of Mamba are others.
    if words.contains("groups") { return words.contains("hidden") }
    return words.contains { ["layers", "layer", "depth", "blocks", "block"].contains($0) }
  }

  static func words(of name: String) -> [String] {
    name.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
  }

  /// Words that say nothing of a module.
  private static let general: Set<String> = [
    "num", "n", "number", "of", "hidden", "layers", "layer", "depth", "blocks", "block", "groups",
    "transformer",
    "config", "model", "per", "stack", "vlm",
  ]

  /// Words for parts of models.
  private static let parts = Set(ModuleRole.allCases.filter { $0 != .text }.flatMap(\.synonyms))
}
