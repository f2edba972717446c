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
