import Basics

/// Tokens in the order of their ids, with what is known of each: the vocabulary of a GGUF file, or of SentencePiece.
package struct TokenList: Sendable {
  package let tokens: [String]
  let kinds: [Kind]
  let scores: [Double]?
  let merges: [String]?

  /// SentencePiece's types (sentencepiece_model.proto), which GGUF has too.
  enum Kind: Int, Sendable {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  /// Throws if the lists have different lengths.
  package init(tokens: [String], kinds: [Double]?, scores: [Double]?, merges: [String]?) throws {
    for (what, count) in [("types", kinds?.count), ("scores", scores?.count)] {
      if let count, count != tokens.count {
        throw TokenListError(tokenCount: tokens.count, what: what, count: count)
      }
    }
    self.tokens = tokens
    self.kinds =
      kinds?.map { Kind(rawValue: Int(exactly: $0) ?? 1) ?? .normal }
      ?? Array(repeating: .normal, count: tokens.count)
    self.scores = scores
    self.merges = merges
  }
}

/// Tokens that do not have one type or score each.
struct TokenListError: Equatable, DiagnosableError {
  let tokenCount: Int
  let what: String
  let count: Int

  var diagnostic: Diagnostic {
    Diagnostic("the vocabulary has \(tokenCount) tokens and \(count) \(words: what)")
  }
}

/// A tokenizer.json: what is small of it, and a list of tokens.
package struct TokenizerDefinition {
  private let frame: JSON
  private let list: TokenList

  /// - Parameter frame: The file without `added_tokens` and without `vocab` and `merges` of its `model`.
  package init(_ frame: JSON, _ list: TokenList) {
    self.frame = frame
    self.list = list
  }

  /// The text of the file.
  package var text: [UInt8] {
    var bytes: [UInt8] = []
    append("{\n  \"version\": \"1.0\",\n  \"added_tokens\": [", to: &bytes)
    for (place, id) in added.enumerated() {
      append(place == 0 ? "\n    " : ",\n    ", to: &bytes)
      append(addedToken: id, to: &bytes)
    }
    append("\n  ]", to: &bytes)
    for (key, value) in frame.objectValue ?? JSONObject() where key != "model" {
      append(",\n  \"\(key)\": ", to: &bytes)
      bytes += value.utf8(.compact)
    }
    append(",\n  \"model\": {", to: &bytes)
    for (key, value) in frame["model"]?.objectValue ?? JSONObject() {
      append("\n    \"\(key)\": ", to: &bytes)
      bytes += value.utf8(.compact)
      append(",", to: &bytes)
    }
    appendVocabulary(to: &bytes)
    appendMerges(to: &bytes)
    append("\n  }\n}\n", to: &bytes)
    return bytes
  }

  private func append(_ text: String, to bytes: inout [UInt8]) { bytes.append(contentsOf: text.utf8) }

  // MARK: Tokens

  /// The ids of tokens that texts are cut at before anything else.
  private var added: [Int] {
    list.kinds.indices.filter { id in
      switch list.kinds[id] {
      case .control, .unknown, .userDefined: true
      case .normal, .unused, .byte: false
      }
    }
  }

  /// Added tokens at the end of the vocabulary, without a gap, have their ids by their order; all others are in it.
  private var vocabularyEnd: Int {
    let added = Set(added)
    let end = (list.kinds.lastIndex { $0 != .unused } ?? -1) + 1
    var first = end
    while first > 0, added.contains(first - 1) { first -= 1 }
    // SentencePiece's own are a part of its vocabulary.
    return list.merges == nil ? end : first
  }

  private func name(_ id: Int) -> String {
    // Spaces are marked in SentencePiece's vocabularies; llama.cpp unmarks those of tokens that users add.
    guard list.merges == nil, list.kinds[id] == .userDefined else { return list.tokens[id] }
    return list.tokens[id].split(separator: " ", omittingEmptySubsequences: false).joined(separator: "▁")
  }

  private func append(addedToken id: Int, to bytes: inout [UInt8]) {
    append("{\"id\": \(id), \"content\": ", to: &bytes)
    JSON.appendQuoted(name(id), to: &bytes)
    let flags = ["single_word", "lstrip", "rstrip", "normalized"].map { "\"\($0)\": false" }
    let isSpecial = list.kinds[id] != .userDefined
    append(", \(flags.joined(separator: ", ")), \"special\": \(isSpecial)}", to: &bytes)
  }

  private func appendVocabulary(to bytes: inout [UInt8]) {
    append("\n    \"vocab\": {", to: &bytes)
    var isFirst = true
    for id in 0..<vocabularyEnd where list.kinds[id] != .unused || !isPadding(id) {
      append(isFirst ? "\n      " : ",\n      ", to: &bytes)
      isFirst = false
      JSON.appendQuoted(name(id), to: &bytes)
      append(": \(id)", to: &bytes)
    }
    append("\n    }", to: &bytes)
  }

  /// What llama.cpp's converter puts where the embedding has more rows than the tokenizer tokens.
  private func isPadding(_ id: Int) -> Bool { list.tokens[id] == "[PAD\(id)]" }

  // MARK: Merges

  private func appendMerges(to bytes: inout [UInt8]) {
    append(",\n    \"merges\": [", to: &bytes)
    for (place, merge) in pairs.enumerated() {
      append(place == 0 ? "\n      [" : ",\n      [", to: &bytes)
      JSON.appendQuoted(merge.left, to: &bytes)
      append(", ", to: &bytes)
      JSON.appendQuoted(merge.right, to: &bytes)
      append("]", to: &bytes)
    }
    append("\n    ]", to: &bytes)
  }

  private var pairs: [(left: String, right: String)] {
    guard let merges = list.merges else { return scoredMerges.map { ($0.left, $0.right) } }
    return merges.compactMap { merge in
      // The first of a merge may begin with a space, the second may not.
      guard let space = merge.utf8.dropFirst().firstIndex(of: UInt8(ascii: " ")) else { return nil }
      return (String(merge[..<space]), String(merge[merge.utf8.index(after: space)...]))
    }
  }

  private struct Merge {
    let left: String
    let right: String
    let score: Double
    /// Characters.
    let lengths: (Int, Int)
  }

  /// The merges by which pairs of pieces become pieces, the best first: as transformers makes them of SentencePiece's
  /// scores (`generate_merges` of convert_slow_tokenizer.py).
  private var scoredMerges: [Merge] {
    var ids: [ByteKey: Int] = [:]
    ids.reserveCapacity(list.tokens.count)
    for id in list.tokens.indices where list.kinds[id] != .unused { ids[ByteKey(string: name(id))] = id }
    var merges: [Merge] = []
    for id in list.tokens.indices {
      guard list.kinds[id] == .normal || list.kinds[id] == .userDefined else { continue }
      let piece = name(id)
      // A user's tokens go before all others, whatever their score is.
      let score = list.kinds[id] == .userDefined ? 0 : list.scores?[id] ?? -Double(id)
      let scalars = piece.unicodeScalars
      var found: [(ids: (Int, Int), merge: Merge)] = []
      var index = scalars.startIndex
      var length = 0
      let count = scalars.count
      while count > 1, length < count - 1 {
        index = scalars.index(after: index)
        length += 1
        let (left, right) = (String(piece[..<index]), String(piece[index...]))
        guard let first = ids[ByteKey(string: left)], let second = ids[ByteKey(string: right)] else {
          continue
        }
        found.append(
          ((first, second), Merge(left: left, right: right, score: score, lengths: (length, count - length))))
      }
      merges += found.sorted { $0.ids < $1.ids }.map(\.merge)
    }
    return merges.enumerated().sorted { first, second in
      let (a, b) = (first.element, second.element)
      if a.score != b.score { return a.score > b.score }
      if a.lengths != b.lengths { return a.lengths > b.lengths }
      return first.offset < second.offset
    }.map(\.element)
  }
}
