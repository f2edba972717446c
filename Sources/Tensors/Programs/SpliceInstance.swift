/// A worker's copy of a splice: the programs of its pieces, run by run.
final class SpliceInstance<Element: BlockElement> {
  private let splice: LaunchedProgram.Splice
  private let blockSize: Int
  private let pieces: [ProgramInstance<Element>]
  /// The part of each piece that its instance has prepared for this tile.
  private var prepared: [Range<Int>]
  private var tile = 0..<0
  /// Elements of runs that lie apart, at their positions in the tile.
  private let staging = TileBuffer()

  init(_ splice: LaunchedProgram.Splice, blockSize: Int) {
    self.splice = splice
    self.blockSize = blockSize
    pieces = splice.pieces.map { ProgramInstance($0, blockSize: blockSize) }
    prepared = splice.pieces.map { _ in 0..<0 }
  }

  /// Reads what the pieces need for a tile of the spliced space.
  ///
  /// A piece's runs are read as one where little lies between them; runs that lie apart are computed
  /// here, since running a block cannot fail.
  func prepare(_ tile: Range<Int>) throws {
    var needed = [(low: Int, high: Int, count: Int)](repeating: (Int.max, 0, 0), count: pieces.count)
    forEachRun(in: tile) { piece, range, _ in
      needed[piece].low = min(needed[piece].low, range.lowerBound)
      needed[piece].high = max(needed[piece].high, range.upperBound)
      needed[piece].count += range.count
    }
    for piece in pieces.indices {
      let (low, high, count) = needed[piece]
      prepared[piece] = 0..<0
      guard count > 0 else { continue }
      if high - low <= 2 * count {
        try pieces[piece].prepare(low..<high)
        prepared[piece] = low..<high
      }
    }
    self.tile = tile
    try forEachRun(in: tile) { piece, range, offset in
      guard prepared[piece].isEmpty else { return }
      let start = offset - tile.lowerBound
      let values = staging.ensure(tile.count * MemoryLayout<Element>.stride)
        .assumingMemoryBound(to: Element.self)
      try pieces[piece].evaluate(range) { block, part in
        (values + start + part.lowerBound - range.lowerBound).update(from: block, count: part.count)
      }
    }
  }

  /// Puts the elements of `block`, within the prepared tile, into `result`.
  func run(_ block: Range<Int>, into result: UnsafeMutablePointer<Element>) {
    forEachRun(in: block) { piece, range, offset in
      let target = result + (offset - block.lowerBound)
      if prepared[piece].isEmpty {
        let values = staging.pointer.assumingMemoryBound(to: Element.self)
        target.update(from: values + (offset - tile.lowerBound), count: range.count)
      } else {
        pieces[piece].run(range)
        target.update(from: pieces[piece].root(0, count: range.count), count: range.count)
      }
    }
  }

  /// Calls `body` with the piece, the range in it and the position in the iteration space of every run
  /// of `range`, none longer than a block unless a whole tile is asked for.
  private func forEachRun(in range: Range<Int>, _ body: (Int, Range<Int>, Int) throws -> Void) rethrows {
    var position = range.lowerBound
    while position < range.upperBound {
      let element = position + splice.offset
      let (outer, inside) = element.quotientAndRemainder(dividingBy: splice.period)
      var piece = 0
      var start = 0
      var length = 0
      switch splice.layout {
      case .pieces(let sizes):
        var rest = inside
        while rest >= sizes[piece] {
          rest -= sizes[piece]
          piece += 1
        }
        start = outer * sizes[piece] + rest
        length = sizes[piece] - rest
      case .slices(let indices, let source, let inner):
        var slice = inside / inner
        let rest = inside % inner
        start = (outer * source + indices[slice]) * inner + rest
        length = inner - rest
        // Slices that follow each other in the source are one run.
        while length < range.upperBound - position, slice + 1 < indices.count,
          indices[slice + 1] == indices[slice] + 1
        {
          slice += 1
          length += inner
        }
      }
      length = min(length, range.upperBound - position)
      try body(piece, start..<start + length, position)
      position += length
    }
  }
}
