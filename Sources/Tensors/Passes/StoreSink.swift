/// Stores a program's result, tile by tile, rounding once.
final class StoreSink: SweepSink {
  private let root: Int
  private let dtype: DType
  private let sink: any ByteSink
  private let findings: StoreFindings?

  init(root: Int, dtype: DType, sink: any ByteSink, findings: StoreFindings? = nil) {
    self.root = root
    self.dtype = dtype
    self.sink = sink
    self.findings = findings
  }

  func makeWorker<Element: BlockElement>(index: Int) -> SinkWorker<Element> {
    Worker(root: root, dtype: dtype, sink: sink, findings: findings)
  }

  private final class Worker<Element: BlockElement>: SinkWorker<Element> {
    private let root: Int
    private let dtype: DType
    private let width: Int
    private let sink: any ByteSink
    private let findings: StoreFindings?
    private var buffer = TileBuffer()
    private var tileStart = 0

    init(root: Int, dtype: DType, sink: any ByteSink, findings: StoreFindings?) {
      self.findings = findings
      self.root = root
      self.dtype = dtype
      width = dtype.byteWidth ?? 1
      self.sink = sink
    }

    override func begin(tile: Range<Int>) {
      tileStart = tile.lowerBound
      _ = buffer.ensure(tile.count * width)
    }

    override func consume(_ block: Range<Int>, _ instance: ProgramInstance<Element>) {
      let target = buffer.pointer + (block.lowerBound - tileStart) * width
      Element.store(instance.root(root, count: block.count), to: target, dtype: dtype, count: block.count)
      // While the block is in the processor's nearest cache.
      findings?.look(at: target, dtype: dtype, count: block.count)
    }

    override func end(tile: Range<Int>) throws {
      buffer = try sink.write(buffer, byteCount: tile.count * width, at: tile.lowerBound * width)
    }
  }
}
