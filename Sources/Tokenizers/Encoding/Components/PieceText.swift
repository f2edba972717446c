/// A piece of a text: what the pre-tokenizers split it into, or an added token in it.
struct Piece {
  var start: Int
  var end: Int
  /// The id of an added token, which no later stage looks into; -1 for text.
  var token: Int32
  /// Whether the whole text begins with this piece.
  var isFirst: Bool
}

/// A text in pieces, and how its stages change it: all of it lies in one buffer.
struct PieceText {
  private(set) var bytes: [UInt8] = []
  private(set) var pieces: [Piece] = []

  /// Adds a piece of text; empty ones are left out.
  mutating func append(_ text: UTF8Bytes, isFirst: Bool) {
    guard !text.isEmpty else { return }
    pieces.append(Piece(start: bytes.count, end: bytes.count + text.count, token: -1, isFirst: isFirst))
    bytes.append(contentsOf: text)
  }

  /// Adds an added token.
  mutating func append(token: Int) {
    pieces.append(Piece(start: bytes.count, end: bytes.count, token: Int32(token), isFirst: false))
  }

  /// Replaces each piece of text by what `transform` appends for it.
  mutating func transform(_ transform: (UTF8Bytes, Bool, inout [UInt8]) throws -> Void) rethrows {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count + bytes.count / 4)
    try bytes.withUnsafeBufferPointer { bytes in
      for index in pieces.indices {
        let piece = pieces[index]
        let start = result.count
        if piece.token < 0 { try transform(bytes[part: piece.start..<piece.end], piece.isFirst, &result) }
        pieces[index].start = start
        pieces[index].end = result.count
      }
    }
    bytes = result
  }

  /// Splits each piece of text where `find` says.
  ///
  /// `find` calls what it is given with ranges in order; `isInverted` takes what lies between them for the
  /// matches.
  mutating func split(
    _ behavior: SplitBehavior, isInverted: Bool = false,
    find: (UTF8Bytes, (Range<Int>) -> Void) throws -> Void
  ) rethrows {
    var result: [Piece] = []
    result.reserveCapacity(pieces.count * 2)
    var parts: [(range: Range<Int>, isMatch: Bool)] = []
    try bytes.withUnsafeBufferPointer { bytes in
      for piece in pieces {
        guard piece.token < 0 else {
          result.append(piece)
          continue
        }
        parts.removeAll(keepingCapacity: true)
        var end = 0
        let text = bytes[part: piece.start..<piece.end]
        try find(text) { range in
          if end < range.lowerBound { parts.append((end..<range.lowerBound, isInverted)) }
          parts.append((range, !isInverted))
          end = range.upperBound
        }
        if end < text.count { parts.append((end..<text.count, isInverted)) }
        behavior.forEachPiece(of: &parts) { range in
          guard !range.isEmpty else { return }
          result.append(
            Piece(
              start: piece.start + range.lowerBound, end: piece.start + range.upperBound, token: -1,
              isFirst: piece.isFirst && range.lowerBound == 0))
        }
      }
    }
    pieces = result
  }

  /// Splits where characters are of a class, each by itself.
  mutating func split(_ behavior: SplitBehavior, where isMatch: (Unicode.Scalar) -> Bool) {
    split(behavior) { text, body in
      var position = 0
      while position < text.count {
        let start = position
        if isMatch(text.nextScalar(&position)) { body(start..<position) }
      }
    }
  }
}

/// What becomes of the matches that a text is split at.
enum SplitBehavior: String, Sendable, CaseIterable {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"

  init(_ component: Component, default fallback: SplitBehavior? = nil) throws {
    if let fallback, component.field("behavior") == nil {
      self = fallback
      return
    }
    let name = try component.string("behavior")
    guard let behavior = SplitBehavior(rawValue: name) else {
      throw TokenizationError.badValue(
        file: component.file, place: "\(component.place).behavior",
        expected: "one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))", found: "'\(name)'")
    }
    self = behavior
  }

  /// Calls `body` with the pieces that come of a text's parts, of which those that match alternate with
  /// others.
  @inline(__always)
  func forEachPiece(of parts: inout [(range: Range<Int>, isMatch: Bool)], _ body: (Range<Int>) -> Void) {
    switch self {
    case .isolated: for part in parts { body(part.range) }
    case .removed: for part in parts where !part.isMatch { body(part.range) }
    case .contiguous: Self.join(parts, body) { $0.isMatch == $1 }
    case .mergedWithPrevious: Self.join(parts, body) { $0.isMatch && !$1 }
    case .mergedWithNext:
      // The mirror image of the former.
      parts.reverse()
      var pieces: [Range<Int>] = []
      var previousMatch = false
      for part in parts {
        if part.isMatch, !previousMatch, let last = pieces.last {
          pieces[pieces.count - 1] = part.range.lowerBound..<last.upperBound
        } else {
          pieces.append(part.range)
        }
        previousMatch = part.isMatch
      }
      for piece in pieces.reversed() { body(piece) }
    }
  }

  /// Joins a part to the piece before it where `joins` says so of the part and whether the one before
  /// matched.
  private static func join(
    _ parts: [(range: Range<Int>, isMatch: Bool)], _ body: (Range<Int>) -> Void,
    joins: ((range: Range<Int>, isMatch: Bool), Bool) -> Bool
  ) {
    var piece: Range<Int>?
    var previousMatch = false
    for part in parts {
      if let current = piece, joins(part, previousMatch) {
        piece = current.lowerBound..<part.range.upperBound
      } else {
        if let piece { body(piece) }
        piece = part.range
      }
      previousMatch = part.isMatch
    }
    if let piece { body(piece) }
  }
}
