import Glibc

/// Copies a stored tensor's bytes, and makes sure that other tensors hold the same ones.
struct CopyWork: SweepWork {
  /// Bytes of a unit: small enough to stay in the L2 cache between reading and writing.
  static let unitBytes = 1 << 18

  let source: any ByteSource
  let offset: Int
  /// Sources that must equal the first, with their offsets.
  let others: [(source: any ByteSource, offset: Int)]
  let sink: any ByteSink

  func makeWorker(index: Int) -> any SweepWorker { Worker(self) }

  private final class Worker: SweepWorker {
    private let work: CopyWork
    private var buffer = TileBuffer()
    private let compared = TileBuffer()

    init(_ work: CopyWork) { self.work = work }

    func run(unit: Int, range: Range<Int>) throws {
      let bytes = UnsafeMutableRawBufferPointer(start: buffer.ensure(range.count), count: range.count)
      try work.source.read(into: bytes, at: work.offset + range.lowerBound)
      for (other, offset) in work.others {
        let theirs = UnsafeMutableRawBufferPointer(start: compared.ensure(range.count), count: range.count)
        try other.read(into: theirs, at: offset + range.lowerBound)
        guard memcmp(bytes.baseAddress!, theirs.baseAddress!, range.count) == 0 else {
          throw TensorError.differing(first: work.source.label, other: other.label)
        }
      }
      buffer = try work.sink.write(buffer, byteCount: range.count, at: range.lowerBound)
    }
  }
}
