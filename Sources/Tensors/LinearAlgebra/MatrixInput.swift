/// How a matrix, or a batch of them, lies among the elements of an input.
struct MatrixLayout: Hashable, Sendable {
  /// As the matrix is multiplied; those of the stored one are the other way round if it is transposed.
  var rows: Int
  var columns: Int
  var isTransposed = false
  /// Whether each of a batch has a matrix of its own.
  var isBatched = false

  /// Elements between the rows that are stored.
  var width: Int { isTransposed ? rows : columns }
}

/// A worker's reader of blocks of a matrix.
final class MatrixReader<Element: MatrixElement> {
  private let reader: any KernelReader
  private let layout: MatrixLayout
  private let buffer = TileBuffer()
  /// The lines that `buffer` holds whole, of a matrix of the batch.
  private var held: (lines: Range<Int>, batch: Int)?

  /// Numbers of whole lines that are held at most.
  private static var mostHeld: Int { 8 << 20 }

  init(_ input: KernelInput, _ layout: MatrixLayout) {
    reader = input.makeReader()
    self.layout = layout
  }

  /// A block of the matrix of a batch, valid until the next one is read.
  ///
  /// If other parts of the same lines will be read next, they are read and held whole: a line by itself is a call of
  /// the system for each leaf.
  func read(
    rows: Range<Int>, columns: Range<Int>, batch: Int = 0, readsOnInLines: Bool = false
  ) throws -> Factor<Element> {
    let (lines, inLine) = layout.isTransposed ? (columns, rows) : (rows, columns)
    let start = layout.isBatched ? batch * layout.rows * layout.columns : 0
    if readsOnInLines, lines.count * layout.width <= Self.mostHeld {
      let target = try readWhole(lines, batch: batch, start: start)
      return Factor(
        start: target + inLine.lowerBound, stride: layout.width, isTransposed: layout.isTransposed)
    }
    held = nil
    let target = buffer.ensure(lines.count * inLine.count * MemoryLayout<Element>.stride)
      .assumingMemoryBound(to: Element.self)
    if inLine.count == layout.width {
      let first = start + lines.lowerBound * layout.width
      try Element.read(reader, first..<first + lines.count * layout.width, into: target)
    } else {
      for (index, line) in lines.enumerated() {
        let first = start + line * layout.width + inLine.lowerBound
        try Element.read(reader, first..<first + inLine.count, into: target + index * inLine.count)
      }
    }
    return Factor(start: target, stride: inLine.count, isTransposed: layout.isTransposed)
  }

  private func readWhole(_ lines: Range<Int>, batch: Int, start: Int) throws -> UnsafeMutablePointer<Element>
  {
    let count = lines.count * layout.width
    let target = buffer.ensure(count * MemoryLayout<Element>.stride).assumingMemoryBound(to: Element.self)
    if let held, held.lines == lines, held.batch == batch { return target }
    held = nil
    let first = start + lines.lowerBound * layout.width
    try Element.read(reader, first..<first + count, into: target)
    held = (lines, batch)
    return target
  }
}

/// Blocks of a matrix in the place where a kernel puts it.
extension ByteSink {
  /// Writes a block of a matrix with `width` columns that begins at element `start`.
  func write<Element: MatrixElement>(
    _ block: UnsafePointer<Element>, stride: Int, rows: Range<Int>, columns: Range<Int>, width: Int,
    start: Int = 0
  ) throws {
    let size = MemoryLayout<Element>.stride
    if columns.count == width, stride == width {
      let bytes = UnsafeRawBufferPointer(start: block, count: rows.count * width * size)
      return try write(bytes, at: (start + rows.lowerBound * width) * size)
    }
    for row in rows {
      let line = UnsafeRawBufferPointer(
        start: block + (row - rows.lowerBound) * stride, count: columns.count * size)
      try write(line, at: (start + row * width + columns.lowerBound) * size)
    }
  }
}

/// A length cut into blocks of nearly the same size, by itself alone.
package struct Blocks: Hashable, Sendable {
  let count: Int
  package let number: Int

  /// As few blocks as are needed for none to have more than `most` elements.
  package init(count: Int, most: Int) {
    self.count = count
    number = (count + most - 1) / most
  }

  package subscript(_ block: Int) -> Range<Int> { block * count / number..<(block + 1) * count / number }
}
