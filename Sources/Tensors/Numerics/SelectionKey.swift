/// A whole number for each Float, in the same order: what exact selection counts instead of sorting.
///
/// -0 and +0 have one key, every NaN has the largest.
package enum SelectionKey {
  /// Bins of a histogram: one for each value of half a key.
  package static let binCount = 1 << 16

  /// The key of a value.
  @inline(__always)
  package static func key(_ value: Float) -> UInt32 {
    // Adding +0 makes -0 positive and changes nothing else.
    let bits = (value + 0).bitPattern
    // Negative values count down from the middle, positive ones up.
    let flip = UInt32(bitPattern: Int32(bitPattern: bits) &>> 31) | 0x8000_0000
    return value == value ? bits ^ flip : 0xffff_ffff
  }

  /// The value of a key: the inverse of `key`, with +0 for both zeros and a quiet NaN for the largest.
  package static func value(_ key: UInt32) -> Float {
    if key == 0xffff_ffff { return .nan }
    return Float(bitPattern: key & 0x8000_0000 != 0 ? key ^ 0x8000_0000 : ~key)
  }

  /// The keys of a block.
  package static func keys(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<UInt32>, _ count: Int
  ) {
    for index in 0..<count { destination[index] = key(source[index]) }
  }

  /// Counts the upper halves of the keys of `count` values: adds to `binCount` bins.
  package static func histogramHigh(
    _ source: UnsafePointer<Float>, _ count: Int, into bins: UnsafeMutablePointer<UInt32>
  ) {
    forEachKey(source, count) { key in bins[Int(key &>> 16)] &+= 1 }
  }

  /// Counts the lower halves of those keys whose upper half is `prefix`: adds to `binCount` bins.
  package static func histogramLow(
    _ source: UnsafePointer<Float>, _ count: Int, prefix: UInt32, into bins: UnsafeMutablePointer<UInt32>
  ) {
    forEachKey(source, count) { key in
      if key &>> 16 == prefix { bins[Int(key & 0xffff)] &+= 1 }
    }
  }

  /// Calls `body` with the key of each value. Keys are made a chunk at a time in a loop that vectorises.
  @inline(__always)
  static func forEachKey(_ source: UnsafePointer<Float>, _ count: Int, _ body: (UInt32) -> Void) {
    let chunk = 256
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: chunk) { scratch in
      let keys = scratch.baseAddress.unsafelyUnwrapped
      var start = 0
      while start < count {
        let length = min(chunk, count &- start)
        Self.keys(source + start, keys, length)
        for index in 0..<length { body(keys[index]) }
        start &+= length
      }
    }
  }
}
