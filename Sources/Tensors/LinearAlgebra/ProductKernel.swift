/// The product of two matrices, or of batches of them, block by block.
///
/// Sums over panels of the inner dimension are the elements' own precision, as BLAS computes them, and those are
/// added in float64.
struct ProductKernel<Element: MatrixElement>: Kernel {
  var left: MatrixLayout
  var right: MatrixLayout
  /// The leading dimensions of the result.
  var batch: [Int]

  /// The most numbers of a block: a panel of each factor and the block stay in the L2 and L3 caches.
  static var mostRows: Int { 512 }
  static var mostColumns: Int { 1024 }
  static var mostInner: Int { 1024 }

  let name = "matmul"
  var results: [ResultForm] {
    [
      ResultForm(
        shape: Shape(batch + [left.rows, right.columns]),
        precision: Element.dtype == .f64 ? .double : .single)
    ]
  }
  var workingBytes: Int { 0 }

  var partition: Partition {
    .linear(count: batch.reduce(1, *) * rowBlocks.number * columnBlocks.number, size: 1)
  }

  var rowBlocks: Blocks { Blocks(count: left.rows, most: Self.mostRows) }
  var columnBlocks: Blocks { Blocks(count: right.columns, most: Self.mostColumns) }

  func makeWork(_ inputs: [KernelInput], into results: [any ByteSink]) -> any SweepWork {
    KernelWork { _ in Worker(self, inputs, results[0]) }
  }

  private final class Worker: SweepWorker {
    private let kernel: ProductKernel
    private let result: any ByteSink
    private let left: MatrixReader<Element>
    private let right: MatrixReader<Element>
    private let block = TileBuffer()
    private let sums = TileBuffer()

    init(_ kernel: ProductKernel, _ inputs: [KernelInput], _ result: any ByteSink) {
      self.kernel = kernel
      self.result = result
      left = MatrixReader(inputs[0], kernel.left)
      right = MatrixReader(inputs[1], kernel.right)
    }

    func run(unit: Int, range: Range<Int>) throws {
      let (rowBlocks, columnBlocks) = (kernel.rowBlocks, kernel.columnBlocks)
      let (rest, columnBlock) = unit.quotientAndRemainder(dividingBy: columnBlocks.number)
      let (batch, rowBlock) = rest.quotientAndRemainder(dividingBy: rowBlocks.number)
      let (rows, columns) = (rowBlocks[rowBlock], columnBlocks[columnBlock])
      let (width, count) = (columns.count, rows.count * columns.count)
      let block = block.ensure(count * MemoryLayout<Element>.stride).assumingMemoryBound(to: Element.self)
      let panels = Blocks(count: kernel.left.columns, most: ProductKernel.mostInner)
      let sums = panels.number > 1 ? self.sums.ensure(count * 8).assumingMemoryBound(to: Double.self) : nil
      for panel in 0..<panels.number {
        let inner = panels[panel]
        Element.multiply(
          rows: rows.count, columns: width, inner: inner.count,
          try left.read(
            rows: rows, columns: inner, batch: batch, readsOnInLines: !kernel.left.isTransposed),
          try right.read(
            rows: inner, columns: columns, batch: batch, readsOnInLines: kernel.right.isTransposed),
          into: block, stride: width, adds: false)
        guard let sums else { continue }
        if panel == 0 { sums.initialize(repeating: 0, count: count) }
        Element.accumulate(block, into: sums, count: count)
      }
      if let sums { Element.load(from: sums, dtype: .f64, into: block, count: count) }
      try result.write(
        block, stride: width, rows: rows, columns: columns, width: kernel.right.columns,
        start: batch * kernel.left.rows * kernel.right.columns)
    }
  }
}
