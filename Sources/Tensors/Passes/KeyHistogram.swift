/// Counts keys within bounds, to narrow the bounds to those of one bin.
///
/// `@unchecked Sendable`: each worker thread has a table of its own, which it makes when it begins.
final class KeyHistogram: KeyCounter, @unchecked Sendable {
  private static let binCount = 1 << 16

  private let search: SelectionSearch
  private let shift: UInt32
  private let tables: UnsafeMutableBufferPointer<Table?>

  init(_ search: SelectionSearch, threads: Int) {
    self.search = search
    let span = search.bounds.upperBound - search.bounds.lowerBound
    shift = UInt32(max(0, 16 - span.leadingZeroBitCount))
    tables = .allocate(capacity: threads)
    tables.initialize(repeating: nil)
  }

  deinit {
    tables.deinitialize()
    tables.deallocate()
  }

  /// What is known after the sweep.
  func narrowed() -> SelectionSearch {
    var totals = [Int](repeating: 0, count: Self.binCount)
    var above = 0
    for case let table? in tables {
      above += table.above
      table.addTotals(to: &totals)
    }
    var next = search
    if search.k <= above {
      // The bounds were a guess, and a wrong one.
      next.bounds = search.bounds.upperBound + 1...(.max)
      next.countWithin = above
    } else if let bin = Self.find(totals, search.k - above) {
      next.bounds = SelectionKey.binBounds(bin, of: search.bounds, shift: shift)
      next.countWithin = totals[bin]
    } else {
      next.bounds = 0...search.bounds.lowerBound - 1
      next.countWithin = .max
    }
    next.guess = next.bounds.lowerBound
    return next
  }

  /// The bin that holds the element number `rank` from the top.
  private static func find(_ totals: [Int], _ rank: Int) -> Int? {
    var rest = rank
    for bin in totals.indices.reversed() {
      if rest <= totals[bin] { return bin }
      rest -= totals[bin]
    }
    return nil
  }

  func makeWorker(index: Int) -> any KeyWorker {
    let table = tables[index] ?? Table(bounds: search.bounds, shift: shift)
    tables[index] = table
    return table
  }

  private final class Table: KeyWorker {
    private let bounds: ClosedRange<UInt32>
    private let shift: UInt32
    private let bins: UnsafeMutablePointer<UInt32>
    private(set) var above = 0
    private var flushed: [Int]?
    private var counted = 0

    init(bounds: ClosedRange<UInt32>, shift: UInt32) {
      self.bounds = bounds
      self.shift = shift
      bins = .allocate(capacity: binCount)
      bins.initialize(repeating: 0, count: binCount)
    }

    deinit { bins.deallocate() }

    func begin(unit: Int) {}

    func consume(_ keys: UnsafePointer<UInt32>, _ count: Int) {
      SelectionKey.histogram(bounds, shift: shift, keys, count, into: bins)
      above += SelectionKey.countAbove(bounds.upperBound, keys, count)
      counted += count
      // Before a bin can overflow.
      guard counted > 1 << 31 else { return }
      var totals = [Int](repeating: 0, count: binCount)
      addTotals(to: &totals)
      flushed = totals
      bins.update(repeating: 0, count: binCount)
      counted = 0
    }

    func end(unit: Int) {}

    func addTotals(to totals: inout [Int]) {
      for bin in totals.indices { totals[bin] += Int(bins[bin]) }
      if let flushed { for bin in totals.indices { totals[bin] += flushed[bin] } }
    }
  }
}
