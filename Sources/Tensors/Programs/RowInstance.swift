import CKernels

/// A worker's copy of a function of rows: what it makes of the rows that the prepared tile touches.
final class RowInstance<Element: BlockElement> {
  private let row: LaunchedProgram.Row
  private let input: ProgramInstance<Element>
  private let values = TileBuffer()
  private let kernel: RowKernel
  /// The elements that `values` holds: whole rows.
  private var held = 0..<0

  init(_ row: LaunchedProgram.Row, blockSize: Int) {
    self.row = row
    input = ProgramInstance(row.program, blockSize: blockSize)
    kernel = RowKernel(row.function, length: row.length)
  }

  /// Computes the rows that a tile touches.
  func prepare(_ tile: Range<Int>) throws {
    guard !tile.isEmpty else { return }
    let length = row.length
    let needed =
      (tile.lowerBound + row.offset) / length * length..<(tile.upperBound - 1 + row.offset) / length * length
      + length
    if needed.lowerBound >= held.lowerBound, needed.upperBound <= held.upperBound { return }
    held = 0..<0
    let target = values.ensure(needed.count * 4).assumingMemoryBound(to: Float.self)
    for start in stride(from: needed.lowerBound, to: needed.upperBound, by: Partition.chunk) {
      try input.evaluate(start..<min(start + Partition.chunk, needed.upperBound)) { elements, block in
        Element.storeFloats(elements, to: target + (block.lowerBound - needed.lowerBound), count: block.count)
      }
    }
    kernel.apply(target, count: needed.count, into: target)
    held = needed
  }

  /// Puts the elements of `block`, within the prepared tile, into `result`.
  func run(_ block: Range<Int>, into result: UnsafeMutablePointer<Element>) {
    Element.load(
      from: values.pointer + (block.lowerBound + row.offset - held.lowerBound) * 4, dtype: .f32, into: result,
      count: block.count)
  }
}

/// What a function makes of whole rows.
final class RowKernel {
  private let function: RowFunction
  private let length: Int
  private var ranking = Ranks()
  private let ranks = TileBuffer()
  private let copy = TileBuffer()
  private let scratch = TileBuffer()

  init(_ function: RowFunction, length: Int) {
    self.function = function
    self.length = length
  }

  /// Applies the function to the rows of `source`, which have `count` elements together; `result` may be `source`.
  func apply(_ source: UnsafePointer<Float>, count: Int, into result: UnsafeMutablePointer<Float>) {
    if case .topMask(let k) = function {
      let keys = scratch.ensure(length * 4).assumingMemoryBound(to: Int32.self)
      return rows_top_mask(source, result, count, length, k, keys)
    }
    for start in stride(from: 0, to: count, by: length) { apply(source + start, into: result + start) }
  }

  private func apply(_ row: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>) {
    switch function {
    case .sorted:
      let (copy, ranks) = ranked(row)
      for index in 0..<length { result[Int(ranks[index]) - 1] = copy[index] }
    case .order:
      let (_, ranks) = ranked(row)
      for index in 0..<length { result[Int(ranks[index]) - 1] = Float(index + 1) }
    case .cumulativeSum:
      var sum = 0.0
      for index in 0..<length {
        sum += Double(row[index])
        result[index] = Float(sum)
      }
    case .topMask: preconditionFailure("Several rows at once")
    }
  }

  /// A copy of the row, and the ranks of its elements.
  private func ranked(_ row: UnsafePointer<Float>) -> (
    copy: UnsafeMutablePointer<Float>, ranks: UnsafeMutablePointer<Float>
  ) {
    let copy = copy.ensure(length * 4).assumingMemoryBound(to: Float.self)
    let ranks = ranks.ensure(length * 4).assumingMemoryBound(to: Float.self)
    let words = scratch.ensure(Ranks.scratchCount(length) * 8).assumingMemoryBound(to: UInt64.self)
    copy.update(from: row, count: length)
    ranking.rank(copy, count: length, into: ranks, scratch: words)
    return (copy, ranks)
  }
}
