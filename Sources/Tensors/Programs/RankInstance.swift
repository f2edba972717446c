/// A worker's copy of a ranking: the program that computes its rows, and the ranks of the row that a block was in last.
final class RankInstance<Element: BlockElement> {
  private let row: Int
  private let offset: Int
  private let input: ProgramInstance<Element>
  private let values = TileBuffer()
  private let ranks = TileBuffer()
  private let scratch = TileBuffer()
  private var ranking = Ranks()
  /// Where ranks are only compared with, few of them are found.
  private let thresholds: RankThresholds?
  /// Where the row begins that `values` holds, and `ranks` or `thresholds`.
  private var rankedRow = -1

  init(_ ranking: LaunchedProgram.Ranking, blockSize: Int) {
    row = ranking.row
    offset = ranking.offset
    input = ProgramInstance(ranking.program, blockSize: blockSize)
    let row = row
    thresholds = ranking.line.map { RankThresholds(count: row, factor: $0.factor, addend: $0.addend) }
  }

  /// Reads what the rows that the tile of `outer` touches are computed from.
  func prepare(_ tile: Range<Int>, beside outer: ProgramInstance<Element>) throws {
    let (first, end) = (tile.lowerBound + offset, tile.upperBound + offset)
    var rows = first / row * row..<(end + row - 1) / row * row
    // The tile before had a part of the first one.
    if rows.lowerBound == rankedRow { rows = min(rows.lowerBound + row, rows.upperBound)..<rows.upperBound }
    if !rows.isEmpty { try input.prepare(rows, beside: outer) }
  }

  /// Puts the ranks of `block`, within the prepared tile, into `result`.
  func run(_ block: Range<Int>, into result: UnsafeMutablePointer<Element>) {
    forEachRow(of: block) { elements, position in
      let ranks = ranks.pointer.assumingMemoryBound(to: Float.self) + elements.lowerBound
      Element.load(from: ranks, dtype: .f32, into: result + position, count: elements.count)
    }
  }

  /// Sets a bit for each of the numbers that is below the line at its place's rank; `words` are written whole.
  func compare(
    _ numbers: UnsafePointer<Float>, _ block: Range<Int>, into words: UnsafeMutablePointer<UInt64>
  ) {
    guard let thresholds else { preconditionFailure("only rankings with a line are compared with") }
    words.update(repeating: 0, count: (block.count + 63) / 64)
    forEachRow(of: block) { elements, position in
      thresholds.compare(
        numbers + position, first: elements.lowerBound, count: elements.count, into: words, place: position)
    }
  }

  /// Calls `body` with the elements that `block` has of each row, counted from the row's start, and with their
  /// position in the block, when the row is ranked.
  @inline(__always)
  private func forEachRow(of block: Range<Int>, _ body: (_ elements: Range<Int>, _ position: Int) -> Void) {
    var position = 0
    while position < block.count {
      let element = block.lowerBound + position + offset
      let start = element / row * row
      if start != rankedRow { rank(rowAt: start) }
      let first = element - start
      let count = min(row - first, block.count - position)
      body(first..<first + count, position)
      position += count
    }
  }

  private func rank(rowAt start: Int) {
    let values = values.ensure(row * 4).assumingMemoryBound(to: Float.self)
    input.evaluatePrepared(start..<start + row) { block, range in
      Element.storeFloats(block, to: values + (range.lowerBound - start), count: range.count)
    }
    rankedRow = start
    if let thresholds { return thresholds.begin(row: values) }
    let words = scratch.ensure(Ranks.scratchCount(row) * 8).assumingMemoryBound(to: UInt64.self)
    ranking.rank(
      values, count: row, into: ranks.ensure(row * 4).assumingMemoryBound(to: Float.self), scratch: words)
  }
}
