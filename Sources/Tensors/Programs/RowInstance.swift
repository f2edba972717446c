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
    for start in stride(from: 0, to: needed.count, by: length) { kernel.apply(target + start) }
    held = needed
  }

  /// Puts the elements of `block`, within the prepared tile, into `result`.
  func run(_ block: Range<Int>, into result: UnsafeMutablePointer<Element>) {
    Element.load(
      from: values.pointer + (block.lowerBound + row.offset - held.lowerBound) * 4, dtype: .f32, into: result,
      count: block.count)
  }
}

/// What a function makes of a row, in its place.
final class RowKernel {
  private let function: RowFunction
  private let length: Int
  private var ranking = Ranks()
  private let ranks = TileBuffer()
  private let copy = TileBuffer()
  private let scratch = TileBuffer()

  /// Rows up to this are compared element by element.
  private static let shortLength = 16

  init(_ function: RowFunction, length: Int) {
    self.function = function
    self.length = length
  }

  func apply(_ row: UnsafeMutablePointer<Float>) {
    switch function {
    case .sorted:
      let (copy, ranks) = ranked(row, isReversed: false)
      for index in 0..<length { row[Int(ranks[index]) - 1] = copy[index] }
    case .order:
      let (_, ranks) = ranked(row, isReversed: false)
      for index in 0..<length { row[Int(ranks[index]) - 1] = Float(index + 1) }
    case .cumulativeSum:
      var sum = 0.0
      for index in 0..<length {
        sum += Double(row[index])
        row[index] = Float(sum)
      }
    case .topMask(let k):
      if length <= Self.shortLength { return maskShort(row, k) }
      // Backwards, so that among equals the first ones rank highest.
      let (_, ranks) = ranked(row, isReversed: true)
      for index in 0..<length { row[index] = Int(ranks[length - 1 - index]) > length - k ? 1 : 0 }
    }
  }

  private func maskShort(_ row: UnsafeMutablePointer<Float>, _ k: Int) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: length) { keys in
      for index in 0..<length { keys[index] = SelectionKey.key(row[index]) }
      for index in 0..<length {
        var before = 0
        for other in 0..<index { before &+= keys[other] >= keys[index] ? 1 : 0 }
        for other in index + 1..<max(index + 1, length) { before &+= keys[other] > keys[index] ? 1 : 0 }
        row[index] = before < k ? 1 : 0
      }
    }
  }

  /// A copy of the row, from its end if that is asked for, and the ranks of the copy's elements.
  private func ranked(_ row: UnsafeMutablePointer<Float>, isReversed: Bool) -> (
    copy: UnsafeMutablePointer<Float>, ranks: UnsafeMutablePointer<Float>
  ) {
    let copy = copy.ensure(length * 4).assumingMemoryBound(to: Float.self)
    let ranks = ranks.ensure(length * 4).assumingMemoryBound(to: Float.self)
    let words = scratch.ensure(Ranks.scratchCount(length) * 8).assumingMemoryBound(to: UInt64.self)
    for index in 0..<length { copy[index] = row[isReversed ? length - 1 - index : index] }
    ranking.rank(copy, count: length, into: ranks, scratch: words)
    return (copy, ranks)
  }
}
