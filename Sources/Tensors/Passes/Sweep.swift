/// One trip over an iteration space, in units that workers take one by one.
///
/// `@unchecked Sendable`: the mutable part is guarded by the worker pool's lock.
final class Sweep: @unchecked Sendable {
  let partition: Partition
  let work: any SweepWork
  /// Sweeps of lower order go first.
  let order: Int
  /// Bytes of whole matrices that it holds while it runs.
  let heldBytes: Int
  /// Runs on the thread that builds expressions, once all units are done or one has failed.
  let finished: ((any Error)?) -> Void

  // Guarded by the pool.
  var nextUnit = 0
  var unitsDone = 0
  var failure: (any Error)?

  init(
    partition: Partition, work: any SweepWork, order: Int = 0, heldBytes: Int = 0,
    finished: @escaping ((any Error)?) -> Void
  ) {
    self.heldBytes = heldBytes
    self.partition = partition
    self.work = work
    self.order = order
    self.finished = finished
  }
}

/// What a sweep does in each of its units.
package protocol SweepWork: Sendable {
  /// State of one worker; used by one thread at a time.
  func makeWorker(index: Int) -> any SweepWorker
}

package protocol SweepWorker: AnyObject {
  func run(unit: Int, range: Range<Int>) throws
}

/// How an iteration space is cut into units. Results do not depend on who takes a unit, and where a
/// reduction's tree depends on the cut, the cut depends on the shape alone.
package enum Partition: Hashable, Sendable {
  /// Elements that a reduction's innermost sums cover, and that a unit usually has.
  static let chunk = 65_536

  /// Units of `size` elements.
  case linear(count: Int, size: Int)
  /// Units of `rows` slices of a dimension of `size`, of `inner` elements each, never across `outer`.
  case columns(outer: Int, size: Int, inner: Int, rows: Int)
  /// A sample: `size` elements somewhere in each whole run of `every`.
  case samples(count: Int, size: Int, every: Int)

  var unitCount: Int {
    switch self {
    case .linear(let count, let size): (count + size - 1) / size
    case .columns(let outer, let size, _, let rows): outer * ((size + rows - 1) / rows)
    case .samples(let count, _, let every): count / every
    }
  }

  /// Elements in all, or bytes of a copy.
  var size: Int {
    switch self {
    case .linear(let count, _): count
    case .columns(let outer, let size, let inner, _): outer * size * inner
    case .samples(let count, let size, let every): count / every * size
    }
  }

  func range(ofUnit unit: Int) -> Range<Int> {
    switch self {
    case .linear(let count, let size):
      return unit * size..<min(count, (unit + 1) * size)
    case .columns(_, let size, let inner, let rows):
      let perOuter = (size + rows - 1) / rows
      let (block, part) = unit.quotientAndRemainder(dividingBy: perOuter)
      let start = block * size + part * rows
      let end = block * size + min(size, (part + 1) * rows)
      return start * inner..<end * inner
    case .samples(_, let size, let every):
      // Multiples of the golden ratio's fraction of 2^32 are spread evenly, whatever the length of a row.
      let place = Int(UInt32(truncatingIfNeeded: unit) &* 0x9e37_79b9) * (every - size + 1) >> 32
      return unit * every + place..<unit * every + place + size
    }
  }
}

/// Computes a program tile by tile, block by block, and hands every block to the sinks.
struct ProgramWork<Element: BlockElement>: SweepWork {
  let program: LaunchedProgram
  let sinks: [any SweepSink]
  let tileSize: Int

  /// Bytes that the tiles of one worker may take, so that they stay in an L2 cache.
  static var tileBytes: Int { 1 << 20 }

  init(program: LaunchedProgram, sinks: [any SweepSink], tileSize: Int?, readsScattered: Bool) {
    self.program = program
    self.sinks = sinks
    if let tileSize {
      self.tileSize = tileSize
    } else if readsScattered {
      self.tileSize = 1 << 20
    } else {
      let fitting = Self.tileBytes / max(8, program.bytesPerElement + 4)
      self.tileSize = max(4096, min(Partition.chunk, fitting / 4096 * 4096))
    }
  }

  func makeWorker(index: Int) -> any SweepWorker { ProgramWorker(self, index: index) }
}

private final class ProgramWorker<Element: BlockElement>: SweepWorker {
  private let work: ProgramWork<Element>
  private let instance: ProgramInstance<Element>
  /// Without counts of references, which would go up and down for each block.
  private let sinks: UnsafeMutablePointer<Unmanaged<SinkWorker<Element>>>
  private let sinkCount: Int
  private let blockSize: Int

  init(_ work: ProgramWork<Element>, index: Int) {
    self.work = work
    blockSize = min(ProgramInstance<Element>.blockSize(of: work.program), work.tileSize)
    instance = ProgramInstance(work.program, blockSize: blockSize)
    sinkCount = work.sinks.count
    sinks = .allocate(capacity: sinkCount)
    for (place, sink) in work.sinks.enumerated() {
      (sinks + place).initialize(to: .passRetained(sink.makeWorker(index: index)))
    }
  }

  deinit {
    for place in 0..<sinkCount { sinks[place].release() }
    sinks.deallocate()
  }

  func run(unit: Int, range: Range<Int>) throws {
    forEachSink { $0.begin(unit: unit, range: range) }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: work.tileSize) {
      let tile = start..<min(start + work.tileSize, range.upperBound)
      try instance.prepare(tile)
      forEachSink { $0.begin(tile: tile) }
      for first in stride(from: tile.lowerBound, to: tile.upperBound, by: blockSize) {
        let block = first..<min(first + blockSize, tile.upperBound)
        instance.run(block)
        forEachSink { $0.consume(block, instance) }
      }
      try forEachSink { try $0.end(tile: tile) }
    }
    forEachSink { $0.end(unit: unit, range: range) }
  }

  @inline(__always)
  private func forEachSink(_ body: (SinkWorker<Element>) throws -> Void) rethrows {
    for place in 0..<sinkCount { try sinks[place]._withUnsafeGuaranteedRef(body) }
  }
}

/// What becomes of the blocks that a sweep computes.
protocol SweepSink: AnyObject, Sendable {
  func makeWorker<Element: BlockElement>(index: Int) -> SinkWorker<Element>
}

/// A worker's part of a sink. Units and tiles do not overlap between workers.
class SinkWorker<Element: BlockElement> {
  func begin(unit: Int, range: Range<Int>) {}
  func begin(tile: Range<Int>) {}
  func consume(_ block: Range<Int>, _ instance: ProgramInstance<Element>) {}
  func end(tile: Range<Int>) throws {}
  func end(unit: Int, range: Range<Int>) {}
}
