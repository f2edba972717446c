import Tensors
import TestSupport
import Testing

/// Expressions over sizes that no block, tile or chunk divides, with the same bits however they are cut.
@Suite struct DeterminismTests {
  private static let rows = 37
  private static let columns = 5003

  /// What a test computes from two matrices.
  enum Program: CaseIterable {
    case linear, centred, sums, columnSums, slerp, trimmed, ranked, drawn, joined, gathered, turned, softened
    case stacked, elementary, small

    func build(_ graph: ExpressionGraph, _ a: NodeID, _ b: NodeID) throws -> NodeID {
      func number(_ value: Double) throws -> NodeID { try graph.constant(value) }
      switch self {
      case .linear:
        return try graph.binary(
          .add, graph.binary(.multiply, a, number(0.3)), graph.binary(.multiply, b, number(0.7)))
      case .centred:
        return try graph.binary(.subtract, a, graph.mean(a, dimension: 1))
      case .sums:
        return try graph.reduce(.dot, a, with: b, dimension: 1, operation: "dot")
      case .columnSums:
        return try graph.reduce(.squares, a, dimension: 0, operation: "sum")
      case .slerp:
        let dot = try graph.reduce(.dot, a, with: b, operation: "dot")
        let norms = try graph.binary(.multiply, graph.norm(a, dimension: nil), graph.norm(b, dimension: nil))
        let angle = try graph.unary(.acos, graph.binary(.divide, dot, norms))
        return try graph.binary(
          .add, graph.binary(.multiply, a, angle), graph.binary(.multiply, b, graph.unary(.sin, angle)))
      case .trimmed:
        let delta = try graph.binary(.subtract, a, b)
        let mask = try graph.topMask(graph.unary(.abs, delta), k: number(60_000))
        return try graph.binary(.multiply, delta, mask)
      case .ranked:
        return try graph.ranks(graph.binary(.add, a, b), dimension: 1)
      case .drawn:
        let shape = graph.shape(of: a)
        let stream = RandomStream(seed: 5, name: "determinism", ordinal: 0)
        let draw = try graph.random(.normal, shape: shape, stream: stream)
        let turned = try graph.transpose(
          graph.random(.uniform, shape: Shape(shape.dimensions.reversed()), stream: stream), 0, 1)
        return try graph.binary(.add, draw, graph.binary(.multiply, turned, a))
      case .joined:
        return try graph.concatenate([a, graph.binary(.subtract, a, b), b], dimension: 1)
      case .gathered:
        return try graph.gather(
          graph.binary(.add, a, b), dimension: 1, indices: (0..<900).map { $0 * 997 % 5003 })
      case .turned:
        return try graph.transpose(graph.binary(.multiply, a, b), 0, 1)
      case .softened:
        return try graph.softmax(a, dimension: 1)
      case .stacked:
        let stack = try graph.stack([a, b, a], dimension: 0)
        return try graph.norm(stack, dimension: 0)
      case .elementary:
        return try graph.binary(
          .power, graph.unary(.exp, graph.unary(.sin, a)),
          graph.unary(.cos, graph.unary(.sqrt, graph.unary(.abs, b))))
      case .small:
        let part = try graph.narrow(a, dimension: 1, start: 3, length: 1)
        return try graph.variance(part, dimension: 0)
      }
    }
  }

  @Test(arguments: Program.allCases, [(DType.bf16, DType.f32), (.f32, .bf16), (.f16, .f8e4m3)])
  func bitsDoNotDependOnTheCut(_ program: Program, _ dtypes: (input: DType, output: DType)) throws {
    let shape = [Self.rows, Self.columns]
    let count = Self.rows * Self.columns
    let (first, second) = (encode(noise(count), dtypes.input), encode(noise(count, seed: 2), dtypes.input))
    var expected: [UInt8]?
    let cuts: [(tile: Int?, threads: Int)] = [(nil, 1), (nil, 2), (4096, 3), (1000, 7), (37, 2)]
    for (tile, threads) in cuts {
      let bench = Bench(threads: threads, tileSize: tile)
      let a = try bench.stored(bytes: first, shape, dtypes.input)
      let b = try bench.stored(bytes: second, shape, dtypes.input)
      let bytes = try bench.bytes(program.build(bench.graph, a, b), as: dtypes.output)
      #expect(
        bytes == expected ?? bytes,
        "tiles of \(tile.map(String.init) ?? "their own size"), \(threads) threads")
      expected = bytes
    }
  }

  /// Several chunks of a row, whose partial sums are joined in order.
  @Test(arguments: [1, 2, 3, 7], [nil, 999, 50_000])
  func longSumsHaveOneTree(_ threads: Int, _ tile: Int?) throws {
    let elements = noise(300_001)
    let bench = Bench(threads: threads, tileSize: tile)
    let x = try bench.tensor(elements, [300_001])
    let sum = try bench.value(bench.graph.reduce(.sum, x, operation: "sum"))
    // The tree: chunks of 65,536, in each of which element i goes to lane i % 16.
    var total: Double?
    for start in stride(from: 0, to: elements.count, by: 65_536) {
      var lanes = [Double](repeating: 0, count: 16)
      for (index, element) in elements[start..<min(start + 65_536, elements.count)].enumerated() {
        lanes[index % 16] += Double(element)
      }
      for half in [8, 4, 2, 1] { lanes = (0..<half).map { lanes[$0] + lanes[$0 + half] } }
      total = total.map { $0 + lanes[0] } ?? lanes[0]
    }
    #expect(sum == total)
  }

  /// A result is the same alone and in a sweep that it shares with others.
  @Test func companyDoesNotChangeResults() throws {
    let elements = noise(10_000)
    func build(_ graph: ExpressionGraph, _ x: NodeID) throws -> [NodeID] {
      let rows = try graph.reduce(.sum, x, dimension: 1, operation: "sum")
      let spread = try graph.binary(.divide, rows, graph.constant(3))
      return [
        try graph.reduce(.squares, spread, operation: "sum"),
        try graph.reduce(.dot, spread, with: graph.filled(Shape([100, 1]), with: 0.1), operation: "dot"),
      ]
    }
    let alone = try (0..<2).map { index in
      let bench = Bench()
      return try bench.value(build(bench.graph, bench.tensor(elements, [100, 100]))[index])
    }
    let bench = Bench()
    let both = try build(bench.graph, bench.tensor(elements, [100, 100]))
    let joined = try bench.graph.binary(
      .add, bench.graph.binary(.multiply, both[0], bench.number(1e9)), both[1])
    #expect(try bench.value(joined) == alone[0] * 1e9 + alone[1])
  }
}
