/// SentencePiece's table of replacements (`precompiled_charsmap`): a double-array trie over UTF-8, and behind
/// it the replacements, each with a zero at its end.
///
/// The layout is that of Darts-clone, from which SentencePiece has it.
struct CharacterMap: Sendable {
  private let units: [UInt32]
  private let replacements: [UInt8]

  init(_ component: Component) throws {
    let field = try component.required("precompiled_charsmap", "a string")
    guard let bytes = Self.decodeBase64(Array(try field.string().utf8)) else {
      throw field.unusable("is no base64")
    }
    let size = bytes.count < 4 ? 0 : bytes[0..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard bytes.count >= 4, size % 4 == 0, size >= 4, size <= bytes.count - 4 else {
      throw field.unusable(
        "is no table of replacements: \(bytes.count) bytes that begin with the length \(size)")
    }
    units = stride(from: 4, to: 4 + size, by: 4).map { start in
      bytes[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    replacements = Array(bytes[(4 + size)...])
    guard replacements.isEmpty || String(validating: replacements, as: UTF8.self) != nil else {
      throw field.unusable("has replacements that are no UTF-8")
    }
  }

  /// The text with its characters replaced.
  ///
  /// A cluster of up to 5 bytes is looked up whole first, and then counts as replaced if only its beginning
  /// is in the table: so do SentencePiece's own tables need it.
  func apply(to text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    for cluster in String(decoding: text, as: UTF8.self) {
      let bytes = Array(String(cluster).utf8)
      if bytes.count < 6, let replacement = replacement(of: bytes[...]) {
        result.append(contentsOf: replacement)
        continue
      }
      for scalar in String(cluster).unicodeScalars {
        let part = Array(UTF8.encode(scalar)!)
        result.append(contentsOf: replacement(of: part[...]) ?? part[...])
      }
    }
    return result
  }

  /// What stands for the shortest beginning of a text that the table has.
  private func replacement(of text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    var node = offset(of: units[0])
    for byte in text {
      if byte == 0 { return nil }
      node ^= Int(byte)
      guard node < units.count, units[node] & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
      let isEnd = units[node] >> 8 & 1 == 1
      node ^= offset(of: units[node])
      guard node < units.count else { return nil }
      if isEnd {
        let start = Int(units[node] & (0x7FFF_FFFF))
        guard start <= replacements.count else { return nil }
        return replacements[start...].prefix { $0 != 0 }
      }
    }
    return nil
  }

  private func offset(of unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 1 << 9) >> 6) }

  private static func decodeBase64(_ text: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for byte in text.prefix(while: { $0 != UInt8(ascii: "=") }) {
      let value: UInt8
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - UInt8(ascii: "A")
      case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - UInt8(ascii: "a") + 26
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0") + 52
      case UInt8(ascii: "+"): value = 62
      case UInt8(ascii: "/"): value = 63
      default: return nil
      }
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return result
  }
}
