import SystemPackage

/// XXH64 of Yann Collet's xxHash, as fast as memory: tells bytes that a disk or a program has changed, and is no
/// protection against somebody who means to.
package struct XXH64 {
  private static let primes: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
    0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5
  )

  private var lanes: SIMD4<UInt64>
  private var pending: [UInt8] = []
  private var byteCount: UInt64 = 0

  package init() {
    let (first, second, _, _, _) = Self.primes
    lanes = SIMD4(first &+ second, second, 0, 0 &- first)
  }

  /// The checksum of a file as 16 hexadecimal digits.
  package static func hexadecimal(ofFile path: FilePath) throws -> String {
    let file = try InputFile(path: path)
    var hash = XXH64()
    var offset = 0
    try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 64) { buffer in
      while true {
        let count = try file.read(into: buffer, at: offset)
        if count == 0 { break }
        hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        offset += count
      }
    }
    let digits = String(hash.finish(), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Takes in further bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    byteCount += UInt64(bytes.count)
    var start = 0
    if !pending.isEmpty {
      start = min(32 - pending.count, bytes.count)
      pending += bytes[..<start]
      guard pending.count == 32 else { return }
      let block = pending
      block.withUnsafeBytes { consume($0, 0..<32) }
      pending.removeAll(keepingCapacity: true)
    }
    let end = start + (bytes.count - start) / 32 * 32
    consume(bytes, start..<end)
    pending += bytes[end...]
  }

  /// The checksum of all bytes.
  package func finish() -> UInt64 {
    let (first, second, third, fourth, fifth) = Self.primes
    var hash: UInt64
    if byteCount >= 32 {
      hash =
        Self.rotate(lanes[0], 1) &+ Self.rotate(lanes[1], 7) &+ Self.rotate(lanes[2], 12)
        &+ Self.rotate(lanes[3], 18)
      for lane in 0..<4 { hash = (hash ^ Self.round(0, lanes[lane])) &* first &+ fourth }
    } else {
      hash = fifth
    }
    hash &+= byteCount
    pending.withUnsafeBytes { rest in
      var place = 0
      while rest.count - place >= 8 {
        let word = UInt64(littleEndian: rest.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        hash = Self.rotate(hash ^ Self.round(0, word), 27) &* first &+ fourth
        place += 8
      }
      if rest.count - place >= 4 {
        let word = UInt32(littleEndian: rest.loadUnaligned(fromByteOffset: place, as: UInt32.self))
        hash = Self.rotate(hash ^ UInt64(word) &* first, 23) &* second &+ third
        place += 4
      }
      for byte in rest[place...] {
        hash = Self.rotate(hash ^ UInt64(byte) &* fifth, 11) &* first
      }
    }
    hash = (hash ^ hash >> 33) &* second
    hash = (hash ^ hash >> 29) &* third
    return hash ^ hash >> 32
  }

  private mutating func consume(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
    var (a, b, c, d) = (lanes[0], lanes[1], lanes[2], lanes[3])
    for place in stride(from: range.lowerBound, to: range.upperBound, by: 32) {
      a = Self.round(a, Self.word(bytes, place))
      b = Self.round(b, Self.word(bytes, place + 8))
      c = Self.round(c, Self.word(bytes, place + 16))
      d = Self.round(d, Self.word(bytes, place + 24))
    }
    lanes = SIMD4(a, b, c, d)
  }

  private static func word(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> UInt64 {
    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
  }

  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotate(lane &+ word &* primes.1, 31) &* primes.0
  }

  private static func rotate(_ x: UInt64, _ count: UInt64) -> UInt64 { x << count | x >> (64 - count) }
}
