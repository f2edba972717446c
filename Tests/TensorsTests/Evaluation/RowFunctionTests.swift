import Foundation
import Tensors
import TestSupport
import Testing

/// Functions of rows, beside plain loops over them.
@Suite struct RowFunctionTests {
  /// Numbers with ties, zeros of both signs, and NaN.
  private static func values(_ count: Int) -> [Float] {
    noise(count, seed: 11).enumerated().map { index, x in
      switch index % 11 {
      case 3: 0
      case 5: -0.0
      case 7: .nan
      case 8, 9: (x * 2).rounded()
      default: x
      }
    }
  }

  /// The order of ranks: NaN last, both zeros equal.
  private static func isBefore(_ a: Float, _ b: Float) -> Bool { a.isNaN ? false : b.isNaN ? true : a < b }

  private static func order(_ row: [Float]) -> [Int] {
    row.indices.sorted { isBefore(row[$0], row[$1]) || (!isBefore(row[$1], row[$0]) && $0 < $1) }
  }

  private static func mask(_ row: [Float], _ k: Int) -> [Float] {
    let largest = row.indices.sorted {
      isBefore(row[$1], row[$0]) || (!isBefore(row[$0], row[$1]) && $0 < $1)
    }
    let chosen = Set(largest.prefix(k))
    return row.indices.map { chosen.contains($0) ? 1 : 0 }
  }

  private static func rows(_ elements: [Float], _ length: Int) -> [[Float]] {
    stride(from: 0, to: elements.count, by: length).map { Array(elements[$0..<$0 + length]) }
  }

  @Test(arguments: [1, 2, 3, 4, 8, 16, 17, 300, 70_000])
  func alongTheLastDimension(_ length: Int) throws {
    let count = max(2, 3000 / length)
    let elements = Self.values(count * length)
    let rows = Self.rows(elements, length)
    withEvery("threads", in: [1, 3]) { threads in
      withEvery("tile", in: [nil, 50]) { tileSize in
        if tileSize != nil, length > 1000 { return }
        let bench = Bench(threads: threads, tileSize: tileSize)
        let graph = bench.graph
        let x = try bench.tensor(elements, [count, length])
        expectSame(
          try bench.compute(graph.sorted(x, dimension: 1)),
          rows.flatMap { row in Self.order(row).map { row[$0] } })
        expectSame(
          try bench.compute(graph.order(x, dimension: 1)),
          rows.flatMap { Self.order($0).map { Float($0 + 1) } })
        for k in [0, 1, length / 2, length] {
          expectSame(
            try bench.compute(graph.topMask(x, k: k, dimension: 1)), rows.flatMap { Self.mask($0, k) })
        }
        expectSame(
          try bench.compute(graph.argmax(x, dimension: 1)),
          rows.map { Float(Self.mask($0, 1).firstIndex(of: 1)! + 1) })
        expectSame(
          try bench.compute(graph.cumulativeSum(x, dimension: 1)),
          rows.flatMap { row in
            var sum = 0.0
            return row.map { x -> Float in
              sum += Double(x)
              return Float(sum)
            }
          })
      }
    }
  }

  /// Masks that wait for each other: of each row the largest that no mask before has chosen. Each is computed once,
  /// within the blocks of one program, however rows, tiles and views lie.
  @Test(arguments: [(2, 1), (4, 2), (8, 3), (6, 2), (256, 64)])
  func sequences(_ length: Int, _ k: Int) throws {
    let vectors = (0..<3).map { seed in noise(length * 40, seed: UInt64(seed + 1)).map { ($0 * 8).rounded() }
    }
    var expected: [Float] = []
    for row in 0..<40 {
      var taken = [Bool](repeating: false, count: length)
      var sum = [Float](repeating: 0, count: length)
      for vector in vectors {
        let values = (0..<length).map { taken[$0] ? -1 : abs(vector[row * length + $0]) }
        for (index, chosen) in Self.mask(values, k).enumerated() where chosen == 1 {
          taken[index] = true
          sum[index] += vector[row * length + index]
        }
      }
      expected += sum
    }
    withEvery("threads", in: [1, 3]) { threads in
      withEvery("tile", in: [nil, 50]) { tileSize in
        let bench = Bench(threads: threads, tileSize: tileSize)
        let graph = bench.graph
        var sum = try graph.filled(Shape([40, length]), with: 0)
        var taken: NodeID?
        for vector in vectors {
          let x = try bench.tensor(vector, [40, length])
          let magnitude = try graph.unary(.abs, x)
          let open = try taken.map { try graph.select($0, graph.constant(-1), magnitude) } ?? magnitude
          let mask = try graph.topMask(open, k: k, dimension: 1)
          sum = try graph.binary(.add, sum, graph.binary(.multiply, x, mask))
          taken = try taken.map { try graph.binary(.maximum, $0, mask) } ?? mask
        }
        var planner = PassPlanner(graph: graph)
        let plan = try planner.plan([sum], stores: true)
        let programs = plan.stages.flatMap { $0 }.compactMap { work -> Program? in
          if case .sweep(let sweep) = work { sweep.program } else { nil }
        }
        #expect(programs.count == 1 && programs[0].blockRows.count == 3)
        expectSame(try bench.compute(sum), expected)
        // As pieces of something larger, from within a row on, and reduced.
        let shifted = try graph.narrow(
          graph.reshape(sum, [40 * length]), dimension: 0, start: 1, length: 39 * length)
        expectSame(try bench.compute(shifted), Array(expected[1...39 * length]))
        let joined = try graph.concatenate([shifted, graph.reshape(sum, [40 * length])], dimension: 0)
        expectSame(try bench.compute(joined), Array(expected[1...39 * length]) + expected)
        #expect(
          try bench.value(graph.reduce(.sum, sum, operation: "sum"))
            == Double(expected.reduce(0) { $0 + Double($1) }))
        expectSame(
          try bench.compute(graph.reduce(.sum, sum, dimension: 0, operation: "sum")),
          (0..<length).map { column in
            Float((0..<40).reduce(0.0) { $0 + Double(expected[$1 * length + column]) })
          })
      }
    }
  }

  @Test func alongAnotherDimension() throws {
    let bench = Bench()
    let graph = bench.graph
    let x = try bench.tensor([3, 1, 2, 9, 8, 7], [3, 2])
    #expect(try bench.compute(graph.sorted(x, dimension: 0)) == [2, 1, 3, 7, 8, 9])
    #expect(try bench.compute(graph.order(x, dimension: 0)) == [2, 1, 1, 3, 3, 2])
    #expect(try bench.compute(graph.cumulativeSum(x, dimension: 0)) == [3, 1, 5, 10, 13, 17])
    #expect(try bench.compute(graph.topMask(x, k: 1, dimension: 0)) == [0, 0, 0, 1, 1, 0])
    #expect(try bench.compute(graph.argmax(x, dimension: 0)) == [3, 2])
    #expect(try bench.value(graph.argmax(x, dimension: nil)) == 4)
    // Within a larger expression, and of what is computed.
    let mask = try graph.topMask(graph.unary(.abs, graph.unary(.negate, x)), k: 1, dimension: 1)
    #expect(try bench.compute(graph.binary(.multiply, x, mask)) == [3, 0, 0, 9, 8, 0])
    #expect(throws: TensorError.badCount(operation: "topk_mask", k: 4, count: 3)) {
      try graph.topMask(x, k: 4, dimension: 0)
    }
  }

  @Test func quantiles() throws {
    let bench = Bench()
    let graph = bench.graph
    let x = try bench.tensor([4, 1, 3, 2, 10, 20, 40, 30], [2, 4])
    #expect(try bench.value(graph.quantile(x, 0, dimension: nil)) == 1)
    #expect(try bench.value(graph.quantile(x, 0.5, dimension: nil)) == 7)
    #expect(try bench.value(graph.quantile(x, 1, dimension: nil)) == 40)
    #expect(try bench.compute(graph.quantile(x, 0.5, dimension: 1)) == [2.5, 25])
    #expect(try bench.compute(graph.quantile(x, 1, dimension: 0)) == [10, 20, 40, 30])
    #expect(try bench.value(graph.kthSmallest(x, k: bench.number(3))) == 3)
    #expect(try bench.value(graph.kthSmallest(x, k: bench.lazyNumber(8))) == 40)
    #expect(throws: TensorError.badCount(operation: "kth_smallest", k: 9, count: 8)) {
      try graph.kthSmallest(x, k: bench.number(9))
    }
    #expect(throws: TensorError.badShare(operation: "quantile", 1.5)) {
      try graph.quantile(x, 1.5, dimension: nil)
    }
  }

  @Test func slicesByALazyIndex() throws {
    let bench = Bench(threads: 3)
    let graph = bench.graph
    let x = try bench.tensor(noise(5 * 4 * 3), [5, 4, 3])
    let index = try bench.tensor([4, 1, 1], [3])
    for dimension in 0..<3 where dimension != 2 {
      expectSame(
        try bench.compute(graph.gather(x, dimension: dimension, index: index)),
        try bench.compute(graph.gather(x, dimension: dimension, indices: [3, 0, 0])))
    }
    // The dtype and float64 stay.
    let halves = try graph.convert(x, to: .bf16)
    #expect(graph.dtype(of: try graph.gather(halves, dimension: 1, index: index)) == .bf16)
    let doubles = try graph.reduce(.sum, x, dimension: 2, operation: "sum")
    let chosen = try graph.gather(doubles, dimension: 1, index: index)
    #expect(graph[chosen].precision == .double)
    expectSame(
      try bench.compute(chosen), try bench.compute(graph.gather(doubles, dimension: 1, indices: [3, 0, 0])))
    // Rows in the order of their sums.
    let sums = try graph.reshape(graph.reduce(.sum, x, dimension: 2, operation: "sum"), [5, 4])
    let first = try graph.reshape(graph.narrow(sums, dimension: 1, start: 0, length: 1), [5])
    let order = try graph.order(first, dimension: 0)
    let sorted = try bench.compute(graph.gather(first, dimension: 0, index: order))
    #expect(sorted == (try bench.compute(graph.sorted(first, dimension: 0))) && sorted == sorted.sorted())
    for bad in [Float(0), 6, 1.5, .nan] {
      #expect(throws: TensorError.self) {
        try bench.compute(graph.gather(x, dimension: 0, index: bench.tensor([bad], [1])))
      }
    }
    #expect(
      "\(TensorError.badLazyIndex(operation: "index_select", 6, size: 5))"
        == "index_select: index 6 is not a whole number within a dimension of size 5 (expected 1 to 5)")
    #expect(throws: TensorError.needsVector(operation: "index_select", Shape([1, 1]))) {
      try graph.gather(x, dimension: 0, index: bench.tensor([1], [1, 1]))
    }
  }

  /// The greatest sum over all permutations.
  private func best(_ gains: [Float], _ size: Int) -> Double {
    func best(_ row: Int, _ used: Set<Int>) -> Double {
      if row == size { return 0 }
      return (0..<size).filter { !used.contains($0) }
        .map { Double(gains[row * size + $0]) + best(row + 1, used.union([$0])) }.max() ?? 0
    }
    return best(0, [])
  }

  @Test(arguments: [1, 2, 3, 6, 7])
  func assignments(_ size: Int) throws {
    for seed in 1...20 {
      let bench = Bench()
      // Every other matrix has many ties.
      let gains = noise(size * size, seed: UInt64(seed)).map { seed % 2 == 0 ? ($0 * 2).rounded() : $0 }
      let columns = try bench.compute(bench.graph.assignment(bench.tensor(gains, [size, size])))
      #expect(Set(columns) == Set((1...size).map { Float($0) }))
      let sum = columns.enumerated().reduce(0.0) {
        $0 + Double(gains[$1.offset * size + Int($1.element) - 1])
      }
      #expect(abs(sum - best(gains, size)) < 1e-6)
    }
  }

  @Test func hyperbolicTangents() throws {
    let bench = Bench()
    let values: [Float] =
      (-400...400).map { Float($0) / 20 } + [0.049, 0.051, 1e-30, -1e-8, 0, -0.0, .infinity, -.infinity]
    let found = try bench.compute(bench.graph.unary(.tanh, bench.tensor(values, [values.count])))
    for (x, y) in zip(values, found) {
      let exact = tanh(Double(x))
      #expect(abs(Double(y) - exact) <= abs(exact) * 0x1p-24 + 1e-45, "\(x)")
      #expect(y.sign == x.sign)
    }
    #expect(try bench.compute(bench.graph.unary(.tanh, bench.tensor([.nan], [1])))[0].isNaN)
    #expect(abs(try bench.value(bench.graph.unary(.tanh, bench.lazyNumber(0.75))) - tanh(0.75)) < 1e-15)
  }
}
