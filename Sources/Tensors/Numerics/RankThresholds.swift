import CKernels

/// Compares numbers with thresholds that are linear in the ranks of a row's values: factor · rank + addend, each step
/// rounded. The ranks are those of `Ranks`.
///
/// Few ranks need be known for it. A value's bin tells its least and its greatest rank, between which the threshold
/// rises or falls all the way; where a number is below both thresholds or below neither, that is the answer. Only for
/// the other values is it counted how many come before them.
package final class RankThresholds {
  private enum Row {
    case ranked
    case counted(CutRow)
  }

  /// What is known of a bin whose values are equal: how many of them are before an index.
  private struct SeenBin {
    var isUniform = false
    var before: UInt16 = 0
    var end: UInt16 = 0
  }

  private let count: Int
  private let line: rank_line
  private var row = Row.ranked
  private var values: UnsafePointer<Float>
  private var ranking = Ranks()
  /// Rows to come that are ranked whole, as the last one had to be in the end.
  private var rankedRowsLeft = 0
  /// Searches through the row that may yet be before ranking the whole row costs less.
  private var searchesLeft = 0

  private let ranks: UnsafeMutablePointer<Float>
  private let scratch: UnsafeMutablePointer<UInt64>
  /// The bins' first positions, as `CutRow` makes them.
  private let starts: UnsafeMutablePointer<UInt64>
  /// By bin.
  private let seen: UnsafeMutablePointer<SeenBin>
  private let startCount: Int
  /// Indices in the part of the row that is compared.
  private let open: UnsafeMutablePointer<UInt16>

  /// Thresholds of rows of `count` values.
  package init(count: Int, factor: Float, addend: Float) {
    self.count = count
    line = rank_line(factor: factor, addend: addend)
    ranks = .allocate(capacity: count)
    values = UnsafePointer(ranks)
    scratch = .allocate(capacity: Ranks.scratchCount(count))
    startCount = CutRow.startCount(ofValues: count)
    starts = .allocate(capacity: startCount / 4)
    seen = .allocate(capacity: startCount)
    open = .allocate(capacity: count)
  }

  deinit {
    ranks.deallocate()
    scratch.deallocate()
    starts.deallocate()
    seen.deallocate()
    open.deallocate()
  }

  /// Begins a row, whose values stay where they are until the next one.
  package func begin(row values: UnsafePointer<Float>) {
    self.values = values
    if rankedRowsLeft == 0, let cut = CutRow(counting: values, count: count, ranks, scratch: scratch, starts)
    {
      row = .counted(cut)
      seen.update(repeating: SeenBin(), count: startCount)
      searchesLeft = 48
    } else {
      rankedRowsLeft = max(0, rankedRowsLeft - 1)
      rankRow()
    }
  }

  private func rankRow() {
    ranking.rank(values, count: count, into: ranks, scratch: scratch)
    row = .ranked
  }

  /// Sets the bit `place` + i, if number i is below the threshold of the row's value `first` + i, for `count` numbers.
  /// The bits from `place` on are zero before.
  package func compare(
    _ numbers: UnsafePointer<Float>, first: Int, count: Int, into words: UnsafeMutablePointer<UInt64>,
    place: Int
  ) {
    guard case .counted(let cut) = row else {
      return rank_below_exactly(numbers, ranks + first, count, line, words, place)
    }
    let openCount = starts.withMemoryRebound(to: UInt16.self, capacity: 1) {
      rank_below(numbers, cut.bins + first, $0, count, line, words, place, open)
    }
    for index in UnsafeBufferPointer(start: open, count: openCount) {
      let index = Int(index)
      let isBelow = numbers[index] < Float(rank(at: first + index)) * line.factor + line.addend
      let (word, bit) = ((place &+ index) &>> 6, UInt64(truncatingIfNeeded: (place &+ index) & 63))
      words[word] = words[word] & ~(1 &<< bit) | (isBelow ? 1 : 0) &<< bit
    }
  }

  private func rank(at index: Int) -> Int {
    if case .counted(let cut) = row {
      if searchesLeft > 0 { return rank(at: index, of: cut) }
      rankRow()
      rankedRowsLeft = 15
    }
    return Int(ranks[index])
  }

  /// In a bin of equal values the order is that of their indices. Its values are asked for by rising index, so that
  /// each is counted from the one before on.
  private func rank(at index: Int, of cut: CutRow) -> Int {
    let bin = cut.bins[index]
    let first = Int(start(of: bin))
    var seen = seen[Int(bin)]
    if seen.isUniform {
      seen.before &+= UInt16(cut.countEqual(to: index, in: Int(seen.end)..<index))
    } else {
      searchesLeft -= 1
      seen.before = UInt16(cut.countEqual(to: index, in: 0..<index))
      let after = cut.countEqual(to: index, in: index..<count)
      seen.isUniform = Int(seen.before) + after == Int(start(of: bin + 1)) - first
      if !seen.isUniform { return cut.countLess(than: index) + Int(seen.before) + 1 }
    }
    seen.end = UInt16(index)
    self.seen[Int(bin)] = seen
    return first + Int(seen.before) + 1
  }

  private func start(of bin: UInt16) -> UInt16 {
    starts.withMemoryRebound(to: UInt16.self, capacity: startCount) { $0[Int(bin)] }
  }
}
