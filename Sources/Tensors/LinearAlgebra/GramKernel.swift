/// aᵀ · a in float64, or a · aᵀ, which is the same of the transpose: accumulated tile by tile, so that neither the
/// matrix nor the result is held.
struct GramKernel: Kernel {
  /// The matrix whose columns are multiplied.
  var matrix: MatrixLayout

  /// The most rows of a block of the result.
  static let mostColumns = 256
  /// Numbers of a tile of the matrix.
  static let tileCount = 1 << 20

  let name = "gram"
  var size: Int { matrix.columns }
  var results: [ResultForm] { [ResultForm(shape: Shape([size, size]), precision: .double)] }
  var workingBytes: Int { 0 }
  var partition: Partition { .linear(count: blocks.number, size: 1) }
  var blocks: Blocks { Blocks(count: size, most: Self.mostColumns) }

  func makeWork(_ inputs: [KernelInput], into results: [any ByteSink]) -> any SweepWork {
    KernelWork { _ in Worker(self, inputs[0], results[0]) }
  }

  private final class Worker: SweepWorker {
    private let kernel: GramKernel
    private let result: any ByteSink
    private let own: MatrixReader<Double>
    private let others: MatrixReader<Double>
    private let block = TileBuffer()
    private let mirrored = TileBuffer()

    init(_ kernel: GramKernel, _ input: KernelInput, _ result: any ByteSink) {
      self.kernel = kernel
      self.result = result
      own = MatrixReader(input, kernel.matrix)
      others = MatrixReader(input, kernel.matrix)
    }

    /// A block of rows of the result up to its diagonal; the largest ones first.
    func run(unit: Int, range: Range<Int>) throws {
      let blocks = kernel.blocks
      let rows = blocks[blocks.number - 1 - unit]
      let width = rows.upperBound
      let block = block.ensure(rows.count * width * 8).assumingMemoryBound(to: Double.self)
      block.initialize(repeating: 0, count: rows.count * width)
      if kernel.matrix.isTransposed {
        try accumulateByBlocks(rows, into: block)
      } else {
        try accumulate(rows, into: block)
      }
      try write(block, rows)
    }

    /// Tiles of whole rows of the matrix, of which the block's columns are a part.
    private func accumulate(_ rows: Range<Int>, into block: UnsafeMutablePointer<Double>) throws {
      let matrix = kernel.matrix
      let tiles = Blocks(count: matrix.rows, most: max(16, GramKernel.tileCount / matrix.columns))
      for tile in 0..<tiles.number {
        let all = try others.read(rows: tiles[tile], columns: 0..<matrix.columns)
        let mine = Factor(start: all.start + rows.lowerBound, stride: all.stride, isTransposed: true)
        Double.multiply(
          rows: rows.count, columns: rows.upperBound, inner: tiles[tile].count, mine, all, into: block,
          stride: rows.upperBound, adds: true)
      }
    }

    /// Rows that are stored are columns here: the block's own against those of each block before it.
    private func accumulateByBlocks(_ rows: Range<Int>, into block: UnsafeMutablePointer<Double>) throws {
      let blocks = Blocks(count: rows.upperBound, most: GramKernel.mostColumns)
      let panels = Blocks(count: kernel.matrix.rows, most: GramKernel.tileCount / GramKernel.mostColumns)
      for panel in 0..<panels.number {
        var mine = try own.read(rows: panels[panel], columns: rows)
        mine.isTransposed.toggle()
        for other in 0..<blocks.number {
          let columns = blocks[other]
          let theirs = try others.read(rows: panels[panel], columns: columns)
          Double.multiply(
            rows: rows.count, columns: columns.count, inner: panels[panel].count, mine, theirs,
            into: block + columns.lowerBound, stride: rows.upperBound, adds: true)
        }
      }
    }

    /// Writes the block, made symmetric, and its mirror image.
    private func write(_ block: UnsafeMutablePointer<Double>, _ rows: Range<Int>) throws {
      let (width, size) = (rows.upperBound, kernel.size)
      for row in rows {
        for column in row + 1..<rows.upperBound {
          block[(row - rows.lowerBound) * width + column] = block[(column - rows.lowerBound) * width + row]
        }
      }
      try result.write(block, stride: width, rows: rows, columns: 0..<width, width: size)
      guard rows.lowerBound > 0 else { return }
      let mirror = mirrored.ensure(rows.lowerBound * rows.count * 8).assumingMemoryBound(to: Double.self)
      for row in 0..<rows.count {
        for column in 0..<rows.lowerBound { mirror[column * rows.count + row] = block[row * width + column] }
      }
      try result.write(
        mirror, stride: rows.count, rows: 0..<rows.lowerBound, columns: rows, width: size)
    }
  }
}
