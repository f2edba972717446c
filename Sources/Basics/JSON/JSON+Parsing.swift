/// Where a text stops being JSON, and what was expected there.
package struct JSONError: Equatable, DiagnosableError {
  /// The line, from 1.
  package let line: Int
  /// The character of the line, from 1.
  package let column: Int
  /// What was expected and what was found.
  package let message: DiagnosticMessage

  /// Of a text that is in no file of its own, such as the header of another.
  package var diagnostic: Diagnostic { Diagnostic("\(line):\(column): \(message)") }

  /// Of a file's text.
  package func diagnostic(inFile path: String) -> Diagnostic {
    Diagnostic(message).at(SourceLocation(path: path, line: line, column: column))
  }
}

extension JSON {
  /// What the parser does with an object's second value for one key.
  package enum DuplicateKeys: Sendable {
    /// The last value stays, in the place of the first, as in Python.
    case lastWins
    /// It is an error.
    case reject
  }

  /// Parses a whole text: RFC 8259, and the `NaN`, `Infinity` and `-Infinity` that Python writes.
  ///
  /// A byte order mark at the start is skipped. A lone surrogate escape becomes U+FFFD.
  package init(
    parsing bytes: UnsafeBufferPointer<UInt8>, duplicateKeys: DuplicateKeys = .lastWins,
    maximumDepth: Int = 512
  ) throws(JSONError) {
    var parser = JSONParser(
      bytes: bytes, rejectsDuplicates: duplicateKeys == .reject, maximumDepth: maximumDepth)
    self = try parser.parseText()
  }

  /// Parses the bytes of a text.
  package init(parsing bytes: [UInt8], duplicateKeys: DuplicateKeys = .lastWins) throws(JSONError) {
    let result = bytes.withUnsafeBufferPointer { bytes in
      Result { () throws(JSONError) in try JSON(parsing: bytes, duplicateKeys: duplicateKeys) }
    }
    self = try result.get()
  }

  /// Parses a text that is an object, and hands over its entries one by one, so that a large one is never held.
  /// Anything else has no entries.
  ///
  /// Every key occurs once. An error may come after entries have been handed over.
  ///
  /// - Parameter largest: The most elements of an array or object within, so that no entry takes much more memory
  ///   than its text.
  package static func forEachEntry(
    parsing bytes: [UInt8], largest: Int = 65_536, _ body: (_ key: String, _ value: JSON) -> Void
  ) throws(JSONError) {
    let result = bytes.withUnsafeBufferPointer { bytes in
      Result { () throws(JSONError) in
        var parser = JSONParser(bytes: bytes, rejectsDuplicates: true, maximumDepth: 512)
        parser.maximumCount = largest
        try parser.parseEntries(body)
      }
    }
    try result.get()
  }

  /// Parses a text of which large parts are not to be held: paths of keys from the outermost object say which.
  ///
  /// - Parameters:
  ///   - skipped: The value is only checked, and becomes `null`.
  ///   - streamed: If the value is an object, its entries are handed to `body` in their order, with a key that
  ///     comes twice twice, and it becomes an empty object. An error may come after that.
  package init(
    parsing bytes: [UInt8], skipping skipped: [String]?, streaming streamed: [String]? = nil,
    _ body: @escaping (_ key: String, _ value: JSON) -> Void = { _, _ in }
  ) throws(JSONError) {
    let result = bytes.withUnsafeBufferPointer { bytes in
      Result { () throws(JSONError) in
        var parser = JSONParser(bytes: bytes, rejectsDuplicates: false, maximumDepth: 512)
        return try parser.parseText(
          JSONParser.Parts(skipped: skipped, streamed: streamed, body: body))
      }
    }
    self = try result.get()
  }

  /// Parses a text.
  package init(parsing text: String, duplicateKeys: DuplicateKeys = .lastWins) throws(JSONError) {
    try self.init(parsing: Array(text.utf8), duplicateKeys: duplicateKeys)
  }
}

private struct JSONParser {
  let bytes: UnsafeBufferPointer<UInt8>
  let rejectsDuplicates: Bool
  let maximumDepth: Int
  /// The most elements of arrays and objects below the outermost.
  var maximumCount = Int.max
  private var position = 0
  /// The bytes of a string with escapes; kept, so that its memory is reused.
  private var unescaped: [UInt8] = []
  private var parts: Parts?
  /// How many keys lead to the deepest of the parts.
  private var partDepth = 0
  /// The keys that lead to the value at hand, as many as the parts need.
  private var path: [String] = []
  /// Whether the value at hand is only checked: strings and numbers are then empty, and lists too.
  private var isSkipping = false

  /// What is not to be held.
  struct Parts {
    let skipped: [String]?
    let streamed: [String]?
    let body: (String, JSON) -> Void
  }

  init(bytes: UnsafeBufferPointer<UInt8>, rejectsDuplicates: Bool, maximumDepth: Int) {
    self.bytes = bytes
    self.rejectsDuplicates = rejectsDuplicates
    self.maximumDepth = maximumDepth
  }

  mutating func parseText(_ parts: Parts? = nil) throws(JSONError) -> JSON {
    self.parts = parts
    partDepth = max(parts?.skipped?.count ?? 0, parts?.streamed?.count ?? 0)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    let value = try parseValue(depth: 0)
    skipSpace()
    if position < bytes.count { throw failure("expected the end of the text after the value") }
    return value
  }

  mutating func parseEntries(_ body: (String, JSON) -> Void) throws(JSONError) {
    skipSpace()
    // A set that grows takes twice its room; most entries of a header are about as long.
    var keys = Set<ByteKey>(minimumCapacity: bytes.count / 128)
    if current == UInt8(ascii: "{") {
      try parseObject(depth: 0) { key, value in
        guard keys.insert(ByteKey(string: key)).inserted else { return false }
        body(key, value)
        return true
      }
    } else {
      _ = try parseValue(depth: 0)
    }
    skipSpace()
    if position < bytes.count { throw failure("expected the end of the text after the value") }
  }

  // MARK: Values

  private mutating func parseValue(depth: Int) throws(JSONError) -> JSON {
    skipSpace()
    guard let byte = current else { throw failure("expected a value") }
    switch byte {
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "{"): return .object(try parseObject(depth: depth))
    case UInt8(ascii: "["): return .array(try parseArray(depth: depth))
    case UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(literal: try parseNumber())
    case UInt8(ascii: "-"):
      if skip("-Infinity") { return .number(literal: "-Infinity") }
      return .number(literal: try parseNumber())
    case UInt8(ascii: "t") where skip("true"): return .bool(true)
    case UInt8(ascii: "f") where skip("false"): return .bool(false)
    case UInt8(ascii: "n") where skip("null"): return .null
    case UInt8(ascii: "N") where skip("NaN"): return .number(literal: "NaN")
    case UInt8(ascii: "I") where skip("Infinity"): return .number(literal: "Infinity")
    default: throw failure("expected a value")
    }
  }

  private mutating func parseObject(depth: Int) throws(JSONError) -> JSONObject {
    var object = JSONObject()
    if isSkipping {
      try parseObject(depth: depth) { _, _ in true }
    } else if depth <= partDepth, path.count == depth, let parts, path == parts.streamed {
      try parseObject(depth: depth) { key, value in
        parts.body(key, value)
        return true
      }
    } else {
      let rejectsDuplicates = rejectsDuplicates
      try parseObject(depth: depth) { key, value in
        if object.isEmpty { object.reserveCapacity(4) }
        if object.append(key, value) { return true }
        if rejectsDuplicates { return false }
        object[key] = value
        return true
      }
    }
    return object
  }

  /// Parses the value of a key.
  private mutating func parseValue(of key: String, depth: Int) throws(JSONError) -> JSON {
    // Within a list the path is shorter than the value is deep.
    guard depth < partDepth, path.count == depth, !isSkipping, let parts else {
      return try parseValue(depth: depth + 1)
    }
    path.append(key)
    defer { path.removeLast() }
    guard path == parts.skipped else { return try parseValue(depth: depth + 1) }
    isSkipping = true
    defer { isSkipping = false }
    _ = try parseValue(depth: depth + 1)
    return .null
  }

  /// Parses an object; `add` takes its entries and tells whether a key may be there.
  private mutating func parseObject(
    depth: Int, _ add: (String, JSON) -> Bool
  ) throws(JSONError) {
    try checkDepth(depth)
    position += 1
    skipSpace()
    if skip("}") { return }
    var isFirst = true
    var count = 0
    while true {
      if depth > 0 { try checkCount(count) }
      count += 1
      skipSpace()
      let keyPosition = position
      guard current == UInt8(ascii: "\"") else {
        throw failure(isFirst ? "expected a key in quotes or '}'" : "expected a key in quotes")
      }
      isFirst = false
      let key = try parseString()
      skipSpace()
      guard skip(":") else { throw failure("expected ':' after the key") }
      let value = try parseValue(of: key, depth: depth)
      if !add(key, value) { throw failure("duplicate key \"\(key)\"", at: keyPosition, found: false) }
      skipSpace()
      if skip(",") { continue }
      if skip("}") { return }
      throw failure("expected ',' or '}' after the value")
    }
  }

  private mutating func parseArray(depth: Int) throws(JSONError) -> [JSON] {
    try checkDepth(depth)
    position += 1
    var elements: [JSON] = []
    skipSpace()
    if skip("]") { return elements }
    while true {
      if depth > 0 { try checkCount(elements.count) }
      let element = try parseValue(depth: depth + 1)
      if !isSkipping { elements.append(element) }
      skipSpace()
      if skip(",") { continue }
      if skip("]") { return elements }
      throw failure("expected ',' or ']' after the value")
    }
  }

  private func checkCount(_ count: Int) throws(JSONError) {
    if count >= maximumCount {
      throw failure("more than \(maximumCount) elements in an array or object", found: false)
    }
  }

  private func checkDepth(_ depth: Int) throws(JSONError) {
    if depth >= maximumDepth {
      throw failure("more than \(maximumDepth) levels of arrays and objects", found: false)
    }
  }

  private mutating func parseNumber() throws(JSONError) -> String {
    let start = position
    _ = skip("-")
    if skip("0") {
      if isDigit(current) { throw failure("expected no digit after a leading zero") }
    } else {
      try skipDigits()
    }
    if skip(".") { try skipDigits() }
    if skip("e") || skip("E") {
      if !skip("+") { _ = skip("-") }
      try skipDigits()
    }
    if isSkipping { return "" }
    return String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
  }

  private mutating func skipDigits() throws(JSONError) {
    guard isDigit(current) else { throw failure("expected a digit") }
    while isDigit(current) { position += 1 }
  }

  // MARK: Strings

  private mutating func parseString() throws(JSONError) -> String {
    let opening = position
    position += 1
    var start = position
    var hasEscapes = false
    var isASCII = true
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        let rest = UnsafeBufferPointer(rebasing: bytes[start..<position])
        if hasEscapes { unescaped.append(contentsOf: rest) }
        position += 1
        if isSkipping, isASCII { return "" }
        // What is ASCII needs no check.
        if isASCII, !hasEscapes { return String(decoding: rest, as: UTF8.self) }
        let string =
          hasEscapes ? String(validating: unescaped, as: UTF8.self) : String(validating: rest, as: UTF8.self)
        guard let string else { throw invalidUTF8(in: opening..<position - 1) }
        return string
      case UInt8(ascii: "\\"):
        if !hasEscapes { unescaped.removeAll(keepingCapacity: true) }
        hasEscapes = true
        unescaped.append(contentsOf: bytes[start..<position])
        try parseEscape()
        start = position
      case 0..<0x20:
        throw failure("expected control characters in a string to be escaped")
      case let byte:
        if byte >= 0x80 { isASCII = false }
        position += 1
      }
    }
    throw failure("expected '\"' at the end of the string", at: opening, found: false)
  }

  private mutating func parseEscape() throws(JSONError) {
    let backslash = position
    position += 1
    guard let byte = current else { throw failure("expected an escape") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): unescaped.append(byte)
    case UInt8(ascii: "b"): unescaped.append(0x08)
    case UInt8(ascii: "f"): unescaped.append(0x0C)
    case UInt8(ascii: "n"): unescaped.append(0x0A)
    case UInt8(ascii: "r"): unescaped.append(0x0D)
    case UInt8(ascii: "t"): unescaped.append(0x09)
    case UInt8(ascii: "u"):
      var code = try parseFourHexDigits()
      if (0xD800..<0xDC00).contains(code) {
        let afterHigh = position
        if skip("\\u") {
          let low = try parseFourHexDigits()
          if (0xDC00..<0xE000).contains(low) {
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
          } else {
            position = afterHigh
          }
        }
      }
      unescaped.append(contentsOf: String(Unicode.Scalar(code) ?? "\u{FFFD}").utf8)
    default:
      throw failure("expected one of \" \\ / b f n r t u after a backslash", at: backslash + 1)
    }
  }

  private mutating func parseFourHexDigits() throws(JSONError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("expected four hexadecimal digits after \\u")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }

  // MARK: Bytes

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func isDigit(_ byte: UInt8?) -> Bool {
    guard let byte else { return false }
    return byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0A, 0x0D, 0x09: position += 1
      default: return
      }
    }
  }

  @inline(__always)
  private mutating func skip(_ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard count <= bytes.count - position else { return false }
    for index in 0..<count where bytes[position + index] != text.utf8Start[index] { return false }
    position += count
    return true
  }

  // MARK: Errors

  private func failure(
    _ expectation: DiagnosticMessage, at place: Int? = nil, found: Bool = true
  ) -> JSONError {
    let place = place ?? position
    var line = 1
    var column = 1
    // A byte order mark takes no column.
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    for byte in bytes[min(start, place)..<place] {
      if byte == 0x0A {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return JSONError(
      line: line, column: column,
      message: found ? "\(expectation), found \(contents(at: place))" : expectation)
  }

  /// The word, character or byte at a position, for messages.
  private func contents(at place: Int) -> DiagnosticMessage {
    guard place < bytes.count else { return "the end of the text" }
    let word = bytes[place...].prefix(20).prefix {
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20 || isDigit($0) || $0 == UInt8(ascii: "_")
    }
    if !word.isEmpty { return "\(name: String(decoding: word, as: UTF8.self))" }
    for length in 1...4 where place + length <= bytes.count {
      let character = bytes[place..<place + length]
      if let text = String(validating: character, as: UTF8.self), bytes[place] > 0x20 {
        return "\(name: text)"
      }
    }
    return "byte \(hexadecimal(bytes[place]))"
  }

  private func invalidUTF8(in range: Range<Int>) -> JSONError {
    // The longest valid prefix ends where the wrong sequence begins.
    var decoder = UTF8()
    var rest = bytes[range].makeIterator()
    var place = range.lowerBound
    while case .scalarValue(let scalar) = decoder.decode(&rest) { place += UTF8.width(scalar) }
    return failure("expected UTF-8", at: place)
  }
}
