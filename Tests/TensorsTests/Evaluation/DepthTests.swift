import Tensors
import TestSupport
import Testing

/// Expressions so deep that recursion would overflow a stack, and so long that quadratic time would show.
@Suite struct DepthTests {
  /// Replaces a node by what `step` makes of it, many times.
  private func grow(
    _ bench: Bench, _ start: NodeID, _ count: Int, _ step: (NodeID, Int) throws -> NodeID
  ) rethrows -> NodeID {
    var node = start
    for index in 0..<count {
      let next = try step(node, index)
      bench.graph.release(node)
      node = next
    }
    return node
  }

  @Test func aMillionOperations() throws {
    let bench = Bench()
    let number = try bench.number(1.5)
    let node = try grow(bench, bench.tensor([1, 2, 3], [3]), 1_000_000) { node, _ in
      try bench.graph.binary(.add, node, number)
    }
    #expect(try bench.compute(node) == [1_500_001, 1_500_002, 1_500_003])
    bench.graph.release(node)
    bench.graph.release(number)
    #expect(bench.graph.liveCount == 0)
  }

  @Test func aMillionOperationsOnLazyNumbers() throws {
    let bench = Bench()
    let number = try bench.number(2)
    let node = try grow(bench, bench.lazyNumber(1), 1_000_000) { node, index in
      try bench.graph.binary(index % 2 == 0 ? .add : .subtract, node, number)
    }
    #expect(try bench.value(node) == 1)
    bench.graph.release(node)
    bench.graph.release(number)
  }

  @Test func thousandsOfReductionsOneAfterTheOther() throws {
    let bench = Bench()
    let x = try bench.tensor([1, 2, 4, 8], [4])
    let node = try grow(bench, bench.number(1), 2000) { node, _ in
      let scaled = try bench.graph.binary(.multiply, x, node)
      let sum = try bench.graph.reduce(.sum, scaled, operation: "sum")
      defer { [scaled, sum].forEach(bench.graph.release) }
      return try bench.graph.binary(.divide, sum, bench.number(15))
    }
    #expect(try bench.value(node) == 1)
  }

  @Test func aHundredThousandConcatenations() throws {
    let bench = Bench()
    let count = 100_000
    let zero = try bench.tensor([0], [1])
    let one = try bench.tensor([1], [1])
    let node = try grow(bench, zero, count) { node, index in
      try bench.graph.concatenate([node, index % 2 == 0 ? one : zero], dimension: 0)
    }
    #expect(try bench.compute(node) == (0...count).map { Float($0 % 2) })
  }

  @Test func selectionsOfSelections() throws {
    let bench = Bench()
    let x = try bench.tensor(noise(100), [100])
    let node = try grow(bench, bench.tensor(noise(100), [100]), 10_000) { node, index in
      let limit = try bench.number(Double(index % 100) / 50 - 1)
      let above = try bench.graph.binary(.greater, x, limit)
      defer { [limit, above].forEach(bench.graph.release) }
      return try bench.graph.select(above, node, x)
    }
    // The lowest limit lets only the other side of the choice through.
    #expect(try bench.compute(node) == noise(100))
  }

  /// Each step uses the one before it twice, at other positions: computing both would double the work.
  @Test func rotatedHalvesDoNotDouble() throws {
    let bench = Bench()
    let elements = noise(64)
    let node = try grow(bench, bench.tensor(elements, [64]), 60) { node, _ in
      let first = try bench.graph.narrow(
        bench.graph.binary(.add, node, node), dimension: 0, start: 0, length: 32)
      let second = try bench.graph.narrow(node, dimension: 0, start: 32, length: 32)
      return try bench.graph.concatenate(
        [bench.graph.unary(.negate, second), bench.graph.binary(.multiply, first, bench.number(0.5))],
        dimension: 0)
    }
    // Four quarter turns are the whole.
    #expect(try bench.compute(node) == elements)
  }

  /// Reshapes across transposes, none of which is a strided map of the one before it.
  @Test func rearrangementsThatDoNotCompose() throws {
    let bench = Bench()
    let node = try grow(bench, bench.tensor((0..<12).map(Float.init), [3, 4]), 600) { node, _ in
      let turned = try bench.graph.transpose(node, 0, 1)
      defer { bench.graph.release(turned) }
      return try bench.graph.reshape(turned, [3, 4])
    }
    var expected = (0..<12).map(Float.init)
    for _ in 0..<600 { expected = (0..<4).flatMap { column in (0..<3).map { expected[$0 * 4 + column] } } }
    #expect(try bench.compute(node) == expected)
  }

  @Test func aSumOfManyTermsThatNeedAPassOfTheirOwn() throws {
    let bench = Bench()
    let x = try bench.tensor((0..<12).map(Float.init), [3, 4])
    let turned = try bench.graph.reshape(bench.graph.transpose(x, 0, 1), [3, 4])
    let again = try bench.graph.transpose(turned, 0, 1)
    let node = try grow(bench, bench.graph.filled(Shape([4, 3]), with: 0), 2000) { node, _ in
      try bench.graph.binary(.add, node, bench.graph.binary(.multiply, again, bench.number(1)))
    }
    func transposed(_ elements: [Float]) -> [Float] {
      (0..<4).flatMap { column in (0..<3).map { elements[$0 * 4 + column] } }
    }
    #expect(try bench.compute(node) == transposed(transposed((0..<12).map(Float.init))).map { $0 * 2000 })
  }
}
