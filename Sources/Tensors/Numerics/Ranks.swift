/// Ranks of a row's values, by sorting selection keys.
package enum Ranks {
  /// Words of scratch for a row of `count` values.
  package static func scratchCount(_ count: Int) -> Int { 2 * count }

  /// Writes each value's rank, 1 to `count` ascending: in the order of `SelectionKey` (NaN last, both zeros
  /// equal), equal values by index.
  ///
  /// `scratch` has room for `scratchCount(count)` words. Ranks are exact up to a count of 2^24, which the
  /// caller checks. `destination` may be `source`.
  package static func ranks(
    of source: UnsafePointer<Float>, count: Int, into destination: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<UInt64>
  ) {
    // Key above index: the order of these words is that of the keys, and then that of the indices.
    for index in 0..<count {
      scratch[index] = UInt64(SelectionKey.key(source[index])) &<< 32 | UInt64(truncatingIfNeeded: index)
    }
    if count <= 40 {
      sortByInsertion(scratch, count)
      for position in 0..<count {
        destination[Int(truncatingIfNeeded: scratch[position] & 0xffff_ffff)] = Float(position &+ 1)
      }
    } else {
      sortByDigits(scratch, scratch + count, count, destination)
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

  /// Radix sort from the lowest digit on. The last pass writes ranks instead of moving words; a digit that
  /// is the same everywhere, such as the lowest of values that were bfloat16, costs no pass.
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
