// Exact selection without sorting: a histogram of the high halves of order-preserving keys finds the
// half in which the k-th largest lies, one of the low halves within it finds the element. Ties are cut
// by a third sweep where only some of the equal elements belong to the top k.

/// Counts keys by one of their halves.
///
/// `@unchecked Sendable`: each worker thread has a table of its own, which it makes when it begins.
final class HistogramSink: SweepSink, @unchecked Sendable {
  private let root: Int
  /// The high half that counted keys have; `nil` counts all keys by their high halves.
  private let prefix: UInt32?
  private let tables: UnsafeMutableBufferPointer<Table?>

  final class Table {
    let bins: UnsafeMutablePointer<UInt32>
    private var flushed: [Int]?
    private var counted = 0

    init() {
      bins = .allocate(capacity: SelectionKey.binCount)
      bins.initialize(repeating: 0, count: SelectionKey.binCount)
    }

    deinit { bins.deallocate() }

    /// Called after `count` more elements, so that no bin overflows.
    func counted(_ count: Int) {
      counted += count
      guard counted > 1 << 31 else { return }
      var totals = [Int](repeating: 0, count: SelectionKey.binCount)
      addTotals(to: &totals)
      flushed = totals
      bins.update(repeating: 0, count: SelectionKey.binCount)
      counted = 0
    }

    func addTotals(to totals: inout [Int]) {
      for bin in totals.indices { totals[bin] += Int(bins[bin]) }
      if let flushed { for bin in totals.indices { totals[bin] += flushed[bin] } }
    }
  }

  init(root: Int, prefix: UInt32?, threads: Int) {
    self.root = root
    self.prefix = prefix
    tables = .allocate(capacity: threads)
    tables.initialize(repeating: nil)
  }

  deinit {
    tables.deinitialize()
    tables.deallocate()
  }

  /// Elements in each bin; once all units are done.
  func totals() -> [Int] {
    var totals = [Int](repeating: 0, count: SelectionKey.binCount)
    for case let table? in tables { table.addTotals(to: &totals) }
    return totals
  }

  func makeWorker<Element: BlockElement>(index: Int) -> SinkWorker<Element> {
    let table = tables[index] ?? Table()
    tables[index] = table
    return Worker(root: root, prefix: prefix, table: table)
  }

  private final class Worker<Element: BlockElement>: SinkWorker<Element> {
    private let root: Int
    private let prefix: UInt32?
    private let table: Table

    init(root: Int, prefix: UInt32?, table: Table) {
      self.root = root
      self.prefix = prefix
      self.table = table
    }

    override func consume(_ block: Range<Int>, _ instance: ProgramInstance<Element>) {
      let x = instance.root(root, count: block.count)
      x.withMemoryRebound(to: Float.self, capacity: block.count) { x in
        if let prefix {
          SelectionKey.histogramLow(x, block.count, prefix: prefix, into: table.bins)
        } else {
          SelectionKey.histogramHigh(x, block.count, into: table.bins)
        }
      }
      table.counted(block.count)
    }
  }
}

/// Counts the elements equal to a threshold in each unit, to find where the last that belongs lies.
///
/// `@unchecked Sendable`: workers write the counts of their own units.
final class TieSink: SweepSink, @unchecked Sendable {
  private let root: Int
  private let threshold: Float
  private let counts: UnsafeMutableBufferPointer<Int>

  init(root: Int, threshold: Float, unitCount: Int) {
    self.root = root
    self.threshold = threshold
    counts = .allocate(capacity: unitCount)
    counts.initialize(repeating: 0)
  }

  deinit { counts.deallocate() }

  /// The unit in which the tie number `wanted` (from 1) lies, and its number there.
  func locate(_ wanted: Int) -> (unit: Int, number: Int)? {
    var rest = wanted
    for (unit, count) in counts.enumerated() {
      if rest <= count { return (unit, rest) }
      rest -= count
    }
    return nil
  }

  func matches<Element: BlockElement>(_ value: Element) -> Bool {
    threshold.isNaN ? value.isNaN : value == Element(threshold)
  }

  func makeWorker<Element: BlockElement>(index: Int) -> SinkWorker<Element> { Worker(self) }

  private final class Worker<Element: BlockElement>: SinkWorker<Element> {
    private let sink: TieSink
    private var count = 0

    init(_ sink: TieSink) { self.sink = sink }

    override func begin(unit: Int, range: Range<Int>) { count = 0 }

    override func consume(_ block: Range<Int>, _ instance: ProgramInstance<Element>) {
      count += Element.countEqual(
        instance.root(sink.root, count: block.count), to: sink.threshold, count: block.count)
    }

    override func end(unit: Int, range: Range<Int>) { sink.counts[unit] = count }
  }
}
