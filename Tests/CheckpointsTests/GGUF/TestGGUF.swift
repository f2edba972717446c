/// The bytes of a GGUF file, put together by hand, so that any part of it can be wrong.
struct TestGGUF {
  var magic: [UInt8] = Array("GGUF".utf8)
  var version: UInt32 = 3
  var tensorCount: UInt64?
  var valueCount: UInt64?
  var values: [[UInt8]] = []
  var tensors: [[UInt8]] = []
  var alignment = 32
  var data: [UInt8] = []

  static func le<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian, Array.init)
  }

  static func text(_ text: String) -> [UInt8] { le(UInt64(text.utf8.count)) + Array(text.utf8) }

  static func value(_ key: String, type: UInt32, _ bytes: [UInt8]) -> [UInt8] { text(key) + le(type) + bytes }
  static func value(_ key: String, _ number: UInt32) -> [UInt8] { value(key, type: 4, le(number)) }
  static func value(_ key: String, _ number: UInt16) -> [UInt8] { value(key, type: 2, le(number)) }
  static func value(_ key: String, _ number: Int32) -> [UInt8] { value(key, type: 5, le(number)) }
  static func value(_ key: String, _ string: String) -> [UInt8] { value(key, type: 8, text(string)) }

  static func tensor(_ name: String, _ shape: [UInt64], type: UInt32 = 0, offset: UInt64 = 0) -> [UInt8] {
    text(name) + le(UInt32(shape.count)) + shape.flatMap { le($0) } + le(type) + le(offset)
  }

  var header: [UInt8] {
    magic + Self.le(version) + Self.le(tensorCount ?? UInt64(tensors.count))
      + Self.le(valueCount ?? UInt64(values.count)) + values.flatMap { $0 } + tensors.flatMap { $0 }
  }

  var bytes: [UInt8] {
    let header = header
    return header + Array(repeating: 0, count: (alignment - header.count % alignment) % alignment) + data
  }
}
