import Tensors
import TestSupport
import Testing

/// Sums of rows as float64 numbers, and the rows backwards: a function of a matrix with two results.
private struct RowSums: Kernel {
  var rows: Int
  var columns: Int
  /// The row at which it fails.
  var badRow: Int?

  let name = "row_sums"
  var results: [ResultForm] {
    [
      ResultForm(shape: Shape([rows, 1]), precision: .double),
      ResultForm(shape: Shape([rows, columns]), precision: .single),
    ]
  }
  var partition: Partition { .linear(count: rows, size: 1) }
  let workingBytes = 0

  func makeWork(_ inputs: [KernelInput], into results: [any ByteSink]) -> any SweepWork {
    Work(kernel: self, input: inputs[0], results: results)
  }

  private struct Work: SweepWork {
    let kernel: RowSums
    let input: KernelInput
    let results: [any ByteSink]
    func makeWorker(index: Int) -> any SweepWorker { Worker(self) }
  }

  private final class Worker: SweepWorker {
    let work: Work
    let reader: any KernelReader
    init(_ work: Work) {
      self.work = work
      reader = work.input.makeReader()
    }
    func run(unit: Int, range: Range<Int>) throws {
      if unit == work.kernel.badRow { throw TestFailure(name: "row \(unit)") }
      let columns = work.kernel.columns
      var row = [Float](repeating: 0, count: columns)
      try row.withUnsafeMutableBufferPointer {
        try reader.read(unit * columns..<(unit + 1) * columns, into: $0.baseAddress!)
      }
      try [row.reduce(0.0) { $0 + Double($1) }].withUnsafeBytes {
        try work.results[0].write($0, at: unit * 8)
      }
      try Array(row.reversed()).withUnsafeBytes { try work.results[1].write($0, at: unit * columns * 4) }
    }
  }
}

@Suite struct KernelTests {
  private static let (rows, columns) = (7, 300)
  private static let elements = noise(rows * columns)

  private func results(_ bench: Bench, of x: NodeID, badRow: Int? = nil) throws -> [NodeID] {
    try bench.graph.kernel(RowSums(rows: Self.rows, columns: Self.columns, badRow: badRow), [x])
  }

  @Test(arguments: [1, 3])
  func severalResultsOfOneCall(_ threads: Int) throws {
    let bench = Bench(threads: threads, tileSize: 100)
    let (rows, columns) = (Self.rows, Self.columns)
    let source = RecordingSource(encode(Self.elements, .f32))
    let x = try bench.graph.unary(.negate, bench.stored(source, [rows, columns], .f32))
    let results = try results(bench, of: x)
    let sum = try bench.graph.binary(.add, results[1], results[0])
    let found = try bench.compute(sum)
    for row in 0..<rows {
      let negated = Self.elements[row * columns..<(row + 1) * columns].map { -$0 }
      let total = Float(negated.reduce(0.0) { $0 + Double($1) })
      expectSame(Array(found[row * columns..<(row + 1) * columns]), negated.reversed().map { $0 + total })
    }
    #expect(source.bytesRead == rows * columns * 4, "one call for both results")
    // The results stay, and do not need the input any more.
    _ = try bench.compute(results[0], as: .f32)
    #expect(source.bytesRead == rows * columns * 4)
    try bench.graph.verify()
  }

  /// A result is read at other positions, in reductions, by later kernels, and beside what waits for it.
  @Test func resultsAreReadLikeStoredTensors() throws {
    let bench = Bench()
    let (rows, columns) = (Self.rows, Self.columns)
    let x = try bench.tensor(Self.elements, [rows, columns])
    let backwards = try results(bench, of: x)[1]
    let twice = try results(bench, of: backwards)
    expectSame(try bench.compute(twice[1]), Self.elements)
    let turned = try bench.graph.transpose(backwards, 0, 1)
    expectSame(
      try bench.compute(turned),
      (0..<columns).flatMap { column in
        (0..<rows).map { Self.elements[$0 * columns + columns - 1 - column] }
      })
    let norm = try bench.graph.norm(backwards, dimension: nil)
    #expect(try bench.value(norm) == bench.value(bench.graph.norm(x, dimension: nil)))
    // Of something that is known only when sweeps have ended.
    let scaled = try bench.graph.binary(.divide, x, bench.graph.norm(x, dimension: nil))
    let scalar = try bench.graph.reduce(.sum, results(bench, of: scaled)[0], operation: "sum")
    let expected = try bench.graph.reduce(.sum, scaled, operation: "sum")
    #expect(abs(try bench.value(scalar) - bench.value(expected)) < 1e-6)
  }

  @Test func callsThatAreUnderWayAreShared() throws {
    let bench = Bench()
    let (rows, columns) = (Self.rows, Self.columns)
    let source = RecordingSource(encode(Self.elements, .f32))
    let x = try bench.stored(source, [rows, columns], .f32)
    let results = try results(bench, of: x)
    let evaluator = bench.evaluator()
    let targets = (0..<3).map { _ in MemorySource(byteCount: rows * columns * 4) }
    for (factor, target) in targets.enumerated() {
      let node = try bench.graph.binary(.multiply, results[1], bench.number(Double(factor + 2)))
      try evaluator.store(node, as: .f32, to: target) { _ in }
    }
    try evaluator.finish()
    #expect(source.bytesRead == rows * columns * 4)
    #expect(decode(targets[2].bytes, .f32)[0] == Double(Self.elements[columns - 1]) * 4)
  }

  @Test func aFailureEndsWhatWaitsForIt() throws {
    let bench = Bench()
    let x = try bench.tensor(Self.elements, [Self.rows, Self.columns])
    let results = try results(bench, of: x, badRow: 4)
    #expect(throws: TestFailure(name: "row 4")) { try bench.compute(results[1]) }
    // Asked again, it is called again.
    #expect(throws: TestFailure(name: "row 4")) { try bench.compute(results[0]) }
  }

  @Test func nothingIsLeftOfACallOnceItsResultsAreGone() throws {
    let bench = Bench()
    let x = try bench.tensor(Self.elements, [Self.rows, Self.columns])
    let before = bench.graph.liveCount
    let results = try results(bench, of: x)
    _ = try bench.compute(results[1])
    results.forEach(bench.graph.release)
    #expect(bench.graph.liveCount == before)
  }
}
