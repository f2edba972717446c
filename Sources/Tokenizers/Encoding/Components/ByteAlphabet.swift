/// The printable characters that stand for bytes in byte-level vocabularies, as GPT-2 chose them: those of
/// Latin-1 that print stand for themselves, and the other bytes, in order, for the characters from U+0100 on.
enum ByteAlphabet {
  /// The UTF-8 of each byte's character.
  static let characters: [[UInt8]] = scalars.map { Array(UTF8.encode($0)!) }

  /// The byte that a character stands for.
  static func byte(of scalar: Unicode.Scalar) -> UInt8? {
    scalar.value < bytes.count ? bytes[Int(scalar.value)] : nil
  }

  /// The text with its bytes written as characters.
  static func encode(_ text: UTF8Bytes, to result: inout [UInt8]) {
    for byte in text {
      // Printable ASCII is itself.
      if byte > 0x20, byte < 0x7F {
        result.append(byte)
      } else {
        result.append(contentsOf: characters[Int(byte)])
      }
    }
  }

  private static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0...255).map { (byte: UInt32) in
      if 0x21...0x7E ~= byte || 0xA1...0xAC ~= byte || 0xAE...0xFF ~= byte { return Unicode.Scalar(byte)! }
      defer { next += 1 }
      return Unicode.Scalar(next)!
    }
  }()

  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()
}
