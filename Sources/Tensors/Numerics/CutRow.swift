import CKernels

/// A row of values on its way to ranks by counting cut values: see `Ranks` and `RankThresholds`.
struct CutRow {
  let count: Int
  private let destination: UnsafeMutablePointer<Float>
  private let source: UnsafePointer<Float>
  private let least: Int32
  private let greatest: Int32

  // In the scratch, 12 bytes a value.

  /// Selection keys less 2^31, by index: SSE2 compares signed numbers only.
  private let keys: UnsafeMutablePointer<Int32>
  /// The same by position in the order.
  private let sorted: UnsafeMutablePointer<Int32>
  /// Indices, by position in the order.
  private let order: UnsafeMutablePointer<UInt16>
  /// Bins, by index.
  let bins: UnsafeMutablePointer<UInt16>

  /// Computes the keys; `scratch` has 2 words for each value.
  init(
    _ source: UnsafePointer<Float>, count: Int, _ destination: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<UInt64>
  ) {
    (self.source, self.count, self.destination) = (source, count, destination)
    let raw = UnsafeMutableRawPointer(scratch)
    keys = raw.assumingMemoryBound(to: Int32.self)
    sorted = keys + count
    order = (raw + 8 * count).assumingMemoryBound(to: UInt16.self)
    bins = order + count
    var (least, greatest) = (Int32.max, Int32.min)
    rank_keys(source, keys, count, &least, &greatest)
    (self.least, self.greatest) = (least, greatest)
  }

  /// Cuts a row to bins of about four values, and writes to `starts`, which has `startCount(ofValues:)` entries of 16
  /// bits, how many values are in the bins before each, and then the count of all; `nil` if it cannot be cut so.
  init?(
    counting source: UnsafePointer<Float>, count: Int, _ destination: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<UInt64>, _ starts: UnsafeMutablePointer<UInt64>
  ) {
    guard count > Ranks.fewest else { return nil }
    self.init(source, count: count, destination, scratch: scratch)
    guard !isUniform, cut(bits: Self.bits(of: count) - 2) else { return nil }
    countStarts(starts, Self.startCount(ofValues: count))
  }

  /// Entries for bins of about four values, and for the count of all, in whole words.
  static func startCount(ofValues count: Int) -> Int { 1 &<< max(0, bits(of: count) - 2) &+ 4 }

  private static func bits(of count: Int) -> Int { Int.bitWidth - 1 - count.leadingZeroBitCount }

  /// How many values in a range are equal to the one at `index`.
  func countEqual(to index: Int, in range: Range<Int>) -> Int {
    // Beyond the keys are those in order.
    rank_count_equal(keys[index], keys + range.lowerBound, range.count)
  }

  /// How many values are smaller than the one at `index`.
  func countLess(than index: Int) -> Int { rank_count_less(keys[index], keys, count) }

  /// Whether all values are equal.
  var isUniform: Bool { least == greatest }

  /// Writes the ranks of a uniform row.
  func rankInOrder() {
    for index in 0..<count { destination[index] = Float(Int32(truncatingIfNeeded: index &+ 1)) }
  }

  /// About as many bins as values, within an L1 cache.
  var coarseBits: Int { min(12, Self.bits(of: count)) }

  /// Eight times as many, or what an L1 cache holds.
  var fineBits: Int { min(14, coarseBits + 3) }

  /// Writes the ranks, unless values cannot be cut to `bits` or too many that share a bin are out of order.
  /// Returns whether they are written.
  func rank(bits: Int) -> Bool {
    guard cut(bits: bits) else { return false }
    countBins(1 << bits)
    return mend()
  }

  /// Puts each value in one of 2^bits bins, none in a bin below a smaller one's. Values are bent to x / (|x| + spread)
  /// first, which spreads those of a bell with tails about evenly; bins of equal width would hold nearly all of them
  /// in a few.
  private func cut(bits: Int) -> Bool {
    // Indices and counts have 16 bits.
    guard count < 65_536 else { return false }
    let (low, high) = (Self.value(least), Self.value(greatest))
    let spread = meanMagnitude
    // Not so if there are infinities or NaN.
    guard spread > 0, (max(abs(low), abs(high)) + spread).isFinite else { return false }
    let (bentLow, bentHigh) = (rank_bent(low, spread), rank_bent(high, spread))
    let last = 1 &<< bits &- 1
    let scale = Float(last) / (bentHigh - bentLow)
    guard scale > 0, scale.isFinite else { return false }
    rank_bins(source, bins, count, spread, bentLow, scale, UInt16(truncatingIfNeeded: last))
    return true
  }

  /// That of some sixty values, which is near enough.
  private var meanMagnitude: Float {
    let step = max(1, count / 64)
    let fours = min(16, count / 4)
    // Side by side, so that an addition need not wait for the one before.
    var sums = SIMD4<Float>.zero
    for four in 0..<fours {
      let values = source + 4 &* four &* step
      sums += SIMD4(abs(values[0]), abs(values[step]), abs(values[2 &* step]), abs(values[3 &* step]))
    }
    return sums.sum() / Float(4 &* fours)
  }

  private static func value(_ key: Int32) -> Float {
    SelectionKey.value(UInt32(bitPattern: key) ^ 0x8000_0000)
  }

  /// Orders values by bins, and writes the ranks that they have in that order.
  private func countBins(_ binCount: Int) {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: binCount / 4) { buffer in
      let words = buffer.baseAddress.unsafelyUnwrapped
      countStarts(words, binCount)
      words.withMemoryRebound(to: UInt16.self, capacity: binCount) { table in
        rank_place(bins, keys, count, table, sorted, order, destination)
      }
    }
  }

  /// Writes for each bin, of 16 bits, how many values are in the bins before it.
  private func countStarts(_ words: UnsafeMutablePointer<UInt64>, _ entries: Int) {
    words.update(repeating: 0, count: entries / 4)
    words.withMemoryRebound(to: UInt16.self, capacity: entries) { rank_count(bins, count, $0) }
    Self.makeStarts(words, entries / 4)
  }

  /// Replaces counts, four of 16 bits in a word, by the sums of all counts before each. No sum exceeds 16
  /// bits, so that none carries into the next.
  private static func makeStarts(_ words: UnsafeMutablePointer<UInt64>, _ wordCount: Int) {
    let ones: UInt64 = 0x0001_0001_0001_0001
    // One number, so that a word waits for no more than the addition of the word before.
    var before: UInt64 = 0
    for index in 0..<wordCount {
      // Each quarter is the sum of the counts up to its own.
      let sums = words[index] &* ones
      words[index] = before &* ones &+ sums &<< 16
      before &+= sums &>> 48
    }
  }

  /// Puts values that share a bin in order, and returns `true`; gives up if too many are out of order.
  private func mend() -> Bool {
    // Where moving values comes to cost as much as sorting the row.
    var budget = count
    var position = rank_descent(sorted, 1, count)
    while position < count {
      budget &-= 8 &+ sink(position)
      if budget < 0 { return false }
      position = rank_descent(sorted, position &+ 1, count)
    }
    return true
  }

  /// Moves the value at a position below the greater ones before it; returns how far.
  private func sink(_ position: Int) -> Int {
    let (key, index) = (sorted[position], order[position])
    var hole = position
    repeat {
      sorted[hole] = sorted[hole &- 1]
      order[hole] = order[hole &- 1]
      destination[Int(order[hole])] = Float(Int32(truncatingIfNeeded: hole &+ 1))
      hole &-= 1
    } while hole > 0 && sorted[hole &- 1] > key
    sorted[hole] = key
    order[hole] = index
    destination[Int(index)] = Float(Int32(truncatingIfNeeded: hole &+ 1))
    return position &- hole
  }
}
