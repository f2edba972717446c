/// The added tokens, and how they are found: of those that begin earliest the longest, then on behind it.
struct AddedTokens: Sendable {
  /// A token beside the model's own, found in a text before the model sees it.
  struct Token: Sendable {
    let id: Int
    let content: String
    /// Whether it counts only where no word character stands beside it.
    let isSingleWord: Bool
    /// Whether it takes the white space before and behind it.
    let stripsLeft: Bool
    let stripsRight: Bool
    /// Whether it is looked for in the normalized text, in its own normalized form.
    let isNormalized: Bool
    /// Whether decoding may skip it.
    let isSpecial: Bool

    init(_ component: Component) throws {
      id = try component.integer("id")
      content = try component.string("content")
      isSingleWord = try component.bool("single_word", default: false)
      stripsLeft = try component.bool("lstrip", default: false)
      stripsRight = try component.bool("rstrip", default: false)
      isSpecial = try component.bool("special", default: false)
      isNormalized = try component.bool("normalized", default: !isSpecial)
    }
  }

  let tokens: [Token]
  /// The texts by id that tokens have when they are decoded: normalized where that changes them.
  private let texts: [Int: [UInt8]]
  private let contents: [[UInt8]: Int]
  private let specialTexts: Set<[UInt8]>
  private let plain: Finder
  private let normalized: Finder

  /// Reads `added_tokens`.
  ///
  /// The ids must be those that the reference would give, which does not look at the file's: a token of the
  /// model keeps its id, and the others count on from behind the vocabulary.
  init(_ components: [Component], model: ModelVocabulary, normalizer: Normalizer?) throws {
    var tokens: [Token] = []
    var texts: [Int: [UInt8]] = [:]
    var contents: [[UInt8]: Int] = [:]
    var specialTexts: Set<[UInt8]> = []
    var next = model.count
    for component in components {
      let token = try Token(component)
      let content = Array(token.content.utf8)
      guard !content.isEmpty else { continue }
      let expected = contents[content] ?? model[content] ?? next
      guard token.id == expected else {
        throw component.unusable(
          "'\(token.content)' has the id \(token.id), where it must be \(expected): "
            + (expected == next ? "ids count on from the vocabulary's" : "so has the vocabulary"))
      }
      if expected == next { next += 1 }
      if let old = texts[token.id], old != content, contents[content] == nil {
        throw component.unusable(
          "'\(token.content)' and '\(String(decoding: old, as: UTF8.self))' both have the id \(token.id)")
      }
      contents[content] = token.id
      if token.isSpecial { specialTexts.insert(content) }
      var text = NormalizedText(bytes: content, keepsStart: true)
      if token.isNormalized { try normalizer?.apply(to: &text) }
      // A union has a hundred thousand tokens: they are searched only for one that comes again.
      if texts.updateValue(text.bytes, forKey: token.id) != nil { tokens.removeAll { $0.id == token.id } }
      tokens.append(token)
    }
    self.tokens = tokens
    self.texts = texts
    self.contents = contents
    self.specialTexts = specialTexts
    let split = Dictionary(grouping: tokens, by: \.isNormalized)
    plain = Finder(split[false] ?? [], texts)
    normalized = Finder(split[true] ?? [], texts)
  }

  func id(of content: [UInt8]) -> Int? { contents[content] }
  func text(of id: Int) -> [UInt8]? { texts[id] }
  func isSpecial(_ text: [UInt8]) -> Bool { specialTexts.contains(text) }

  /// A text in pieces: added tokens, and what lies between them, normalized.
  func split(_ text: UTF8Bytes, normalizer: Normalizer?) throws -> PieceText {
    var result = PieceText()
    try plain.split(text) { part, token in
      if let token {
        result.append(token: token)
        return
      }
      guard !part.isEmpty else { return }
      var normalizedPart = NormalizedText(
        bytes: Array(text[part]), keepsStart: part.lowerBound == 0)
      try normalizer?.apply(to: &normalizedPart)
      normalizedPart.bytes.withUnsafeBufferPointer { bytes in
        normalized.split(bytes) { part, token in
          if let token {
            result.append(token: token)
          } else {
            result.append(bytes[part: part], isFirst: part.lowerBound == 0 && normalizedPart.keepsStart)
          }
        }
      }
    }
    return result
  }

  /// Finds some of the tokens in a text.
  private struct Finder: Sendable {
    private let tokens: [Token]
    /// A trie over the texts: by a node and a byte, the next node.
    private var edges: IntegerTable
    /// The place in `tokens` of the one that ends at a node, -1 for none.
    private var ends: [Int32] = [-1]
    private var beginnings = [Bool](repeating: false, count: 256)

    init(_ tokens: [Token], _ texts: [Int: [UInt8]]) {
      self.tokens = tokens
      edges = IntegerTable(minimumCapacity: tokens.count * 8)
      for (place, token) in tokens.enumerated() {
        guard let text = texts[token.id], let first = text.first else { continue }
        beginnings[Int(first)] = true
        var node: UInt64 = 0
        for byte in text {
          let edge = node << 8 | UInt64(byte)
          if edges[edge] == nil {
            edges.set(edge, UInt64(ends.count))
            ends.append(-1)
          }
          node = edges[edge] ?? 0
        }
        if ends[Int(node)] < 0 { ends[Int(node)] = Int32(place) }
      }
    }

    /// Calls `body` with the parts of a text in order: the ids of tokens, and the ranges between them.
    func split(_ text: UTF8Bytes, _ body: (Range<Int>, Int?) throws -> Void) rethrows {
      var done = 0
      var position = 0
      while position < text.count, !tokens.isEmpty {
        guard beginnings[Int(text[position])], let match = longestMatch(in: text, at: position) else {
          position += 1
          continue
        }
        let token = tokens[match.place]
        var range = position..<match.end
        position = match.end
        if token.isSingleWord, Self.touchesWord(text, range) { continue }
        if token.stripsLeft {
          range = max(Self.spaceStart(text, before: range.lowerBound), done)..<range.upperBound
        }
        if token.stripsRight { range = range.lowerBound..<Self.spaceEnd(text, after: range.upperBound) }
        if done < range.lowerBound { try body(done..<range.lowerBound, nil) }
        try body(range, token.id)
        done = range.upperBound
      }
      if done < text.count { try body(done..<text.count, nil) }
    }

    private func longestMatch(in text: UTF8Bytes, at start: Int) -> (place: Int, end: Int)? {
      var node: UInt64 = 0
      var found: (place: Int, end: Int)?
      for position in start..<text.count {
        guard let next = edges[node << 8 | UInt64(text[position])] else { break }
        node = next
        if ends[Int(node)] >= 0 { found = (Int(ends[Int(node)]), position + 1) }
      }
      return found
    }

    private static func touchesWord(_ text: UTF8Bytes, _ range: Range<Int>) -> Bool {
      if range.lowerBound > 0, ScalarClass.isWord(text.scalar(before: range.lowerBound)) { return true }
      guard range.upperBound < text.count else { return false }
      var position = range.upperBound
      return ScalarClass.isWord(text.nextScalar(&position))
    }

    private static func spaceStart(_ text: UTF8Bytes, before end: Int) -> Int {
      var start = end
      while start > 0 {
        let scalar = text.scalar(before: start)
        guard ScalarClass.isWhitespace(scalar) else { break }
        start -= UTF8.width(scalar)
      }
      return start
    }

    private static func spaceEnd(_ text: UTF8Bytes, after start: Int) -> Int {
      var end = start
      while end < text.count {
        var next = end
        guard ScalarClass.isWhitespace(text.nextScalar(&next)) else { break }
        end = next
      }
      return end
    }
  }
}
