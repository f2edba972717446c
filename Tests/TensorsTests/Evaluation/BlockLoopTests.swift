import Tensors
import Testing

/// The loops in C, which the processor at hand takes in its own variant, beside Swift's own operators.
@Suite struct BlockLoopTests {
  /// All kinds of numbers; every third pair is equal.
  private let first: [Float]
  private let second: [Float]

  init() {
    var generator = TestGenerator(state: 41)
    first = generator.floats(2003)
    let others = generator.floats(2003)
    second = zip(first, others).enumerated().map { $0.offset % 3 == 0 ? $0.element.0 : $0.element.1 }
  }

  private static let operations: [(BinaryOperation, @Sendable (Float, Float) -> Float)] = [
    (.add, { $0 + $1 }), (.subtract, { $0 - $1 }), (.multiply, { $0 * $1 }), (.divide, { $0 / $1 }),
    (.equal, { $0 == $1 ? 1 : 0 }), (.notEqual, { $0 != $1 ? 1 : 0 }), (.less, { $0 < $1 ? 1 : 0 }),
    (.lessOrEqual, { $0 <= $1 ? 1 : 0 }), (.greater, { $0 > $1 ? 1 : 0 }),
    (.greaterOrEqual, { $0 >= $1 ? 1 : 0 }), (.minimum, Extrema.minimum), (.maximum, Extrema.maximum),
  ]

  @Test func binaryOperationsAreThoseOfSwift() throws {
    let bench = Bench()
    let (a, b) = (try bench.tensor(first, [2003]), try bench.tensor(second, [2003]))
    let number = try bench.number(1.5)
    for (operation, function) in Self.operations {
      expectSame(try bench.compute(bench.graph.binary(operation, a, b)), zip(first, second).map(function))
      expectSame(try bench.compute(bench.graph.binary(operation, a, number)), first.map { function($0, 1.5) })
      expectSame(
        try bench.compute(bench.graph.binary(operation, number, b)), second.map { function(1.5, $0) })
    }
  }

  private enum Form: CaseIterable { case floats, bfloat16, number }

  /// An operand of 1001 elements, and what they are.
  private func operand(_ values: [Float], _ form: Form, _ bench: Bench) throws -> (NodeID, [Float]) {
    let values = Array(values.prefix(1001))
    switch form {
    case .floats: return (try bench.tensor(values, [1001]), values)
    case .bfloat16:
      let node = try bench.stored(values, [1001], .bf16)
      return (node, try bench.compute(node))
    case .number: return (try bench.number(-1.5), [Float](repeating: -1.5, count: 1001))
    }
  }

  /// What only one operation reads is computed in that one's loop, and bfloat16 where it is read.
  @Test(arguments: operations.indices)
  func operationsOnResultsOfOthersAreThoseOfSwift(_ index: Int) throws {
    let bench = Bench(threads: 1)
    let (operation, function) = Self.operations[index]
    for (x, y) in [
      (Form.floats, Form.floats), (.floats, .number), (.number, .floats), (.bfloat16, .bfloat16),
      (.bfloat16, .floats), (.floats, .bfloat16), (.bfloat16, .number),
    ] {
      let ((a, first), (b, second)) = (try operand(first, x, bench), try operand(second, y, bench))
      let expected = zip(first, second).map(function)
      func result() throws -> NodeID { try bench.graph.binary(operation, a, b) }
      expectSame(try bench.compute(bench.graph.unary(.abs, result())), expected.map(\.magnitude))
      for form in Form.allCases {
        let (c, third) = try operand(second.reversed(), form, bench)
        for (outer, outerFunction) in Self.operations {
          let after = try bench.compute(bench.graph.binary(outer, result(), c))
          expectSame(after, zip(expected, third).map(outerFunction))
          let before = try bench.compute(bench.graph.binary(outer, c, result()))
          expectSame(before, zip(third, expected).map(outerFunction))
        }
      }
    }
  }

  /// A leaf that one reader can take as bfloat16 and another cannot, results that two read, and a result twice.
  @Test func whatSeveralReadIsComputedForAll() throws {
    let bench = Bench(threads: 1)
    let ((a, first), (b, second)) = (
      try operand(first, .bfloat16, bench), try operand(second, .bfloat16, bench)
    )
    let graph = bench.graph
    let difference = try graph.binary(.subtract, a, b)
    let square = try graph.binary(.multiply, difference, difference)
    let sum = try graph.binary(.add, square, graph.binary(.divide, difference, b))
    expectSame(
      try bench.compute(sum),
      zip(first, second).map { x, y in (x - y) * (x - y) + (x - y) / y })
    expectSame(try bench.compute(a), first)
  }

  @Test func signsAreThoseOfSwift() throws {
    let bench = Bench()
    let a = try bench.tensor(first, [2003])
    expectSame(try bench.compute(bench.graph.unary(.negate, a)), first.map { -$0 })
    expectSame(try bench.compute(bench.graph.unary(.abs, a)), first.map(\.magnitude))
    expectSame(
      try bench.compute(bench.graph.unary(.sign, a)), first.map { $0 > 0 ? 1 : ($0 < 0 ? -1 : $0) })
  }

  @Test func rootsAndWholeNumbersAreThoseOfSwift() throws {
    let bench = Bench()
    let a = try bench.tensor(first, [2003])
    expectSame(try bench.compute(bench.graph.unary(.sqrt, a)), first.map { $0.squareRoot() })
    expectSame(try bench.compute(bench.graph.unary(.round, a)), first.map { $0.rounded(.toNearestOrEven) })
    expectSame(try bench.compute(bench.graph.unary(.floor, a)), first.map { $0.rounded(.down) })
  }

  /// With and without NaN, from every start, so that the ends of the vectors' loops are met.
  @Test func extremaAreThoseOfSwift() throws {
    let bench = Bench()
    for values in [first, first.filter { !$0.isNaN }, first.filter { $0 == 0 }] {
      for start in 0..<min(20, values.count) {
        let part = Array(values[start...])
        let x = try bench.tensor(part, [part.count])
        let least = try bench.value(bench.graph.reduce(.minimum, x, operation: "min"))
        let greatest = try bench.value(bench.graph.reduce(.maximum, x, operation: "max"))
        #expect(isSame(Float(least), Extrema.minimum(of: part, count: part.count)))
        #expect(isSame(Float(greatest), Extrema.maximum(of: part, count: part.count)))
      }
    }
  }

  /// A number for each row, over rows that end within blocks and tiles.
  @Test(arguments: [nil, 100, 1000], [64, 100, 1500])
  func numbersOfRowsAreSpread(_ tile: Int?, _ width: Int) throws {
    let bench = Bench(tileSize: tile)
    let rows = 2003 / 2
    let numbers = try bench.stored(Array(first.prefix(rows)), [rows, 1], .f32)
    let zeros = try bench.graph.filled(Shape([rows, width]), with: 0)
    let isNumber = try bench.graph.binary(.equal, numbers, numbers)
    let spread = try bench.graph.select(isNumber, numbers, zeros)
    let expected = first.prefix(rows).flatMap { [Float](repeating: $0.isNaN ? 0 : $0, count: width) }
    #expect(try bench.compute(spread) == expected)
  }
}
