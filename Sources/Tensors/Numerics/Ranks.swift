/// Ranks the values of rows, one row after the other.
///
/// Most rows need no sorting by all bits. Cut to a few bits, the values of a row are counted into as many bins
/// as there are cuts, and stable counting orders all but those that share a bin and differ. Where these are
/// few, moving them is cheap; else the row is counted with finer cuts, or sorted. Whichever way a row takes,
/// its ranks are the same.
package struct Ranks {
  private enum Way {
    /// Into about as many bins as there are values: differences of bfloat16 numbers have few distinct values.
    case coarseCuts
    /// Into several times as many.
    case fineCuts
    /// Sorted by all bits: rows with a few great values among small ones, infinities, NaN.
    case allBits
  }

  /// The first way that suited a recent row: the next rows are likely to be of its kind.
  private var way = Way.coarseCuts
  /// Rows until coarse cuts are tried again.
  private var rowsLeft = 0

  package init() {}

  /// Rows of so few values are sorted by insertion.
  static let fewest = 40

  /// Words of scratch for a row of `count` values.
  package static func scratchCount(_ count: Int) -> Int { 2 * count }

  /// Writes each value's rank, 1 to `count` ascending: in the order of `SelectionKey` (NaN last, both zeros
  /// equal), equal values by index.
  ///
  /// `scratch` has room for `scratchCount(count)` words. Ranks are exact up to a count of 2^24, which the
  /// caller checks. Nothing overlaps.
  package mutating func rank(
    _ source: UnsafePointer<Float>, count: Int, into destination: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<UInt64>
  ) {
    if count <= Self.fewest { return Self.rankByInsertion(source, count, destination, scratch) }
    let row = CutRow(source, count: count, destination, scratch: scratch)
    if row.isUniform { return row.rankInOrder() }
    if rowsLeft > 0 { rowsLeft -= 1 } else { way = .coarseCuts }
    if way == .coarseCuts {
      if row.rank(bits: row.coarseBits) { return }
      (way, rowsLeft) = (.fineCuts, 15)
    }
    if way == .fineCuts {
      if row.rank(bits: row.fineBits) { return }
      (way, rowsLeft) = (.allBits, 15)
    }
    Self.makeWords(of: source, count, scratch)
    Self.sortByDigits(scratch, scratch + count, count, destination)
  }

  // MARK: Sorting by all bits

  /// A key above its index: the order of these words is that of the keys, and then that of the indices.
  private static func makeWords(
    of source: UnsafePointer<Float>, _ count: Int, _ words: UnsafeMutablePointer<UInt64>
  ) {
    for index in 0..<count {
      words[index] = UInt64(SelectionKey.key(source[index])) &<< 32 | UInt64(truncatingIfNeeded: index)
    }
  }

  private static func rankByInsertion(
    _ source: UnsafePointer<Float>, _ count: Int, _ destination: UnsafeMutablePointer<Float>,
    _ words: UnsafeMutablePointer<UInt64>
  ) {
    makeWords(of: source, count, words)
    sortByInsertion(words, count)
    for position in 0..<count {
      destination[Int(truncatingIfNeeded: words[position] & 0xffff_ffff)] = Float(position &+ 1)
    }
  }

  private static func sortByInsertion(_ words: UnsafeMutablePointer<UInt64>, _ count: Int) {
    var end = 1
    while end < count {
      let word = words[end]
      var position = end
      while position > 0 && words[position &- 1] > word {
        words[position] = words[position &- 1]
        position &-= 1
      }
      words[position] = word
      end &+= 1
    }
  }

  /// Radix sort of all bits from the lowest digit on. The last pass writes ranks instead of moving words; a
  /// digit that is the same everywhere, such as the lowest of values that were bfloat16, costs no pass.
  private static func sortByDigits(
    _ words: UnsafeMutablePointer<UInt64>, _ spare: UnsafeMutablePointer<UInt64>, _ count: Int,
    _ destination: UnsafeMutablePointer<Float>
  ) {
    let (radix, digits) = (256, 4)
    func bin(_ word: UInt64, _ digit: Int) -> Int {
      Int(truncatingIfNeeded: (word &>> UInt64(truncatingIfNeeded: 32 &+ 8 &* digit)) & 255)
    }
    /// Whether all words have the same digit.
    func isUniform(_ table: UnsafeMutablePointer<UInt32>, _ digit: Int) -> Bool {
      Int(table[bin(words[0], digit)]) == count
    }

    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: radix * digits) { buffer in
      let tables = buffer.baseAddress.unsafelyUnwrapped
      tables.update(repeating: 0, count: radix &* digits)
      for index in 0..<count {
        let word = words[index]
        for digit in 0..<digits { tables[digit &* radix &+ bin(word, digit)] &+= 1 }
      }
      var (from, to) = (words, spare)
      // With equal keys throughout, the lowest digit's pass is what writes the ranks.
      var last = digits &- 1
      while last > 0 && isUniform(tables + last &* radix, last) { last &-= 1 }
      for digit in 0...last {
        let table = tables + digit &* radix
        if digit < last && isUniform(table, digit) { continue }
        var sum: UInt32 = 0
        for bin in 0..<radix { (table[bin], sum) = (sum, sum &+ table[bin]) }
        if digit < last {
          for index in 0..<count {
            let word = from[index]
            let slot = table + bin(word, digit)
            to[Int(slot.pointee)] = word
            slot.pointee &+= 1
          }
          swap(&from, &to)
        } else {
          for index in 0..<count {
            let word = from[index]
            let slot = table + bin(word, digit)
            slot.pointee &+= 1
            destination[Int(truncatingIfNeeded: word & 0xffff_ffff)] = Float(slot.pointee)
          }
        }
      }
    }
  }
}
