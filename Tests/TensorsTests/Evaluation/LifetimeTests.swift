import Tensors
import TestSupport
import Testing

@Suite struct LifetimeTests {
  private typealias Builder = @Sendable (ExpressionGraph, NodeID, NodeID, NodeID) throws -> [NodeID]

  /// Every way to build a node, given three operands.
  private static let builders: [(name: String, build: Builder)] = [
    ("unary", { g, a, _, _ in [try g.unary(.exp, a)] }),
    ("binary", { g, a, b, _ in [try g.binary(.add, a, b)] }),
    (
      "times one",
      { g, a, _, _ in
        let one = try g.constant(1)
        defer { g.release(one) }
        return [try g.binary(.multiply, a, one)]
      }
    ),
    ("where", { g, a, b, c in [try g.select(a, b, c)] }),
    ("clamp", { g, a, b, c in [try g.clamp(a, b, c)] }),
    ("clamp below", { g, a, b, _ in [try g.clamp(a, b, nil)] }),
    ("clamp above", { g, a, _, c in [try g.clamp(a, nil, c)] }),
    ("clamp nothing", { g, a, _, _ in [try g.clamp(a, nil, nil)] }),
    ("to", { g, a, _, _ in [try g.convert(a, to: .bf16)] }),
    ("to its own", { g, a, _, _ in [try g.convert(a, to: .f32)] }),
    ("identical", { g, a, b, _ in [try g.identical([a, a])] }),
    ("reshape", { g, a, _, _ in [try g.reshape(a, [-1])] }),
    ("transpose", { g, a, _, _ in [try g.transpose(a, 0, 1)] }),
    ("narrow", { g, a, _, _ in [try g.narrow(a, dimension: 0, start: 1, length: 1)] }),
    ("index_select", { g, a, _, _ in [try g.gather(a, dimension: 0, indices: [1, 1])] }),
    ("cat", { g, a, b, c in [try g.concatenate([a, b, c], dimension: 0)] }),
    ("stack", { g, a, b, c in [try g.stack([a, b, c, a], dimension: 1)] }),
    ("pad", { g, a, _, _ in [try g.pad(a, dimension: 1, before: 1, after: 2, value: 0)] }),
    ("sum", { g, a, _, _ in [try g.reduce(.sum, a, operation: "sum")] }),
    ("dot", { g, a, b, _ in [try g.reduce(.dot, a, with: b, dimension: 0, operation: "dot")] }),
    ("mean", { g, a, _, _ in [try g.mean(a, dimension: 0)] }),
    ("norm", { g, a, _, _ in [try g.norm(a, dimension: nil)] }),
    ("var", { g, a, _, _ in [try g.variance(a, dimension: 1)] }),
    ("count_nonzero", { g, a, _, _ in [try g.countNonzero(a, dimension: nil)] }),
    ("softmax", { g, a, _, _ in [try g.softmax(a, dimension: 1)] }),
    ("rank", { g, a, _, _ in [try g.ranks(a, dimension: 0)] }),
    (
      "topk_mask",
      { g, a, _, _ in
        let k = try g.constant(2)
        defer { g.release(k) }
        return [try g.topMask(a, k: k)]
      }
    ),
    (
      "kth_largest",
      { g, a, _, _ in
        let k = try g.constant(2)
        defer { g.release(k) }
        return [try g.kthLargest(a, k: k)]
      }
    ),
    (
      "defer",
      { g, a, _, _ in
        let sum = try g.reduce(.sum, a, operation: "sum")
        defer { g.release(sum) }
        return try g.deferred([sum, sum], DeferredCall(outputs: 3) { [$0[0], $0[1], 1] })
      }
    ),
  ]

  struct Refusal: Error {}

  /// Wherever building is refused, nothing is left; and what is built is alone alive, and goes with its
  /// last reference.
  @Test(arguments: [[2, 3], [4, 5000]])
  func buildersKeepReferencesStraight(_ shape: [Int]) throws {
    withEvery("builder", in: Self.builders.indices) { index in
      withEvery("refusal after", in: 0..<40) { allowed in
        let bench = Bench()
        let graph = bench.graph
        let operands = try (0..<3).map {
          try bench.tensor(noise(shape.reduce(1, *), seed: UInt64($0 + 1)), shape)
        }
        var charged = 0
        var rest = allowed
        graph.charge = {
          guard rest > 0 else { throw Refusal() }
          rest -= 1
          charged += $0
        }
        graph.discharge = { charged -= $0 }
        let results: [NodeID]
        do {
          results = try Self.builders[index].build(graph, operands[0], operands[1], operands[2])
        } catch is Refusal {
          results = []
        }
        if results.isEmpty {
          #expect(graph.liveCount == 3, "\(Self.builders[index].name) after \(allowed)")
          #expect(charged == 0, "\(Self.builders[index].name) after \(allowed)")
        } else if allowed == 39 {
          graph.charge = { _ in }
          for result in results { _ = try bench.bytes(result, as: .f32) }
        }
        graph.discharge = { _ in }
        results.forEach(graph.release)
        #expect(graph.liveCount == 3, "\(Self.builders[index].name) after \(allowed)")
        operands.forEach(graph.release)
        #expect(graph.liveCount == 0, "\(Self.builders[index].name) after \(allowed)")
      }
    }
  }

  @Test func buildersThatFailKeepReferencesStraight() throws {
    let bench = Bench()
    let graph = bench.graph
    let x = try bench.tensor(noise(6), [2, 3])
    let y = try bench.tensor(noise(4), [4])
    let whole = try bench.stored(bytes: [1, 2, 3, 4], [4], .u8)
    let failures: [() throws -> NodeID] = [
      { try graph.binary(.add, x, y) }, { try graph.select(x, y, x) }, { try graph.clamp(x, x, y) },
      { try graph.reshape(x, [4]) }, { try graph.reshape(x, [-1, 0]) }, { try graph.reshape(x, [-2, -3]) },
      { try graph.narrow(x, dimension: 0, start: 1, length: 2) },
      { try graph.narrow(x, dimension: 0, start: .max, length: 2) },
      { try graph.gather(x, dimension: 1, indices: [3]) }, { try graph.concatenate([x, y], dimension: 0) },
      { try graph.concatenate([], dimension: 0) }, { try graph.stack([x, y], dimension: 0) },
      { try graph.pad(x, dimension: 0, before: -1, after: 0, value: 0) },
      { try graph.pad(x, dimension: 0, before: 1 << 60, after: 0, value: 0) },
      { try graph.reduce(.dot, x, with: y, operation: "dot") }, { try graph.identical([x, y]) },
      { try graph.identical([]) }, { try graph.kthLargest(x, k: y) }, { try graph.unary(.abs, whole) },
      { try graph.convert(x, to: .i64) },
      { try graph.filled(Shape([2]), with: 1, dtype: .u8) }, { try graph.topMask(whole, k: bench.number(1)) },
      {
        try graph.gather(
          graph.filled(Shape([1, 1 << 46]), with: 0), dimension: 0, indices: [Int](repeating: 0, count: 9))
      },
      {
        try graph.binary(
          .add, graph.filled(Shape([1 << 40, 1]), with: 0), graph.filled(Shape([1, 1 << 40]), with: 0))
      },
    ]
    for (index, build) in failures.enumerated() {
      #expect(throws: TensorError.self, "failure \(index)") { _ = try build() }
    }
    // The last ones leave operands that only they name.
    #expect(graph.liveCount == 3 + 4)
  }

  /// What a scope made goes with it, but for its results, nested or not, and whether it succeeds or fails.
  @Test func scopesReleaseWhatTheyMade() throws {
    let bench = Bench()
    let graph = bench.graph
    let x = try bench.tensor([1, 2, 3], [3])
    let root = try graph.scope {
      let squares = try graph.scope { try graph.binary(.multiply, x, graph.unary(.abs, x)) }
      return try graph.unary(.sqrt, graph.reduce(.sum, squares, operation: "sum"))
    }
    #expect(graph.liveCount == 5)
    graph.release(root)
    #expect(graph.liveCount == 1)

    // A node that was there before is a result as good as a new one.
    #expect(try graph.scope { x } == x)
    graph.release(x)
    #expect(graph.liveCount == 1)

    #expect(throws: TensorError.self) {
      try graph.scope { [try graph.unary(.abs, x), try graph.reshape(x, [7])] }
    }
    #expect(graph.liveCount == 1)
  }

  @Test func tensThousandExpressionsLeaveNothing() throws {
    let bench = Bench()
    let x = try bench.tensor(noise(20), [4, 5])
    let evaluator = bench.evaluator()
    var done = 0
    for index in 0..<10_000 {
      let norm = try bench.graph.norm(x, dimension: index % 2)
      let scaled = try bench.graph.binary(.divide, x, norm)
      if index % 20 == 0 {
        try evaluator.store(scaled, as: .f32, to: MemorySource(byteCount: 80)) { _ in done += 1 }
      }
      [norm, scaled].forEach(bench.graph.release)
    }
    try evaluator.finish()
    #expect(done == 500)
    #expect(bench.graph.liveCount == 1)
  }

  @Test func resultsOfASharedSweepOutliveTheirInputs() throws {
    let bench = Bench()
    let x = try bench.tensor([1, 2, 3], [3])
    let sum = try bench.graph.reduce(.sum, x, operation: "sum")
    bench.graph.release(x)
    #expect(bench.graph.liveCount == 2)
    #expect(try bench.value(sum) == 6)
    #expect(bench.graph.constantValue(sum) == 6)
    #expect(bench.graph.liveCount == 1)
  }

  @Test func weakReferencesDoNotKeepAndDoNotMistake() throws {
    let bench = Bench()
    let x = try bench.number(1)
    let weak = bench.graph.weak(x)
    #expect(bench.graph.strong(weak) == x)
    bench.graph.release(x)
    bench.graph.release(x)
    #expect(bench.graph.strong(weak) == nil)
    // Another node in the same place.
    #expect(try bench.number(2) == x)
    #expect(bench.graph.strong(weak) == nil)
  }
}
