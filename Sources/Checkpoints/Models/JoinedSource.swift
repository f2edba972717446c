import Tensors

/// The bytes of a tensor that several others make up, side by side along one of their dimensions.
final class JoinedSource: ByteSource {
  let byteCount: Int
  private let parts: [any ByteSource]
  /// For each part, the bytes that follow each other in the whole, and where they begin there.
  private let runs: [(start: Int, count: Int)]
  /// The bytes after which the parts come again.
  private let period: Int

  /// - Parameters:
  ///   - parts: Each with as many repetitions as the others.
  ///   - repetitions: The product of the dimensions before the one along which they are joined.
  init(_ parts: [any ByteSource], repetitions: Int) {
    self.parts = parts
    var runs: [(start: Int, count: Int)] = []
    var end = 0
    for part in parts {
      runs.append((end, part.byteCount / max(1, repetitions)))
      end += part.byteCount / max(1, repetitions)
    }
    self.runs = runs
    period = end
    byteCount = parts.reduce(0) { $0 + $1.byteCount }
  }

  var label: String { parts[0].label }

  var provenance: Provenance? {
    parts[0].provenance.map { Provenance(file: $0.file, tensor: $0.tensor, byteCount: byteCount) }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    var done = 0
    try forEachRun(of: offset..<offset + buffer.count) { part, range in
      try parts[part].read(
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + range.count]), at: range.lowerBound
      )
      done += range.count
    }
  }

  func advise(_ range: Range<Int>) {
    let range = range.clamped(to: 0..<byteCount)
    guard !range.isEmpty else { return }
    // Of each part what lies between the first and the last repetition.
    let (first, last) = (range.lowerBound / period, (range.upperBound - 1) / period)
    for (part, run) in zip(parts, runs) { part.advise(first * run.count..<(last + 1) * run.count) }
  }

  /// Calls `body` with each part's range that bytes of the whole are in.
  private func forEachRun(of range: Range<Int>, _ body: (_ part: Int, _ range: Range<Int>) throws -> Void)
    rethrows
  {
    var (position, part) = (range.lowerBound, 0)
    while position < range.upperBound {
      let (repetition, inner) = position.quotientAndRemainder(dividingBy: period)
      while inner >= runs[part].start + runs[part].count { part += 1 }
      while inner < runs[part].start { part -= 1 }
      let start = inner - runs[part].start
      let count = min(runs[part].count - start, range.upperBound - position)
      let first = repetition * runs[part].count + start
      try body(part, first..<first + count)
      position += count
    }
  }
}
