import Tensors
import TestSupport
import Testing

@Suite struct ProductTests {
  private let fixture = MatrixFixture.shared

  @Test(arguments: [1, 3], [nil, 50])
  func products(_ threads: Int, _ tileSize: Int?) throws {
    let bench = Bench(threads: threads, tileSize: tileSize)
    let graph = bench.graph
    let (a, b) = try (fixture.tensor("product", "a", in: bench), fixture.tensor("product", "b", in: bench))
    let result = try fixture.elements("product", "result")
    expectClose(try bench.compute(graph.matmul(a, b)), result)
    // A transpose of what is stored, on either side and of the result.
    let (at, bt) = try (graph.transpose(a, 0, 1), graph.transpose(b, 0, 1))
    let turned = try graph.transpose(graph.matmul(bt, at), 0, 1)
    expectClose(try bench.compute(turned), result)
    for (node, expected) in [
      (try graph.matmul(at, a), "left"), (try graph.gram(a, dimension: 1), "left"),
      (try graph.matmul(a, at), "right"), (try graph.gram(a, dimension: 0), "right"),
      (try graph.gram(at, dimension: 1), "right"), (try graph.gram(at, dimension: 0), "left"),
    ] {
      expectClose(try bench.compute(node), try fixture.elements("product", expected), expected)
    }
  }

  @Test(arguments: [1, 3])
  func batches(_ threads: Int) throws {
    let bench = Bench(threads: threads)
    let graph = bench.graph
    let (a, b) = try (fixture.tensor("batches", "a", in: bench), fixture.tensor("batches", "b", in: bench))
    expectClose(try bench.compute(graph.matmul(a, b)), try fixture.elements("batches", "result"))
    let first = try graph.reshape(graph.narrow(b, dimension: 0, start: 0, length: 1), [64, 5])
    expectClose(try bench.compute(graph.matmul(a, first)), try fixture.elements("batches", "shared"))
    let (at, bt) = try (graph.transpose(a, 1, 2), graph.transpose(b, 1, 2))
    let turned = try graph.transpose(graph.matmul(bt, at), 1, 2)
    expectClose(try bench.compute(turned), try fixture.elements("batches", "result"))
  }

  /// Σ a·b in float64, for products that are cut into many blocks.
  private func reference(_ a: [Float], _ b: [Float], _ rows: Int, _ inner: Int, _ columns: Int) -> [Float] {
    var result = [Double](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for k in 0..<inner {
        let x = Double(a[row * inner + k])
        for column in 0..<columns { result[row * columns + column] += x * Double(b[k * columns + column]) }
      }
    }
    return result.map { Float($0) }
  }

  /// Streamed below an inner dimension of 512, stored from there on; of several panels above 1024.
  @Test(arguments: [(600, 16, 900), (70, 513, 1100), (40, 2100, 30), (1, 700, 1), (530, 1, 3)])
  func sizes(_ rows: Int, _ inner: Int, _ columns: Int) throws {
    let (a, b) = (noise(rows * inner, seed: 2), noise(inner * columns, seed: 3))
    let expected = reference(a, b, rows, inner, columns)
    var first: [Float]?
    withEvery("threads", in: [1, 2, 5]) { threads in
      withEvery("tile", in: [nil, 1000]) { tileSize in
        let bench = Bench(threads: threads, tileSize: tileSize)
        let left = try bench.tensor(a, [rows, inner])
        let product = try bench.graph.matmul(left, bench.tensor(b, [inner, columns]))
        let found = try bench.compute(bench.graph.unary(.negate, product))
        expectClose(found.map { -$0 }, expected, within: 2e-6)
        expectSame(found, first ?? found)
        first = found
      }
    }
  }

  /// A product of few inner dimensions is computed where it is wanted: nothing of its size is stored.
  @Test func lowRankProductsStream() throws {
    let bench = Bench()
    let (rows, columns, rank) = (3000, 700, 8)
    let limit = 64 << 10
    bench.makeScratch = { bytes in
      if bytes > limit { throw TestFailure(name: "scratch of \(bytes)") }
      return MemorySource(byteCount: bytes)
    }
    let graph = bench.graph
    let (a, b) = (noise(rows * rank, seed: 4), noise(rank * columns, seed: 5))
    let base = noise(rows * columns, seed: 6)
    let delta = try graph.matmul(bench.tensor(a, [rows, rank]), bench.tensor(b, [rank, columns]))
    let adapted = try graph.binary(
      .add, bench.tensor(base, [rows, columns]), graph.binary(.multiply, delta, bench.number(0.5)))
    let expected = zip(base, reference(a, b, rows, rank, columns)).map { $0 + $1 * 0.5 }
    expectClose(try bench.compute(adapted), expected, within: 1e-6)
    // Its reductions, and a part of it.
    let sum = try bench.value(graph.reduce(.sum, delta, operation: "sum"))
    #expect(abs(sum - reference(a, b, rows, rank, columns).reduce(0.0) { $0 + Double($1) }) < 1e-2)
    let part = try graph.narrow(adapted, dimension: 0, start: 1234, length: 3)
    expectSame(try bench.compute(part), Array(try bench.compute(adapted)[1234 * columns..<1237 * columns]))
  }

  /// Gram matrices of more columns than a block has, of either side.
  @Test func gramsOfSeveralBlocks() throws {
    let (rows, columns) = (50, 600)
    let a = noise(rows * columns, seed: 7)
    var turned = a
    for row in 0..<rows {
      for column in 0..<columns { turned[column * rows + row] = a[row * columns + column] }
    }
    let expected = reference(turned, a, columns, rows, columns)
    for threads in [1, 3] {
      let bench = Bench(threads: threads)
      let graph = bench.graph
      let columnwise = try bench.compute(graph.gram(bench.tensor(a, [rows, columns]), dimension: 1))
      let rowwise = try bench.compute(graph.gram(bench.tensor(turned, [columns, rows]), dimension: 0))
      expectClose(columnwise, expected, within: 1e-6)
      expectClose(rowwise, expected, within: 1e-6)
      for row in 0..<columns {
        for column in 0..<row where columnwise[row * columns + column] != columnwise[column * columns + row] {
          Issue.record("not symmetric at \(row), \(column)")
        }
      }
    }
  }

  @Test func productsOfNothing() throws {
    let bench = Bench()
    let graph = bench.graph
    let nothing = try graph.matmul(
      graph.filled(Shape([2, 0]), with: 1), graph.filled(Shape([0, 3]), with: 1))
    #expect(try bench.compute(nothing) == Array(repeating: 0, count: 6))
    #expect(
      try bench.compute(graph.gram(graph.filled(Shape([0, 2]), with: 1), dimension: 1)) == [0, 0, 0, 0])
  }

  @Test func shapesThatDoNotMultiply() throws {
    let bench = Bench()
    func tensor(_ shape: [Int]) throws -> NodeID { try bench.graph.filled(Shape(shape), with: 1) }
    for (a, b) in [([2, 3], [2, 3]), ([3], [3, 2]), ([2, 2, 3], [3, 3, 2]), ([2, 3], [3])] {
      #expect(throws: TensorError.notMultiplicable(Shape(a), Shape(b))) {
        try bench.graph.matmul(tensor(a), tensor(b))
      }
    }
    #expect(
      "\(TensorError.notMultiplicable(Shape([2, 3]), Shape([2, 3])))"
        == "matmul: shapes [2, 3] and [2, 3] cannot be multiplied (expected [m, k] and [k, n], with the same leading dimensions or none)"
    )
  }
}
