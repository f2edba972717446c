import Glibc

/// Copies a stored tensor's bytes, and compares those of other tensors.
struct CopyWork: SweepWork {
  /// Bytes of a unit: small enough to stay in the L2 cache between reading and writing.
  static let unitBytes = 1 << 18

  let source: any ByteSource
  let offset: Int
  let dtype: DType
  /// Sources that are compared with the first, with their offsets.
  let others: [(source: any ByteSource, offset: Int)]
  /// Whether one that differs is an error, or a finding.
  let mustAgree: Bool
  let sink: any ByteSink
  let findings: StoreFindings?

  func makeWorker(index: Int) -> any SweepWorker { Worker(self) }

  private final class Worker: SweepWorker {
    private let work: CopyWork
    private var buffer = TileBuffer()
    private let compared = TileBuffer()

    init(_ work: CopyWork) { self.work = work }

    func run(unit: Int, range: Range<Int>) throws {
      let bytes = UnsafeMutableRawBufferPointer(start: buffer.ensure(range.count), count: range.count)
      try work.source.read(into: bytes, at: work.offset + range.lowerBound)
      for (place, (other, offset)) in work.others.enumerated() {
        let theirs = UnsafeMutableRawBufferPointer(start: compared.ensure(range.count), count: range.count)
        try other.read(into: theirs, at: offset + range.lowerBound)
        guard memcmp(bytes.baseAddress!, theirs.baseAddress!, range.count) == 0 else {
          if work.mustAgree { throw TensorError.differing(first: work.source.label, other: other.label) }
          work.findings?.noteDifference(from: work.source.label, to: other.label, at: place)
          continue
        }
      }
      if let findings = work.findings, work.dtype.isArithmetic, let width = work.dtype.byteWidth {
        findings.look(at: UnsafeRawPointer(bytes.baseAddress!), dtype: work.dtype, count: range.count / width)
      }
      buffer = try work.sink.write(buffer, byteCount: range.count, at: range.lowerBound)
    }
  }
}
