/// Bytes that are known to be UTF-8, read scalar by scalar.
typealias UTF8Bytes = UnsafeBufferPointer<UInt8>

extension UnsafeBufferPointer<UInt8> {
  /// The scalar that begins at `position`, which moves behind it.
  @inline(__always)
  func nextScalar(_ position: inout Int) -> Unicode.Scalar {
    let first = UInt32(self[position])
    if first < 0x80 {
      position += 1
      return Unicode.Scalar(UInt8(first))
    }
    let width = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    var value = first & (0xFF >> UInt32(width + 1))
    for offset in 1..<width { value = value << 6 | UInt32(self[position + offset] & 0x3F) }
    position += width
    // The text is valid, so that the fallback never shows.
    return Unicode.Scalar(value) ?? "\u{FFFD}"
  }

  /// The scalar that ends before `position`, which must be above 0.
  func scalar(before position: Int) -> Unicode.Scalar {
    var start = position - 1
    while start > 0, self[start] & 0xC0 == 0x80 { start -= 1 }
    return nextScalar(&start)
  }

  /// How many scalars there are.
  var scalarCount: Int { reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } }

  /// Whether all is ASCII, which most transformations of Unicode leave alone.
  var isASCII: Bool { allSatisfy { $0 < 0x80 } }

  /// The bytes of a range, with positions from 0.
  subscript(part range: Range<Int>) -> UTF8Bytes { UTF8Bytes(rebasing: self[range]) }
}

extension [UInt8] {
  /// Adds a scalar's bytes.
  @inline(__always)
  mutating func append(_ scalar: Unicode.Scalar) {
    if scalar.value < 0x80 { append(UInt8(scalar.value)) } else { append(contentsOf: UTF8.encode(scalar)!) }
  }

  /// The text with each scalar replaced by what `map` gives: nothing, itself or others.
  func mappingScalars(_ map: (Unicode.Scalar, inout [UInt8]) -> Void) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(count + count / 8)
    withUnsafeBufferPointer { bytes in
      var position = 0
      while position < bytes.count { map(bytes.nextScalar(&position), &result) }
    }
    return result
  }
}
