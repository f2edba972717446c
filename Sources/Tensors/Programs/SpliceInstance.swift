/// A worker's copy of a splice: the programs of its pieces, run by run.
final class SpliceInstance<Element: BlockElement> {
  /// What the prepared tile needs of a piece.
  private struct Piece {
    var instance: ProgramInstance<Element>?
    /// From the first of the elements to the last, and how many of them are needed.
    var range = 0..<0
    var count = 0
    /// Whether the instance has read all of `range`; else the piece's runs are in `staging`.
    var isPrepared = false

    mutating func add(_ run: Range<Int>) {
      range =
        count == 0
        ? run : min(range.lowerBound, run.lowerBound)..<max(range.upperBound, run.upperBound)
      count += run.count
    }
  }

  private let splice: LaunchedProgram.Splice
  private let blockSize: Int
  private var pieces: [Piece]
  /// The numbers of those that the tile needs.
  private var needed: [Int] = []
  private var tile = 0..<0
  /// Elements of runs that lie apart, at their positions in the tile.
  private let staging = TileBuffer()

  /// Of more pieces than this, only those of the prepared tile keep their instances: there may be hundreds.
  private static var mostKept: Int { 16 }

  init(_ splice: LaunchedProgram.Splice, blockSize: Int) {
    self.splice = splice
    self.blockSize = blockSize
    pieces = Array(repeating: Piece(), count: splice.pieces.count)
  }

  /// Reads what the pieces need for a tile of the spliced space.
  ///
  /// A piece's runs are read as one where little lies between them; runs that lie apart are computed
  /// here, since running a block cannot fail.
  func prepare(_ tile: Range<Int>) throws { try Element.prepare(tile, by: self) }

  /// `prepare`, to be compiled for the element's own type: a gather of rows comes here for each of them.
  @inline(__always)
  func prepareRuns(_ tile: Range<Int>) throws {
    self.tile = tile
    let keepsAll = pieces.count <= Self.mostKept
    let former = keepsAll ? [] : needed
    for index in needed { pieces[index].count = 0 }
    needed.removeAll(keepingCapacity: true)
    forEachRun(in: tile) { index, range, _ in
      if pieces[index].count == 0 { needed.append(index) }
      pieces[index].add(range)
    }
    for index in former where pieces[index].count == 0 { pieces[index].instance = nil }
    var haveStaged = false
    for index in needed {
      let instance = pieces[index].instance ?? ProgramInstance(splice.pieces[index], blockSize: blockSize)
      pieces[index].instance = instance
      pieces[index].isPrepared = pieces[index].range.count <= 2 * pieces[index].count
      if pieces[index].isPrepared { try instance.prepare(pieces[index].range) } else { haveStaged = true }
    }
    guard haveStaged else { return }
    let values = staging.ensure(tile.count * MemoryLayout<Element>.stride)
      .assumingMemoryBound(to: Element.self)
    try forEachRun(in: tile) { index, range, position in
      guard !pieces[index].isPrepared else { return }
      let target = values + (position - tile.lowerBound)
      try pieces[index].instance?.evaluate(range) { block, part in
        (target + (part.lowerBound - range.lowerBound)).update(from: block, count: part.count)
      }
    }
  }

  /// Puts the elements of `block`, within the prepared tile, into `result`.
  func run(_ block: Range<Int>, into result: UnsafeMutablePointer<Element>) {
    forEachRun(in: block) { index, range, position in
      guard let instance = pieces[index].instance else { preconditionFailure("A block outside its tile") }
      let target = result + (position - block.lowerBound)
      if pieces[index].isPrepared {
        instance.run(range)
        target.update(from: instance.root(0, count: range.count), count: range.count)
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
