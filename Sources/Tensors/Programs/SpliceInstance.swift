/// A worker's copy of a splice: the programs of its pieces, run by run.
final class SpliceInstance<Element: BlockElement> {
  /// A piece that a tile needs.
  private struct Piece {
    let instance: ProgramInstance<Element>
    var low = Int.max
    var high = 0
    var count = 0
    /// Whether the instance has read all from `low` to `high`; else its runs are in `staging`.
    var isPrepared = false
  }

  private let splice: LaunchedProgram.Splice
  private let blockSize: Int
  /// Those of the prepared tile only: there may be hundreds in all.
  private var pieces: [Int: Piece] = [:]
  private var tile = 0..<0
  /// Elements of runs that lie apart, at their positions in the tile.
  private let staging = TileBuffer()

  init(_ splice: LaunchedProgram.Splice, blockSize: Int) {
    self.splice = splice
    self.blockSize = blockSize
  }

  /// Reads what the pieces need for a tile of the spliced space.
  ///
  /// A piece's runs are read as one where little lies between them; runs that lie apart are computed
  /// here, since running a block cannot fail.
  func prepare(_ tile: Range<Int>) throws {
    self.tile = tile
    let former = pieces
    pieces = [:]
    forEachRun(in: tile) { piece, range, _ in
      var needed =
        pieces[piece]
        ?? Piece(
          instance: former[piece]?.instance ?? ProgramInstance(splice.pieces[piece], blockSize: blockSize))
      needed.low = min(needed.low, range.lowerBound)
      needed.high = max(needed.high, range.upperBound)
      needed.count += range.count
      pieces[piece] = needed
    }
    for (index, piece) in pieces where piece.high - piece.low <= 2 * piece.count {
      try piece.instance.prepare(piece.low..<piece.high)
      pieces[index]?.isPrepared = true
    }
    guard pieces.values.contains(where: { !$0.isPrepared }) else { return }
    let values = staging.ensure(tile.count * MemoryLayout<Element>.stride)
      .assumingMemoryBound(to: Element.self)
    try forEachRun(in: tile) { index, range, position in
      guard let piece = pieces[index], !piece.isPrepared else { return }
      let target = values + (position - tile.lowerBound)
      try piece.instance.evaluate(range) { block, part in
        (target + (part.lowerBound - range.lowerBound)).update(from: block, count: part.count)
      }
    }
  }

  /// Puts the elements of `block`, within the prepared tile, into `result`.
  func run(_ block: Range<Int>, into result: UnsafeMutablePointer<Element>) {
    forEachRun(in: block) { index, range, position in
      guard let piece = pieces[index] else { preconditionFailure("A block outside its tile") }
      let target = result + (position - block.lowerBound)
      if piece.isPrepared {
        piece.instance.run(range)
        target.update(from: piece.instance.root(0, count: range.count), count: range.count)
      } else {
        let values = staging.pointer.assumingMemoryBound(to: Element.self)
        target.update(from: values + (position - tile.lowerBound), count: range.count)
      }
    }
  }

  /// Calls `body` with the piece, the range in it and the position in the iteration space of every run
  /// of `range`.
  private func forEachRun(in range: Range<Int>, _ body: (Int, Range<Int>, Int) throws -> Void) rethrows {
    var position = range.lowerBound
    while position < range.upperBound {
      let (outer, inside) = (position + splice.offset).quotientAndRemainder(dividingBy: splice.period)
      let room = range.upperBound - position
      var piece = 0
      let start: Int
      var length: Int
      switch splice.layout {
      case .pieces(let ends):
        piece = Self.piece(at: inside, ends)
        let begin = piece == 0 ? 0 : ends[piece - 1]
        start = outer * (ends[piece] - begin) + inside - begin
        length = ends[piece] - inside
      case .slices(let indices, let source, let inner):
        var (slice, rest) = inside.quotientAndRemainder(dividingBy: inner)
        start = (outer * source + indices[slice]) * inner + rest
        length = inner - rest
        // Slices that follow each other in the source are one run.
        while length < room, slice + 1 < indices.count, indices[slice + 1] == indices[slice] + 1 {
          slice += 1
          length += inner
        }
      }
      length = min(length, room)
      try body(piece, start..<start + length, position)
      position += length
    }
  }

  /// The piece that holds an element of an outer block: the first that ends after it.
  private static func piece(at element: Int, _ ends: [Int]) -> Int {
    var (low, high) = (0, ends.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if ends[middle] > element { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
