import Synchronization
import Tensors
import Testing

/// What a worker holds does not grow with the tensor.
@Suite struct MemoryTests {
  private enum Program: CaseIterable {
    case arithmetic, reduction, columns, selection, concatenation, transposition, stack, copy
  }

  private func run(_ program: Program, rows: Int) throws -> (read: Int, written: Int, scratch: Int) {
    let bench = Bench(threads: 2)
    let graph = bench.graph
    let scratch = RecordedScratch()
    bench.makeScratch = { scratch.make($0) }
    let (a, b) = (EndlessSource(count: rows * 1000, period: 13), EndlessSource(count: rows * 1000, period: 7))
    let x = try bench.stored(a, [rows, 1000], .f32)
    let y = try bench.stored(b, [rows, 1000], .f32)
    let node: NodeID =
      switch program {
      case .arithmetic: try graph.binary(.add, x, y)
      case .reduction: try graph.binary(.divide, x, graph.norm(y, dimension: nil))
      case .columns: try graph.binary(.divide, x, graph.reduce(.sum, y, dimension: 0, operation: "sum"))
      case .selection: try graph.topMask(x, k: bench.number(12_345))
      case .concatenation: try graph.concatenate([x, graph.unary(.negate, y), x], dimension: 0)
      case .transposition: try graph.transpose(graph.binary(.multiply, x, y), 0, 1)
      case .stack:
        try graph.reduce(.sum, graph.stack([x, y, x], dimension: 0), dimension: 0, operation: "sum")
      case .copy: x
      }
    let sink = CountingSink()
    let evaluator = bench.evaluator()
    var outcome: Result<Void, any Error>?
    try evaluator.store(node, as: program == .copy ? .f32 : .bf16, to: sink) { outcome = $0 }
    try evaluator.finish()
    try outcome!.get()
    #expect(sink.bytesWritten == graph.shape(of: node).count * (program == .copy ? 4 : 2))
    return (max(a.largestRead, b.largestRead), sink.largestWrite, scratch.bytes)
  }

  @Test func tilesDoNotGrowWithTheTensor() throws {
    withEvery("program", in: Program.allCases) { program in
      let (small, large) = (try run(program, rows: 2000), try run(program, rows: 6000))
      #expect(large.read <= small.read && small.read <= 4 << 20, "\(program) reads \(large.read)")
      #expect(
        large.written <= small.written && small.written <= 4 << 20, "\(program) writes \(large.written)")
      #expect(large.scratch <= small.scratch, "\(program) holds \(large.scratch)")
    }
  }
}

/// Counts the bytes that are asked for.
private final class RecordedScratch: Sendable {
  private let total = Mutex(0)

  var bytes: Int { total.withLock { $0 } }

  func make(_ byteCount: Int) -> MemorySource {
    total.withLock { $0 += byteCount }
    return MemorySource(byteCount: byteCount)
  }
}
