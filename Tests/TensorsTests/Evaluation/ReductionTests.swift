import Tensors
import TestSupport
import Testing

@Suite struct ReductionTests {
  /// Shapes whose dimension is reduced in each of the ways: rows, columns in several parts, a short outer
  /// dimension, and their edges.
  @Test(
    arguments: [
      [3, 5000], [32, 4096], [33, 4096], [2, 3, 4099], [1, 4096], [200_000, 2], [2, 70_000], [70_000, 3],
      [4, 1, 5],
      [0, 5000], [5000, 0], [3, 0, 5000],
    ], [nil, 1009])
  func agreesWithPlainSums(_ shape: [Int], _ tile: Int?) throws {
    let count = shape.reduce(1, *)
    let (x, y) = (noise(count), noise(count, seed: 2))
    let bench = Bench(threads: 3, tileSize: tile)
    let graph = bench.graph
    let a = try bench.tensor(x, shape)
    let b = try bench.tensor(y, shape)
    for dimension in shape.indices {
      let inner = shape[(dimension + 1)...].reduce(1, *)
      let outer = shape[..<dimension].reduce(1, *)
      /// A plain reduction in float64, one row or column after the other.
      func plain(_ start: Double, _ join: (Double, Int) -> Double) -> [Double] {
        (0..<outer * inner).map { position in
          let first = position / max(1, inner) * shape[dimension] * inner + position % max(1, inner)
          return (0..<shape[dimension]).reduce(start) { join($0, first + $1 * inner) }
        }
      }
      let cases: [(String, NodeID, [Double])] = [
        (
          "sum", try graph.reduce(.sum, a, dimension: dimension, operation: "sum"),
          plain(0) { $0 + Double(x[$1]) }
        ),
        (
          "dot", try graph.reduce(.dot, a, with: b, dimension: dimension, operation: "dot"),
          plain(0) { $0 + Double(x[$1]) * Double(y[$1]) }
        ),
        (
          "norm", try graph.norm(a, dimension: dimension),
          plain(0) { $0 + Double(x[$1]) * Double(x[$1]) }.map { $0.squareRoot() }
        ),
        (
          "min", try graph.reduce(.minimum, a, dimension: dimension, operation: "min"),
          plain(.infinity) { min($0, Double(x[$1])) }
        ),
        (
          "max", try graph.reduce(.maximum, a, dimension: dimension, operation: "max"),
          plain(-.infinity) { max($0, Double(x[$1])) }
        ),
      ]
      for (name, node, expected) in cases {
        let found = decode(try bench.bytes(node, as: .f64), .f64)
        #expect(found.count == expected.count)
        // Sums of a short outer dimension are float32 once they are complete.
        let isSame = zip(found, expected).allSatisfy {
          abs($0 - $1) <= max(1e-12, abs($1) * 1.2e-7) || $0 == $1
        }
        #expect(isSame, "\(name) of \(shape) over \(dimension)")
      }
    }
  }

  @Test func shortDimensionsAreSummedInDouble() throws {
    let bench = Bench()
    let large = try bench.graph.filled(Shape([1, 5000]), with: 1e8)
    let small = try bench.graph.filled(Shape([1, 5000]), with: 1)
    let minus = try bench.graph.unary(.negate, large)
    let stack = try bench.graph.concatenate([large, small, minus], dimension: 0)
    let sum = try bench.compute(bench.graph.reduce(.sum, stack, dimension: 0, operation: "sum"))
    #expect(sum == [Float](repeating: 1, count: 5000))
    let wide = try bench.graph.filled(Shape([2, 5000]), with: 1e30)
    let norm = try bench.compute(bench.graph.norm(wide, dimension: 0))
    #expect(norm.allSatisfy { abs($0 / 1.4142136e30 - 1) < 1e-6 })
  }

  @Test func constantsAreReducedAtOnce() throws {
    let bench = Bench()
    let three = try bench.number(-3)
    #expect(try bench.graph.constantValue(bench.graph.reduce(.sum, three, operation: "sum")) == -3)
    #expect(try bench.value(bench.graph.norm(three, dimension: nil)) == 3)
    #expect(try bench.value(bench.graph.reduce(.dot, three, with: three, operation: "dot")) == 9)
    #expect(try bench.value(bench.graph.reduce(.minimum, bench.lazyNumber(7), operation: "min")) == 7)
  }

  @Test func aResultTooLargeForMemoryIsRefused() throws {
    let bench = Bench()
    let x = try bench.graph.filled(Shape([64, 100_000_000]), with: 1)
    let sum = try bench.graph.reduce(.sum, x, dimension: 0, operation: "sum")
    #expect(throws: TensorError.resultTooLarge(bytes: 800_000_000)) {
      try bench.value(bench.graph.reduce(.sum, sum, operation: "sum"))
    }
  }
}

@Suite struct SelectionExpressionTests {
  private func order(_ elements: [Float]) -> [Int] {
    elements.indices.sorted {
      let (a, b) = (SelectionKey.key(elements[$0]), SelectionKey.key(elements[$1]))
      return a == b ? $0 < $1 : a > b
    }
  }

  /// Several k share the sweeps of one tensor; ties lie in several units.
  @Test(arguments: [nil, 7, 1000], [1, 3])
  func topMaskTakesExactlyK(_ tile: Int?, _ threads: Int) throws {
    let bench = Bench(threads: threads, tileSize: tile)
    let elements = noise(140_003).map { ($0 * 50).rounded() }
    let x = try bench.tensor(elements, [140_003])
    let order = order(elements)
    let counts = [0, 1, 777, 70_000, 70_001, 140_002, 140_003]
    let masks = try counts.map { try bench.graph.topMask(x, k: bench.number(Double($0))) }
    let stack = try bench.compute(bench.graph.stack(masks, dimension: 0))
    for (place, k) in counts.enumerated() {
      var expected = [Float](repeating: 0, count: elements.count)
      for index in order.prefix(k) { expected[index] = 1 }
      #expect(Array(stack[(place * elements.count)...].prefix(elements.count)) == expected, "k = \(k)")
    }
  }

  /// A sample of a few runs sees all of what is in one place, or nothing.
  @Test(arguments: [0, 512, 1024, 1536], [Float(1), -1])
  func misledSamplesAreCorrected(_ start: Int, _ sign: Float) throws {
    let bench = Bench()
    var elements = [Float](repeating: 0, count: 80_000)
    for index in 0..<700 { elements[start + index] = sign * Float(1 + index % 350) }
    let order = order(elements)
    let x = try bench.tensor(elements, [80_000])
    let counts = [1, 351, 700, 701, 79_300, 79_301, 79_999]
    let results = try counts.map { k in
      let k = try bench.number(Double(k))
      let mask = try bench.graph.topMask(x, k: k)
      return (mask, try bench.graph.kthLargest(x, k: k))
    }
    for (k, (mask, largest)) in zip(counts, results) {
      var expected = [Float](repeating: 0, count: elements.count)
      for index in order.prefix(k) { expected[index] = 1 }
      #expect(try bench.compute(mask) == expected, "k = \(k)")
      #expect(try bench.value(largest) == Double(elements[order[k - 1]]), "k = \(k)")
    }
  }

  /// Large tensors, in more than one round: of many different values, and of few.
  @Test(arguments: [Float(1e9), 20])
  func largeTensorsAreSelectedFrom(_ scale: Float) throws {
    let elements = noise(2_500_000).map { ($0 * scale).rounded() }
    let sorted = elements.sorted(by: >)
    let bench = Bench()
    let x = try bench.tensor(elements, [2_500_000])
    // Elements that cost a row each have no sample.
    let rows = try bench.graph.reshape(x, [2500, 1000])
    let ranks = try bench.graph.ranks(rows, dimension: 1)
    for k in [1, 1_000_000, 1_250_000] {
      let count = try bench.number(Double(k))
      #expect(try bench.value(bench.graph.kthLargest(x, k: count)) == Double(sorted[k - 1]))
      let mask = try bench.graph.topMask(x, k: count)
      #expect(try bench.value(bench.graph.reduce(.sum, mask, operation: "sum")) == Double(k))
      let dot = try bench.value(bench.graph.reduce(.dot, mask, with: x, operation: "dot"))
      #expect(abs(dot - sorted.prefix(k).reduce(0) { $0 + Double($1) }) <= 1e-9 * abs(dot))
      let largest = try bench.graph.kthLargest(ranks, k: count)
      #expect(try bench.value(largest) == Double(1000 - (k - 1) / 2500))
    }
  }

  @Test func kMayBeLazy() throws {
    let bench = Bench()
    let elements = noise(1000)
    let x = try bench.tensor(elements, [10, 100])
    let sorted = elements.sorted(by: >)
    let k = try bench.lazyNumber(250)
    #expect(try bench.value(bench.graph.kthLargest(x, k: k)) == Double(sorted[249]))
    let mask = try bench.graph.topMask(x, k: k)
    #expect(try bench.compute(mask) == elements.map { $0 >= sorted[249] ? 1 : 0 })
    // And depend on another selection.
    let count = try bench.graph.reduce(.sum, mask, operation: "sum")
    let half = try bench.graph.binary(.divide, count, bench.number(2))
    #expect(try bench.value(bench.graph.kthLargest(x, k: half)) == Double(sorted[124]))
    // The mask in another arrangement.
    let turned = try bench.graph.transpose(mask, 0, 1)
    #expect(
      try bench.compute(turned)
        == (0..<100).flatMap { column in (0..<10).map { elements[$0 * 100 + column] >= sorted[249] ? 1 : 0 } }
    )
  }

  @Test func noneOfNaNsIsNone() throws {
    let bench = Bench()
    let x = try bench.tensor([1, .nan, .nan], [3])
    #expect(try bench.compute(bench.graph.topMask(x, k: bench.lazyNumber(0))) == [0, 0, 0])
    #expect(try bench.compute(bench.graph.topMask(x, k: bench.number(1))) == [0, 1, 0])
    let empty = try bench.tensor([], [0, 4])
    #expect(try bench.compute(bench.graph.topMask(empty, k: bench.number(0))) == [])
  }

  @Test(arguments: [
    (0.0, "kth_largest"), (11, "kth_largest"), (2.5, "kth_largest"), (.nan, "kth_largest"), (-1, "topk_mask"),
    (11, "topk_mask"), (.infinity, "topk_mask"),
  ])
  func countsOutOfRangeAreErrors(_ k: Double, _ operation: String) throws {
    let bench = Bench()
    let x = try bench.tensor(noise(10), [10])
    func select(_ k: NodeID) throws -> NodeID {
      operation == "kth_largest" ? try bench.graph.kthLargest(x, k: k) : try bench.graph.topMask(x, k: k)
    }
    let shown = k == 2.5 || !k.isFinite ? "\(k)" : "\(Int(k))"
    let message =
      "\(operation): k is \(shown), expected a whole number from \(operation == "topk_mask" ? 0 : 1) to 10"
    let known = #expect(throws: TensorError.self) { try select(bench.number(k)) }
    #expect(known.map { "\($0)" } == message)
    let lazy = try select(bench.lazyNumber(k))
    let found = #expect(throws: TensorError.self) { try bench.compute(lazy) }
    #expect(found.map { "\($0)" } == message)
  }

  @Test func ranksOfRowsLongerThanATile() throws {
    let elements = noise(3 * 100_000).map { ($0 * 1000).rounded() }
    var expected = [Float](repeating: 0, count: elements.count)
    for row in 0..<3 {
      let order = (0..<100_000).sorted {
        let (a, b) = (elements[row * 100_000 + $0], elements[row * 100_000 + $1])
        return a == b ? $0 < $1 : a < b
      }
      for (position, index) in order.enumerated() { expected[row * 100_000 + index] = Float(position + 1) }
    }
    withEvery("tile", in: [nil, 30_000]) { tile in
      let bench = Bench(threads: 2, tileSize: tile)
      let x = try bench.tensor(elements, [3, 100_000])
      expectSame(try bench.compute(bench.graph.ranks(x, dimension: 1)), expected)
    }
  }
}
