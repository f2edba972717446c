import Glibc

/// What Split and Replace look for: a text as it stands, or a regular expression.
enum TextPattern: Sendable {
  case literal([UInt8])
  case expression(RegularExpression)

  /// Calls `body` with the range of each match in order.
  func forEachMatch(in text: UTF8Bytes, _ body: (Range<Int>) -> Void) throws {
    switch self {
    case .expression(let expression):
      try expression.forEachMatch(in: text, body)
    case .literal(let literal):
      forEachRange(in: text) { from in
        guard !literal.isEmpty else { return from..<from }
        return Self.place(of: literal, in: text, from: from).map { $0..<$0 + literal.count }
      } body: {
        body($0)
      }
    }
  }

  /// Where a text that is not empty occurs first from a byte on.
  private static func place(of literal: [UInt8], in text: UTF8Bytes, from: Int) -> Int? {
    guard let base = text.baseAddress else { return nil }
    var start = from
    while start + literal.count <= text.count {
      guard let found = memchr(base + start, Int32(literal[0]), text.count - start - literal.count + 1) else {
        return nil
      }
      start = UnsafeRawPointer(found) - UnsafeRawPointer(base)
      if memcmp(base + start, literal, literal.count) == 0 { return start }
      start += 1
    }
    return nil
  }

  /// The text with `content` in the place of each match, and whether it still begins with what it began with.
  func replacing(in text: [UInt8], with content: [UInt8]) throws -> (text: [UInt8], keepsStart: Bool) {
    guard !text.isEmpty else { return (text, true) }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var keepsStart = true
    try text.withUnsafeBufferPointer { bytes in
      var end = 0
      try forEachMatch(in: bytes) { range in
        // A replacement stands where the last character that it replaces stood.
        if range.lowerBound == 0, bytes[part: range].scalarCount > 1 || !range.isEmpty && content.isEmpty {
          keepsStart = false
        }
        result.append(contentsOf: bytes[end..<range.lowerBound])
        result.append(contentsOf: content)
        end = range.upperBound
      }
      result.append(contentsOf: bytes[end...])
    }
    return (result, keepsStart)
  }
}
