/// A worker's copy of a ranking: the program that computes its rows, and the ranks of the last row of which a
/// tile had a part.
final class RankInstance<Element: BlockElement> {
  private let row: Int
  private let offset: Int
  private let input: ProgramInstance<Element>
  private let values = TileBuffer()
  private let ranks = TileBuffer()
  private var ranking = Ranks()
  private let scratch = TileBuffer()
  private let shown = TileBuffer()
  /// Where the row begins whose ranks are kept: a row of which a tile has a part is ranked once.
  private var rankedRow = -1
  private var tileStart = 0

  init(_ ranking: LaunchedProgram.Ranking, blockSize: Int) {
    row = ranking.row
    offset = ranking.offset
    input = ProgramInstance(ranking.program, blockSize: blockSize)
  }

  /// Computes the rows that the tile of `outer` touches, and their ranks.
  func prepare(_ tile: Range<Int>, beside outer: ProgramInstance<Element>) throws {
    tileStart = tile.lowerBound
    let target = shown.ensure(tile.count * 4).assumingMemoryBound(to: Float.self)
    // Rows are read at once, but for one that the tile before had a part of.
    let (first, end) = (tile.lowerBound + offset, tile.upperBound + offset)
    var rows = first / row * row..<(end + row - 1) / row * row
    let isPart = first > rows.lowerBound || end < rows.lowerBound + row
    if isPart, rows.lowerBound == rankedRow {
      rows = min(rows.lowerBound + row, rows.upperBound)..<rows.upperBound
    }
    if !rows.isEmpty { try input.prepare(rows, beside: outer) }
    var position = tile.lowerBound
    while position < tile.upperBound {
      let element = position + offset
      let start = element / row * row
      let count = min(start + row - element, tile.upperBound - position)
      let destination = target + (position - tile.lowerBound)
      if count == row {
        rank(rowAt: start, into: destination)
      } else {
        destination.update(from: ranks(ofRow: start) + (element - start), count: count)
      }
      position += count
    }
  }

  /// The ranks of a row of which a tile has a part.
  private func ranks(ofRow start: Int) -> UnsafePointer<Float> {
    let result = ranks.ensure(row * 4).assumingMemoryBound(to: Float.self)
    if start != rankedRow {
      rank(rowAt: start, into: result)
      rankedRow = start
    }
    return UnsafePointer(result)
  }

  private func rank(rowAt start: Int, into result: UnsafeMutablePointer<Float>) {
    let values = values.ensure(row * 4).assumingMemoryBound(to: Float.self)
    input.evaluatePrepared(start..<start + row) { block, range in
      Element.storeFloats(block, to: values + (range.lowerBound - start), count: range.count)
    }
    let words = scratch.ensure(Ranks.scratchCount(row) * 8).assumingMemoryBound(to: UInt64.self)
    ranking.rank(values, count: row, into: result, scratch: words)
  }

  /// Puts the ranks of `block`, within the prepared tile, into `result`.
  func run(_ block: Range<Int>, into result: UnsafeMutablePointer<Element>) {
    Element.load(
      from: shown.pointer + (block.lowerBound - tileStart) * 4, dtype: .f32, into: result, count: block.count)
  }
}
