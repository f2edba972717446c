import Tensors
import TestSupport
import Testing

@Suite struct DecompositionTests {
  private let fixture = MatrixFixture.shared
  private static let stream = RandomStream(seed: 1, name: "x", ordinal: 0)

  private func svd(_ bench: Bench, _ a: NodeID, rank: Int? = nil, iterations: Int = 2) throws -> [NodeID] {
    try bench.graph.svd(a, rank: rank, iterations: iterations, stream: Self.stream)
  }

  /// u · diag(s) · vt
  private func joined(_ bench: Bench, _ parts: [NodeID]) throws -> [Float] {
    let graph = bench.graph
    return try bench.compute(graph.matmul(graph.binary(.multiply, parts[0], parts[1]), parts[2]))
  }

  @Test(arguments: ["tall", "wide", "square"], [1, 3])
  func singularValues(_ form: String, _ threads: Int) throws {
    let bench = Bench(threads: threads)
    let graph = bench.graph
    let name = "svd \(form)"
    let a = try fixture.tensor(name, "a", in: bench)
    let parts = try svd(bench, a)
    expectClose(try bench.compute(parts[1]), try fixture.elements(name, "s"), within: 1e-6)
    expectClose(try bench.compute(graph.matmul(parts[0], parts[2])), try fixture.elements(name, "polar"))
    expectClose(try joined(bench, parts), try fixture.elements(name, "a"))
    // Less than all, but not by a sketch.
    let size = graph.shape(of: parts[1]).count
    if size <= 12 {
      expectClose(try joined(bench, svd(bench, a, rank: 6)), try fixture.elements(name, "rank6"))
    }
    // The largest element of each row of vt is positive.
    let width = graph.shape(of: parts[2]).dimensions[1]
    let vt = try bench.compute(parts[2])
    for row in 0..<size {
      let largest = vt[row * width..<(row + 1) * width].max { $0.magnitude < $1.magnitude }!
      #expect(largest > 0)
    }
  }

  @Test func aSketchFindsTheLargestSingularValues() throws {
    var first: [[Float]]?
    for threads in [1, 3] {
      let bench = Bench(threads: threads)
      let a = try fixture.tensor("svd decaying", "a", in: bench)
      let parts = try svd(bench, a, rank: 8)
      #expect(bench.graph.shape(of: parts[0]) == Shape([80, 8]))
      #expect(bench.graph.shape(of: parts[2]) == Shape([8, 60]))
      expectClose(try bench.compute(parts[1]), try fixture.elements("svd decaying", "s"))
      expectClose(try joined(bench, parts), try fixture.elements("svd decaying", "truncated"))
      let found = try parts.map { try bench.compute($0) }
      if let first { for (found, first) in zip(found, first) { expectSame(found, first) } }
      first = found
    }
  }

  /// Values below what squares in float64 hold have no vectors, and no NaN.
  @Test func lostSingularValues() throws {
    let bench = Bench()
    let a = try bench.tensor([3, 0, 0, 0, 0, 0], [3, 2])
    let parts = try svd(bench, a)
    #expect(try bench.compute(parts[1]) == [3, 0])
    #expect(try bench.compute(parts[0]) == [1, 0, 0, 0, 0, 0])
    expectClose(try joined(bench, svd(bench, bench.graph.transpose(a, 0, 1))), [3, 0, 0, 0, 0, 0])
    #expect(try bench.compute(svd(bench, bench.tensor([0, 0, 0, 0], [2, 2]))[0]) == [0, 0, 0, 0])
  }

  @Test func eigenvalues() throws {
    let bench = Bench()
    let graph = bench.graph
    let s = try fixture.tensor("symmetric", "s", in: bench)
    let parts = try graph.eigh(s)
    expectClose(try bench.compute(parts[0]), try fixture.elements("symmetric", "values"), within: 1e-6)
    let scaled = try graph.binary(.multiply, parts[1], parts[0])
    let again = try graph.matmul(scaled, graph.transpose(parts[1], 0, 1))
    expectClose(try bench.compute(again), try fixture.elements("symmetric", "s"), within: 1e-6)
    let powers = try graph.binary(.power, parts[0], bench.number(-0.5))
    let root = try graph.matmul(
      graph.binary(.multiply, parts[1], powers), graph.transpose(parts[1], 0, 1))
    expectClose(try bench.compute(root), try fixture.elements("symmetric", "inverse_root"))
  }

  @Test func linearSystems() throws {
    let bench = Bench()
    let s = try fixture.tensor("symmetric", "s", in: bench)
    let b = try fixture.tensor("symmetric", "b", in: bench)
    for (ridge, expected) in [(try bench.number(0), "solution"), (try bench.lazyNumber(0.5), "ridge")] {
      expectClose(
        try bench.compute(bench.graph.solve(s, b, ridge: ridge)), try fixture.elements("symmetric", expected))
    }
    let column = try bench.graph.reshape(bench.graph.narrow(b, dimension: 1, start: 2, length: 1), [14])
    let solution = try bench.graph.solve(s, column, ridge: bench.number(0))
    #expect(bench.graph.shape(of: solution) == Shape([14]))
    let expected = try fixture.elements("symmetric", "solution")
    expectClose(try bench.compute(solution), (0..<14).map { expected[$0 * 4 + 2] }, within: 1e-4)
  }

  // MARK: Bad input

  @Test func matricesThatHaveNoDecomposition() throws {
    let bench = Bench()
    let graph = bench.graph
    let zero = try bench.number(0)
    let b = try bench.tensor([1, 1], [2])
    #expect(throws: TensorError.notFinite(operation: "eigh")) {
      try bench.compute(graph.eigh(bench.tensor([1, .nan, .nan, 1], [2, 2]))[0])
    }
    #expect(throws: TensorError.notFinite(operation: "svd")) {
      try bench.compute(svd(bench, bench.tensor([1, .infinity, 0, 1], [2, 2]))[0])
    }
    #expect(throws: TensorError.notSymmetric(operation: "eigh", row: 2, column: 1)) {
      try bench.compute(graph.eigh(bench.tensor([1, 2, 3, 1], [2, 2]))[0])
    }
    #expect(throws: TensorError.notPositiveDefinite(operation: "solve", pivot: 2, size: 2)) {
      try bench.compute(graph.solve(bench.tensor([1, 2, 2, 1], [2, 2]), b, ridge: zero))
    }
    #expect(throws: TensorError.needsSquare(operation: "eigh", Shape([2, 3]))) {
      try graph.eigh(graph.filled(Shape([2, 3]), with: 1))
    }
    #expect(throws: TensorError.badRank(operation: "svd", rank: 4, most: 3)) {
      try svd(bench, graph.filled(Shape([5, 3]), with: 1), rank: 4)
    }
    #expect(throws: TensorError.badRank(operation: "svd", rank: 0, most: 3)) {
      try svd(bench, graph.filled(Shape([5, 3]), with: 1), rank: 0)
    }
  }

  /// Known before any work is done.
  @Test func aMatrixBeyondTheLimit() throws {
    let bench = Bench()
    bench.graph.matrixMemory = 200_000_000
    let a = try bench.graph.random(.normal, shape: Shape([11008, 4096]), stream: Self.stream)
    do {
      _ = try svd(bench, a)
      Issue.record("no error")
    } catch {
      #expect("\(error)" == "svd of [11008, 4096] needs 0.4 GB, and --matrix-memory allows 0.2 GB")
    }
  }

  /// Kernels that would hold more than is allowed wait for each other.
  @Test func matricesWaitForMemory() throws {
    let bench = Bench(threads: 3)
    let graph = bench.graph
    graph.matrixMemory = 3 * 40 * 40 * 8
    let evaluator = bench.evaluator()
    var targets: [MemorySource] = []
    var expected: [[Float]] = []
    for seed in 1...6 {
      let x = try bench.tensor(noise(40 * 40, seed: UInt64(seed)), [40, 40])
      let values = try graph.eigh(graph.gram(x, dimension: 1))[0]
      targets.append(MemorySource(byteCount: 160))
      try evaluator.store(values, as: .f32, to: targets[seed - 1]) { _ in }
      let other = Bench(threads: 1)
      let same = try other.tensor(noise(40 * 40, seed: UInt64(seed)), [40, 40])
      expected.append(try other.compute(other.graph.eigh(other.graph.gram(same, dimension: 1))[0]))
    }
    try evaluator.finish()
    for (target, expected) in zip(targets, expected) {
      expectSame(decode(target.bytes, .f32).map { Float($0) }, expected)
    }
  }
}
