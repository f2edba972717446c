/// Makes the selection keys of a root's blocks, and hands them to all that count them.
///
/// `@unchecked Sendable`: counters are added before the sweep begins.
final class KeySink: SweepSink, @unchecked Sendable {
  private let root: Int
  private(set) var counters: [any KeyCounter] = []

  init(root: Int) { self.root = root }

  func add(_ counter: any KeyCounter) { counters.append(counter) }

  func makeWorker<Element: BlockElement>(index: Int) -> SinkWorker<Element> {
    Worker(root: root, workers: counters.map { $0.makeWorker(index: index) })
  }

  private final class Worker<Element: BlockElement>: SinkWorker<Element> {
    private let root: Int
    private let workers: [any KeyWorker]
    private let buffer = TileBuffer()

    init(root: Int, workers: [any KeyWorker]) {
      self.root = root
      self.workers = workers
    }

    override func begin(unit: Int, range: Range<Int>) {
      for worker in workers { worker.begin(unit: unit) }
    }

    /// Selection is over float32, in programs of float32.
    override func consume(_ block: Range<Int>, _ instance: ProgramInstance<Element>) {
      let count = block.count
      let keys = buffer.ensure(count * 4).assumingMemoryBound(to: UInt32.self)
      instance.root(root, count: count).withMemoryRebound(to: Float.self, capacity: count) {
        SelectionKey.keys($0, keys, count)
      }
      for worker in workers { worker.consume(keys, count) }
    }

    override func end(unit: Int, range: Range<Int>) {
      for worker in workers { worker.end(unit: unit) }
    }
  }
}

/// Something about the keys of all elements that a sweep goes over.
protocol KeyCounter: AnyObject, Sendable {
  func makeWorker(index: Int) -> any KeyWorker
}

/// A worker's part of a counter.
protocol KeyWorker: AnyObject {
  func begin(unit: Int)
  func consume(_ keys: UnsafePointer<UInt32>, _ count: Int)
  func end(unit: Int)
}
