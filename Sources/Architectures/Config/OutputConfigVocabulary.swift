import Basics

extension OutputConfig {
  /// What a merge decides of the vocabulary, whatever the config of the base says.
  package struct Vocabulary: Sendable, Equatable {
    /// The rows of the token embedding; `nil` leaves what the config says.
    package var size: Int?
    /// Whether the output layer is the embedding; `nil` leaves what the config says.
    package var isTied: Bool?

    package init(size: Int? = nil, isTied: Bool? = nil) {
      self.size = size
      self.isTied = isTied
    }
  }

  /// Writes what is decided of the vocabulary wherever the config speaks of it for the text model, and where
  /// it does not, in the place that transformers reads.
  static func set(_ vocabulary: Vocabulary, in config: inout JSON, architecture: Architecture) {
    guard config.objectValue != nil else { return }
    let sections = architecture.main.configSections
    if let size = vocabulary.size {
      let keys = ["vocab_size", "padded_vocab_size"]
      let paths = sections.flatMap { section in keys.map { section + [$0] } }
      let present = paths.filter { config[path: $0]?.intValue != nil }
      for path in present.isEmpty ? [(sections.last ?? []) + ["vocab_size"]] : present {
        config[path: path] = JSON(size)
      }
    }
    if let isTied = vocabulary.isTied {
      // The outermost one decides, and has a default of its own.
      let key = "tie_word_embeddings"
      let present = sections.map { $0 + [key] }.filter { config[path: $0]?.boolValue != nil }
      for path in [[key]] + present { config[path: path] = .bool(isTied) }
    }
  }
}
