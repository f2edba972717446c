/// Finds the value of a key of a text's outermost object, which is JSON as was found before: so that a large
/// file can get another value there without a tree of all the rest.
enum JSONSplice {
  /// The bytes of the value; `nil` if the object does not have the key, or the text is no object.
  static func range(ofValueFor key: String, in text: [UInt8]) -> Range<Int>? {
    let quoted = Array("\"\(key)\"".utf8)
    return text.withUnsafeBufferPointer { bytes in
      var scanner = Scanner(bytes: bytes)
      guard scanner.skip(UInt8(ascii: "{")) else { return nil }
      while true {
        let start = scanner.nextByte()
        guard scanner.skipValue() else { return nil }
        let isWanted = bytes[start..<scanner.position].elementsEqual(quoted)
        guard scanner.skip(UInt8(ascii: ":")) else { return nil }
        let value = scanner.nextByte()
        guard scanner.skipValue() else { return nil }
        if isWanted { return value..<scanner.position }
        guard scanner.skip(UInt8(ascii: ",")) else { return nil }
      }
    }
  }

  private struct Scanner {
    let bytes: UnsafeBufferPointer<UInt8>
    var position = 0

    /// Moves to the next byte that is no space.
    mutating func nextByte() -> Int {
      while position < bytes.count, bytes[position] <= 0x20 { position += 1 }
      return position
    }

    mutating func skip(_ byte: UInt8) -> Bool {
      guard nextByte() < bytes.count, bytes[position] == byte else { return false }
      position += 1
      return true
    }

    /// Moves behind the value that begins here.
    mutating func skipValue() -> Bool {
      var depth = 0
      let start = position
      while position < bytes.count {
        switch bytes[position] {
        case UInt8(ascii: "\""):
          guard skipString() else { return false }
          if depth == 0 { return true }
          continue
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
          // The end of what a number or a word stands in.
          if depth == 0 { return position > start }
          depth -= 1
          if depth == 0 {
            position += 1
            return true
          }
        case UInt8(ascii: ","), UInt8(ascii: ":"), 0...0x20:
          if depth == 0 { return position > start }
        default: break
        }
        position += 1
      }
      return false
    }

    private mutating func skipString() -> Bool {
      position += 1
      while position < bytes.count {
        switch bytes[position] {
        case UInt8(ascii: "\\"): position += 2
        case UInt8(ascii: "\""):
          position += 1
          return true
        default: position += 1
        }
      }
      return false
    }
  }
}
