import Basics
import Testing

@Suite struct XXH64Tests {
  private func hash(_ bytes: [UInt8], pieces: Int = .max) -> UInt64 {
    var hash = XXH64()
    for start in stride(from: 0, to: max(bytes.count, 1), by: min(pieces, max(bytes.count, 1))) {
      Array(bytes[start..<min(start + min(pieces, bytes.count), bytes.count)]).withUnsafeBytes {
        hash.update($0)
      }
    }
    return hash.finish()
  }

  /// As the reference implementation gives them.
  @Test(
    arguments: [
      ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
      ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
      ("abcdefghijklmnopqrstuvwxyz0123456789", 0x64F2_3ECF_1609_B766),
    ] as [(String, UInt64)])
  func knownChecksums(text: String, checksum: UInt64) { #expect(hash(Array(text.utf8)) == checksum) }

  @Test func piecesOfAnySize() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    for size in [1, 7, 31, 32, 33, 500] {
      #expect(hash(bytes, pieces: size) == hash(bytes), "pieces of \(size)")
    }
  }
}
