import Tensors
import Testing

@Suite struct EvaluatorTests {
  @Test(arguments: [nil, 7, 1000])
  func arithmeticSharesSubexpressions(tile: Int?) throws {
    let bench = Bench()
    bench.tileSize = tile
    let a = noise(5000)
    let b = noise(5000, seed: 2)
    let x = try bench.tensor(a, [50, 100])
    let y = try bench.tensor(b, [50, 100])
    let sum = try bench.graph.binary(.add, x, y)
    let product = try bench.graph.binary(.multiply, sum, sum)
    let result = try bench.graph.binary(.subtract, product, try bench.number(0.5))
    #expect(try bench.compute(result) == zip(a, b).map { ($0 + $1) * ($0 + $1) - 0.5 })
  }

  @Test(arguments: [nil, 7, 1000])
  func reductionsOverRowsAndColumns(tile: Int?) throws {
    let bench = Bench()
    bench.tileSize = tile
    let a = noise(30 * 40)
    let x = try bench.tensor(a, [30, 40])
    let rows = try bench.graph.reduce(.sum, x, dimension: 1, operation: "sum")
    let columns = try bench.graph.reduce(.sum, x, dimension: 0, operation: "sum")
    let all = try bench.graph.reduce(.sum, x, operation: "sum")
    let expectedRows = (0..<30).map { r in Float((0..<40).reduce(0.0) { $0 + Double(a[r * 40 + $1]) }) }
    let expectedColumns = (0..<40).map { c in Float((0..<30).reduce(0.0) { $0 + Double(a[$1 * 40 + c]) }) }
    for (found, expected) in zip(try bench.compute(rows), expectedRows) { #expect(abs(found - expected) < 1e-5) }
    for (found, expected) in zip(try bench.compute(columns), expectedColumns) {
      #expect(abs(found - expected) < 1e-5)
    }
    #expect(abs(try bench.value(all) - a.reduce(0.0) { $0 + Double($1) }) < 1e-9)
    // Mixed back into the tensor.
    let centred = try bench.graph.binary(.subtract, x, rows)
    let result = try bench.compute(centred)
    for i in 0..<1200 { #expect(abs(result[i] - (a[i] - expectedRows[i / 40])) < 1e-5) }
  }

  @Test(arguments: [nil, 7, 1000])
  func viewsReachTheLeaves(tile: Int?) throws {
    let bench = Bench()
    bench.tileSize = tile
    let a = noise(24 * 36)
    let x = try bench.stored(a, [24, 36], .f32)
    let turned = try bench.graph.transpose(try bench.graph.unary(.negate, x), 0, 1)
    #expect(try bench.compute(turned) == (0..<36).flatMap { c in (0..<24).map { -a[$0 * 36 + c] } })
    let part = try bench.graph.narrow(turned, dimension: 1, start: 3, length: 5)
    #expect(try bench.compute(part) == (0..<36).flatMap { c in (3..<8).map { -a[$0 * 36 + c] } })
    let flat = try bench.graph.reshape(turned, [-1])
    #expect(try bench.compute(flat) == (0..<36).flatMap { c in (0..<24).map { -a[$0 * 36 + c] } })
    let joined = try bench.graph.concatenate([x, x], dimension: 1)
    #expect(try bench.compute(joined) == (0..<24).flatMap { r in (0..<72).map { a[r * 36 + $0 % 36] } })
    let rows = try bench.graph.gather(x, dimension: 0, indices: [5, 5, 0, 23, 1, 2, 3])
    #expect(
      try bench.compute(rows) == [5, 5, 0, 23, 1, 2, 3].flatMap { r in (0..<36).map { a[r * 36 + $0] } })
    let columns = try bench.graph.gather(x, dimension: 1, indices: [35, 0, 1])
    #expect(try bench.compute(columns) == (0..<24).flatMap { r in [35, 0, 1].map { a[r * 36 + $0] } })
  }

  @Test(arguments: [nil, 7, 1000])
  func topMaskTakesExactlyK(tile: Int?) throws {
    let bench = Bench()
    bench.tileSize = tile
    let a = noise(200_000).map { ($0 * 100).rounded() }
    let x = try bench.tensor(a, [200_000])
    let order = a.indices.sorted { a[$0] == a[$1] ? $0 < $1 : a[$0] > a[$1] }
    for k in [0, 1, 777, 100_000, 199_999, 200_000] {
      let mask = try bench.graph.topMask(x, k: try bench.number(Double(k)))
      var expected = [Float](repeating: 0, count: a.count)
      for index in order.prefix(k) { expected[index] = 1 }
      #expect(try bench.compute(mask) == expected)
      if k > 0 {
        let kth = try bench.graph.kthLargest(x, k: try bench.number(Double(k)))
        #expect(try bench.value(kth) == Double(a[order[k - 1]]))
      }
    }
  }

  @Test func chainOfAMillionOperations() throws {
    let bench = Bench()
    var node = try bench.tensor([1, 2, 3], [3])
    let one = try bench.number(1.5)
    for _ in 0..<1_000_000 {
      let next = try bench.graph.binary(.add, node, one)
      bench.graph.release(node)
      node = next
    }
    #expect(try bench.compute(node) == [1_500_001, 1_500_002, 1_500_003])
    bench.graph.release(node)
    bench.graph.release(one)
    #expect(bench.graph.liveCount == 0)
  }
}
