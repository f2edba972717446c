import Basics

/// Reads a GGUF header from its start on, a piece of the file at a time.
struct GGUFCursor {
  /// Where it is in the file.
  private(set) var position = 0
  private let file: InputFile
  private var buffer: [UInt8] = []
  /// Where the buffer begins in the file.
  private var start = 0

  /// A longer header is none of a model.
  static let longestHeader = 128 << 20
  private static let pieceLength = 1 << 18

  init(_ file: InputFile) { self.file = file }

  /// The bytes of the file after the position.
  var remaining: Int { max(0, file.identity.byteCount - position) }

  /// The file's bytes from the position on, as far as they are in the buffer; at least `count`.
  private mutating func require(_ count: Int) throws {
    guard position <= Self.longestHeader else { throw GGUFProblem.headerTooLong(most: Self.longestHeader) }
    if position >= start, position - start <= buffer.count - count { return }
    guard count <= remaining else {
      throw GGUFProblem.endsEarly(at: position, fileByteCount: file.identity.byteCount)
    }
    buffer = try file.bytes(at: position, count: min(max(count, Self.pieceLength), remaining))
    start = position
    guard buffer.count >= count else {
      throw GGUFProblem.endsEarly(at: position, fileByteCount: position + buffer.count)
    }
  }

  mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws -> Number {
    let size = MemoryLayout<Number>.size
    try require(size)
    let offset = position - start
    position += size
    return buffer.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: type)) }
  }

  /// The text that follows its length.
  mutating func text(_ what: @autoclosure () -> String, atMost most: Int) throws -> String {
    let length = try number(UInt64.self)
    guard length <= UInt64(most) else { throw GGUFProblem.textTooLong(what(), length: length, most: most) }
    try require(Int(length))
    let offset = position - start
    position += Int(length)
    guard let text = String(validating: buffer[offset..<offset + Int(length)], as: UTF8.self) else {
      throw GGUFProblem.notText(what())
    }
    return text
  }

  /// Passes over bytes.
  mutating func skip(_ count: UInt64) throws {
    guard count <= UInt64(remaining) else {
      throw GGUFProblem.endsEarly(at: position, fileByteCount: file.identity.byteCount)
    }
    position += Int(count)
    guard position <= Self.longestHeader else { throw GGUFProblem.headerTooLong(most: Self.longestHeader) }
  }

  /// Passes over texts, each after its length.
  mutating func skipTexts(_ count: Int) throws {
    for _ in 0..<count {
      let length = try number(UInt64.self)
      try skip(length)
    }
  }
}
