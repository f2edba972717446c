import CKernels

/// A whole number for each Float, in the same order: what exact selection counts instead of sorting.
///
/// -0 and +0 have one key, every NaN has the largest.
package enum SelectionKey {
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
    block_keys(source, destination, count)
  }

  /// How many of `count` keys are greater than `bound`.
  package static func countAbove(
    _ bound: UInt32, _ keys: UnsafePointer<UInt32>, _ count: Int
  ) -> Int {
    block_count_above(bound, keys, count)
  }

  /// How many of `count` keys equal `key`.
  package static func countEqual(
    _ key: UInt32, _ keys: UnsafePointer<UInt32>, _ count: Int
  ) -> Int {
    block_count_equal(key, keys, count)
  }

  /// Copies those of `count` keys that lie in `bounds`, in order, and returns their number. `destination` has
  /// room for `count`, and may be `keys`.
  package static func collect(
    _ bounds: ClosedRange<UInt32>, _ keys: UnsafePointer<UInt32>, _ count: Int,
    into destination: UnsafeMutablePointer<UInt32>
  ) -> Int {
    block_collect(bounds.lowerBound, bounds.upperBound, keys, count, destination)
  }

  /// Counts those of `count` keys that lie in `bounds` by their distance from the lower bound, shifted right
  /// by `shift`: adds to as many bins as that takes.
  package static func histogram(
    _ bounds: ClosedRange<UInt32>, shift: UInt32, _ keys: UnsafePointer<UInt32>, _ count: Int,
    into bins: UnsafeMutablePointer<UInt32>
  ) {
    let (low, span) = (bounds.lowerBound, bounds.upperBound &- bounds.lowerBound)
    for index in 0..<count {
      let distance = keys[index] &- low
      if distance <= span { bins[Int(distance &>> shift)] &+= 1 }
    }
  }

  /// The `rank`-th largest of `count` keys, `rank` from 1 to `count`; the keys are lost.
  ///
  /// Counts them by eleven bits, keeps those of the bin that holds the rank, and so on.
  package static func select(
    rank: Int, from keys: UnsafeMutablePointer<UInt32>, _ count: Int
  ) -> UInt32 {
    let digit: UInt32 = 11
    var (rank, count) = (rank, count)
    var bounds: ClosedRange<UInt32> = 0...(.max)
    return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 1 << digit) { bins in
      while bounds.lowerBound < bounds.upperBound {
        let width = 32 - UInt32((bounds.upperBound - bounds.lowerBound).leadingZeroBitCount)
        let shift = max(width, digit) - digit
        bins.initialize(repeating: 0)
        histogram(bounds, shift: shift, keys, count, into: bins.baseAddress!)
        var bin = bins.count - 1
        while bin > 0, rank > Int(bins[bin]) {
          rank -= Int(bins[bin])
          bin -= 1
        }
        bounds = binBounds(bin, of: bounds, shift: shift)
        count = collect(bounds, keys, count, into: keys)
      }
      return bounds.lowerBound
    }
  }

  /// The keys that `histogram` counts in a bin.
  package static func binBounds(
    _ bin: Int, of bounds: ClosedRange<UInt32>, shift: UInt32
  ) -> ClosedRange<UInt32> {
    let low = bounds.lowerBound + UInt32(bin) << shift
    let span = (UInt32(1) << shift) - 1
    return low...min(bounds.upperBound, low.addingReportingOverflow(span).overflow ? .max : low + span)
  }
}
