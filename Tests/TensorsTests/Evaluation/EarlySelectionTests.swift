import Tensors
import TestSupport
import Testing

/// Selections that need not wait for the numbers in the last operations on their elements.
@Suite struct EarlySelectionTests {
  private typealias Build = @Sendable (ExpressionGraph, NodeID, NodeID) throws -> NodeID

  /// What is done to elements with a number, by name.
  private static let chains: [(name: String, build: Build)] = [
    ("clamped magnitudes", { g, x, n in try g.unary(.abs, g.clamp(x, g.unary(.negate, n), n)) }),
    (
      "squares of clamped",
      { g, x, n in
        let held = try g.clamp(x, n, g.unary(.negate, n))
        return try g.binary(.multiply, held, held)
      }
    ),
    ("unlike bounds", { g, x, n in try g.unary(.abs, g.clamp(x, g.constant(-0.5), n)) }),
    ("at least", { g, x, n in try g.clamp(x, n, nil) }),
    ("at most, number first", { g, x, n in try g.binary(.minimum, n, x) }),
    ("clamped magnitude", { g, x, n in try g.clamp(g.unary(.abs, x), nil, n) }),
    ("times", { g, x, n in try g.binary(.multiply, n, x) }),
    ("magnitudes of products", { g, x, n in try g.unary(.abs, g.unary(.negate, g.binary(.multiply, x, n))) }),
    ("divided", { g, x, n in try g.binary(.divide, x, n) }),
    ("number divided", { g, x, n in try g.binary(.divide, n, x) }),
    ("plus", { g, x, n in try g.binary(.add, x, n) }),
    ("magnitudes of sums", { g, x, n in try g.unary(.abs, g.binary(.add, x, n)) }),
    ("less", { g, x, n in try g.binary(.subtract, x, n) }),
    ("number less", { g, x, n in try g.binary(.subtract, n, x) }),
    (
      "several",
      { g, x, n in
        let scaled = try g.binary(.divide, g.binary(.multiply, g.constant(3), x), n)
        let held = try g.clamp(g.unary(.abs, scaled), nil, g.unary(.abs, n))
        return try g.binary(.subtract, g.binary(.multiply, held, n), g.constant(0.1))
      }
    ),
  ]

  private static let elements: [(name: String, values: [Float])] = [
    ("different", noise(3001, seed: 11)),
    ("many equal", noise(3001, seed: 12).map { ($0 * 20).rounded() / 20 }),
    ("next to each other", (0..<3001).map { Float(bitPattern: 0x3e80_0000 + UInt32($0 * 7919 % 1500)) }),
    ("special", (0..<3001).map { [0, -0.0, .nan, .infinity, -.infinity, 0x1p-149, -1, 0.3, 3e38][$0 % 9] }),
  ]

  /// Whatever the number makes of their order: from clamps that hold all to factors that turn it round.
  @Test(arguments: chains.indices)
  func selectionsAreThoseOfElementsComputedFirst(_ index: Int) throws {
    let (name, build) = Self.chains[index]
    let numbers = [0.7, 0.25, 1.0 / 3, 1, 0, -0.4, 1e-44, 1e-50, 3e38, 1e300, .infinity, -.infinity, .nan]
    for (kind, values) in Self.elements {
      withEvery("\(name) of \(kind) elements with the number", in: numbers) { number in
        let bench = Bench(tileSize: 1000)
        let graph = bench.graph
        let x = try bench.stored(values, [3001], .f32)
        let known = try bench.stored(bench.compute(build(graph, x, bench.number(number))), [3001], .f32)
        /// Of a number that no other selection has waited for.
        func changed() throws -> NodeID { try build(graph, x, bench.lazyNumber(number)) }
        withEvery("k", in: [0, 1, 30, 1500, 3000, 3001]) { k in
          let k = try bench.number(Double(k))
          expectSame(
            try bench.compute(graph.topMask(changed(), k: k)), try bench.compute(graph.topMask(known, k: k)))
          guard graph.constantValue(k) != 0 else { return }
          expectSame(
            [Float(try bench.value(graph.kthLargest(changed(), k: k)))],
            [Float(try bench.value(graph.kthLargest(known, k: k)))])
        }
      }
    }
  }

  /// How often all of `x` is read for x / norm, where what `selectedFrom` makes of it is among the largest third.
  private func sweeps(
    of x: [Float] = noise(600_000, seed: 13),
    _ selectedFrom: (ExpressionGraph, NodeID, NodeID) throws -> NodeID
  ) throws -> Double {
    let bench = Bench()
    let graph = bench.graph
    let source = RecordingSource(encode(x, .f32))
    let stored = try bench.stored(source, [x.count], .f32)
    let third = try bench.number(Double(x.count / 3))
    let norm = try graph.norm(stored, dimension: nil)
    let mask = try graph.topMask(selectedFrom(graph, stored, norm), k: third)
    let kept = try bench.compute(graph.binary(.multiply, graph.binary(.divide, stored, norm), mask))
    let sweeps = Double(source.bytesRead) / Double(source.byteCount)
    // The norm is known by now.
    let known = try bench.stored(bench.compute(selectedFrom(graph, stored, norm)), [x.count], .f32)
    let expected = try bench.compute(
      graph.binary(.multiply, graph.binary(.divide, stored, norm), graph.topMask(known, k: third)))
    expectSame(kept, expected)
    return sweeps
  }

  /// One sweep for what is found of all elements, and one for the result; samples and the unit with the last of
  /// equal elements come on top.
  @Test func numbersThatOnlyKeepTheOrderDoNotCostASweep() throws {
    #expect(try sweeps { _, x, _ in x } < 2.3)
    #expect(try sweeps { try $0.binary(.divide, $1, $2) } < 2.3)
    let held = try sweeps { graph, x, norm in
      let limit = try graph.binary(.divide, norm, graph.constant(600))
      return try graph.unary(.abs, graph.clamp(x, graph.unary(.negate, limit), limit))
    }
    #expect(held < 2.3)
  }

  /// Where the k-th largest is one of many that a bound makes equal, they are counted.
  @Test func boundsThatDecideCostASweep() throws {
    let held = try sweeps { graph, x, norm in
      try graph.clamp(x, nil, graph.binary(.divide, norm, graph.constant(100_000)))
    }
    #expect(held > 2.9)
  }

  @Test func elementsOfFewValuesAreSelectedFrom() throws {
    let x = noise(200_000, seed: 14).map { ($0 * 4).rounded() / 4 }
    for part in [1.0, 500, 1500] {
      _ = try sweeps(of: x) { try $0.clamp($1, nil, $0.binary(.divide, $2, $0.constant(part))) }
    }
    _ = try sweeps(of: x) { try $0.binary(.divide, $1, $2) }
  }
}
