import Basics

/// What a GGUF file says of its model: values by keys, in order. Arrays and long texts, which are most of it, are read
/// when they are asked for.
package struct GGUFMetadata: Sendable {
  /// A value, or where it is.
  enum Value: Sendable {
    case scalar(JSON)
    /// A text, without its length.
    case text(Range<Int>)
    case array(GGUFValueType, count: Int, Range<Int>)
  }

  private let file: InputFile
  private let values: [(key: String, value: Value)]
  private let positions: [ByteKey: Int]

  /// A longer text is none of a model's metadata: the longest are chat templates.
  static let longestText = 4 << 20
  static let longestKey = 65_535
  /// The fewest bytes that a key with its value takes.
  static let smallestEntry = 8 + 4 + 1

  /// Reads the keys, and passes over what is long.
  init(_ cursor: inout GGUFCursor, count: Int, of file: InputFile) throws {
    var values: [(key: String, value: Value)] = []
    var positions: [ByteKey: Int] = [:]
    for number in 0..<count {
      let key = try cursor.text("the key of value \(number)", atMost: Self.longestKey)
      guard positions.updateValue(number, forKey: ByteKey(string: key)) == nil else {
        throw GGUFProblem.repeatedKey(key)
      }
      values.append((key, try Self.value(&cursor, key)))
    }
    self.file = file
    self.values = values
    self.positions = positions
  }

  private static func value(_ cursor: inout GGUFCursor, _ key: String) throws -> Value {
    let type = try valueType(&cursor, key)
    switch type {
    case .text:
      let length = try cursor.number(UInt64.self)
      guard length <= UInt64(longestText) else {
        throw GGUFProblem.textTooLong("the value of '\(key)'", length: length, most: longestText)
      }
      let start = cursor.position
      try cursor.skip(length)
      return .text(start..<cursor.position)
    case .array:
      let element = try valueType(&cursor, key)
      guard element != .array else { throw GGUFProblem.nestedArray(key: key) }
      let count = try cursor.number(UInt64.self)
      let most = cursor.remaining / (element.byteCount ?? MemoryLayout<UInt64>.size)
      guard count <= UInt64(most) else {
        throw GGUFProblem.tooMany("elements of '\(key)'", count: count, most: most)
      }
      let start = cursor.position
      if let width = element.byteCount {
        try cursor.skip(count * UInt64(width))
      } else {
        try cursor.skipTexts(Int(count))
      }
      return .array(element, count: Int(count), start..<cursor.position)
    default: return .scalar(try type.scalar(&cursor, key))
    }
  }

  private static func valueType(_ cursor: inout GGUFCursor, _ key: String) throws -> GGUFValueType {
    let number = try cursor.number(UInt32.self)
    guard let type = GGUFValueType(rawValue: number) else {
      throw GGUFProblem.unknownValueType(number, key: key)
    }
    return type
  }

  // MARK: Reading

  /// The keys, in the order of the file.
  package var keys: [String] { values.map(\.key) }

  private func value(_ key: String) -> Value? { positions[ByteKey(string: key)].map { values[$0].value } }

  /// How many elements the array of a key has; `nil` if it is none.
  package func count(of key: String) -> Int? {
    if case .array(_, let count, _) = value(key) { count } else { nil }
  }

  /// The number, boolean, text or array of a key, read now; `nil` if there is none.
  package func json(_ key: String) throws -> JSON? {
    switch value(key) {
    case nil: return nil
    case .scalar(let json): return json
    case .text(let range):
      guard let text = String(validating: try bytes(range), as: UTF8.self) else {
        throw problem(.notText("the value of '\(key)'"))
      }
      return .string(text)
    case .array(.text, _, _): return .array(try texts(key).map(JSON.string))
    case .array(let type, let count, let range):
      let reader = ByteReader(try bytes(range))
      let width = type.byteCount ?? 1
      do {
        return .array(try (0..<count).map { try type.scalar(reader, at: $0 * width, key) })
      } catch let problem as GGUFProblem {
        throw self.problem(problem)
      }
    }
  }

  /// The texts of an array.
  package func texts(_ key: String) throws -> [String] {
    guard case .array(.text, let count, let range) = value(key) else {
      throw problem(.wrongKind(key: key, expected: "a list of texts", found: found(key)))
    }
    let reader = ByteReader(try bytes(range))
    var position = 0
    return try (0..<count).map { number in
      // The file may have changed since its header was walked through.
      guard position + 8 <= reader.count, case let length = reader.u64(position),
        length <= UInt64(reader.count - position - 8)
      else { throw problem(.endsEarly(at: range.lowerBound + position, fileByteCount: range.upperBound)) }
      let start = position + 8
      position = start + Int(length)
      guard let text = String(validating: reader.bytes[start..<position], as: UTF8.self) else {
        throw problem(.notText("element \(number) of '\(key)'"))
      }
      return text
    }
  }

  /// The numbers of an array.
  package func numbers(_ key: String) throws -> [Double] {
    guard case .array(let type, _, _) = value(key), type.isNumber,
      let elements = try json(key)?.arrayValue
    else { throw problem(.wrongKind(key: key, expected: "a list of numbers", found: found(key))) }
    return elements.map { $0.doubleValue ?? .nan }
  }

  private func found(_ key: String) -> String {
    switch value(key) {
    case nil: "nothing"
    case .scalar(let json): json.kind
    case .text: "a text"
    case .array(let type, _, _): "a list of \(type)"
    }
  }

  private func bytes(_ range: Range<Int>) throws -> [UInt8] {
    let bytes = try file.bytes(at: range.lowerBound, count: range.count)
    guard bytes.count == range.count else {
      throw problem(.endsEarly(at: range.lowerBound, fileByteCount: range.lowerBound + bytes.count))
    }
    return bytes
  }

  private func problem(_ problem: GGUFProblem) -> GGUFError { GGUFError(path: file.path, problem: problem) }

  /// The numbers, booleans and short texts.
  var short: JSONObject {
    var object = JSONObject()
    for (key, value) in values {
      switch value {
      case .scalar(let json): object[key] = json
      case .text(let range) where range.count <= 1024: object[key] = try? json(key)
      case .text, .array: break
      }
    }
    return object
  }
}

/// The types of values (`gguf_type` of gguf.h).
enum GGUFValueType: UInt32, Sendable {
  case u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64

  /// The bytes of a value; `nil` where they vary.
  var byteCount: Int? {
    switch self {
    case .u8, .i8, .boolean: 1
    case .u16, .i16: 2
    case .u32, .i32, .f32: 4
    case .u64, .i64, .f64: 8
    case .text, .array: nil
    }
  }

  var isNumber: Bool { byteCount != nil && self != .boolean }

  /// The value at the cursor.
  func scalar(_ cursor: inout GGUFCursor, _ key: String) throws -> JSON {
    var bytes: [UInt8] = []
    for _ in 0..<(byteCount ?? 0) { bytes.append(try cursor.number()) }
    return try scalar(ByteReader(bytes), at: 0, key)
  }

  /// The value of a fixed size at an offset.
  func scalar(_ bytes: ByteReader, at offset: Int, _ key: String) throws -> JSON {
    switch self {
    case .u8: return JSON(bytes.load(offset, UInt8.self))
    case .i8: return JSON(bytes.load(offset, Int8.self))
    case .u16: return JSON(bytes.load(offset, UInt16.self))
    case .i16: return JSON(bytes.load(offset, Int16.self))
    case .u32: return JSON(bytes.load(offset, UInt32.self))
    case .i32: return JSON(bytes.load(offset, Int32.self))
    case .u64: return JSON(bytes.load(offset, UInt64.self))
    case .i64: return JSON(bytes.load(offset, Int64.self))
    case .f32:
      // The shortest text of the float: 1e-05, not 9.999999747378752e-06.
      let float = Float(bitPattern: bytes.load(offset, UInt32.self))
      return float.isFinite ? .number(literal: float.description) : JSON(Double(float))
    case .f64: return JSON(Double(bitPattern: bytes.load(offset, UInt64.self)))
    case .boolean:
      let byte = bytes.load(offset, UInt8.self)
      guard byte <= 1 else { throw GGUFProblem.badBoolean(byte, key: key) }
      return .bool(byte == 1)
    case .text, .array: preconditionFailure("no value of a fixed size")
    }
  }
}
