/// A worker's copy of a product: the right factor, and the rows of the result that the prepared tile touches.
final class ProductInstance<Element: BlockElement> {
  private let product: LaunchedProgram.Product
  private let rowsOfBlock: Int
  private let left: ProgramInstance<Element>
  private let right: ProgramInstance<Element>
  private let factor = TileBuffer()
  private let leftRows = TileBuffer()
  private let result = TileBuffer()
  private var hasFactor = false
  /// The rows that `result` holds.
  private var rows = 0..<0

  init(_ product: LaunchedProgram.Product, blockSize: Int) {
    self.product = product
    rowsOfBlock = Program.Product.rowsOfBlock(columns: product.columns)
    left = ProgramInstance(product.left, blockSize: blockSize)
    right = ProgramInstance(product.right, blockSize: blockSize)
  }

  /// Computes the rows that a tile touches, in whole blocks.
  func prepare(_ tile: Range<Int>) throws {
    guard !tile.isEmpty else { return }
    let first = (tile.lowerBound + product.offset) / product.columns / rowsOfBlock * rowsOfBlock
    let last = (tile.upperBound - 1 + product.offset) / product.columns / rowsOfBlock * rowsOfBlock
    let needed = first..<min(product.rows, last + rowsOfBlock)
    if needed.lowerBound >= rows.lowerBound, needed.upperBound <= rows.upperBound { return }
    if !hasFactor {
      try read(0..<product.inner * product.columns, of: right, into: factor)
      hasFactor = true
    }
    rows = 0..<0
    let target = result.ensure(needed.count * product.columns * 4).assumingMemoryBound(to: Float.self)
    for start in stride(from: needed.lowerBound, to: needed.upperBound, by: rowsOfBlock) {
      let block = start..<min(start + rowsOfBlock, needed.upperBound)
      try read(block.lowerBound * product.inner..<block.upperBound * product.inner, of: left, into: leftRows)
      Float.multiply(
        rows: block.count, columns: product.columns, inner: product.inner,
        Factor(start: floats(leftRows), stride: product.inner),
        Factor(start: floats(factor), stride: product.columns),
        into: target + (start - needed.lowerBound) * product.columns, stride: product.columns, adds: false)
    }
    rows = needed
  }

  private func floats(_ buffer: TileBuffer) -> UnsafePointer<Float> {
    UnsafePointer(buffer.pointer.assumingMemoryBound(to: Float.self))
  }

  private func read(_ range: Range<Int>, of instance: ProgramInstance<Element>, into buffer: TileBuffer)
    throws
  {
    let target = buffer.ensure(range.count * 4).assumingMemoryBound(to: Float.self)
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Partition.chunk) {
      try instance.evaluate(start..<min(start + Partition.chunk, range.upperBound)) { elements, block in
        Element.storeFloats(elements, to: target + (block.lowerBound - range.lowerBound), count: block.count)
      }
    }
  }

  /// Puts the elements of `block`, within the prepared tile, into `result`.
  func run(_ block: Range<Int>, into target: UnsafeMutablePointer<Element>) {
    let start = block.lowerBound + product.offset - rows.lowerBound * product.columns
    Element.load(
      from: result.pointer + start * 4, dtype: .f32, into: target, count: block.count)
  }
}
