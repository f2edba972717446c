/// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011):
/// four random words from a counter of four words and a key of two.
///
/// Streams take their blocks from the C loops of CKernels, which give the same numbers; this is the plain
/// form, for single elements and for tests.
package enum Philox {
  /// Four random words.
  package static func block(
    counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)
  ) -> (UInt32, UInt32, UInt32, UInt32) {
    let (a, b, c, d) = wideBlock(
      UInt64(counter.0), UInt64(counter.1), UInt64(counter.2), UInt64(counter.3), key: key)
    return (
      UInt32(truncatingIfNeeded: a), UInt32(truncatingIfNeeded: b),
      UInt32(truncatingIfNeeded: c), UInt32(truncatingIfNeeded: d)
    )
  }

  /// The same with each word in the low half of 64 bits; high halves are ignored, and undefined in the
  /// result.
  @inline(__always)
  static func wideBlock(
    _ c0: UInt64, _ c1: UInt64, _ c2: UInt64, _ c3: UInt64, key: (UInt32, UInt32)
  ) -> (UInt64, UInt64, UInt64, UInt64) {
    var (c0, c1, c2, c3) = (c0, c1, c2, c3)
    var (k0, k1) = key
    // Ten rounds, written out: LLVM vectorises only a loop without a loop inside.
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    round(&c0, &c1, &c2, &c3, &k0, &k1)
    return (c0, c1, c2, c3)
  }

  @inline(__always)
  private static func round(
    _ c0: inout UInt64, _ c1: inout UInt64, _ c2: inout UInt64, _ c3: inout UInt64,
    _ k0: inout UInt32, _ k1: inout UInt32
  ) {
    let first = (c0 & 0xffff_ffff) &* 0xd251_1f53
    let second = (c2 & 0xffff_ffff) &* 0xcd9e_8d57
    (c0, c1, c2, c3) = (
      (second &>> 32) ^ c1 ^ UInt64(k0), second, (first &>> 32) ^ c3 ^ UInt64(k1), first
    )
    k0 &+= 0x9e37_79b9
    k1 &+= 0xbb67_ae85
  }
}
