import Tensors
import Testing

/// What a sum is of, over Float and over Double.
private enum Term: CaseIterable {
  case value, square, product

  func of(_ x: Double, _ y: Double) -> Double {
    switch self {
    case .value: x
    case .square: x * x
    case .product: x * y
    }
  }

  func add(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int, _ start: Int, to sum: inout LaneSum
  ) {
    switch self {
    case .value: sum.addSum(x, count: count, startIndex: start)
    case .square: sum.addSquares(x, count: count, startIndex: start)
    case .product: sum.addDot(x, y, count: count, startIndex: start)
    }
  }

  func add(
    _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, _ count: Int, _ start: Int, to sum: inout LaneSum
  ) {
    switch self {
    case .value: sum.addSum(x, count: count, startIndex: start)
    case .square: sum.addSquares(x, count: count, startIndex: start)
    case .product: sum.addDot(x, y, count: count, startIndex: start)
    }
  }

  func addColumns(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Double>, _ count: Int
  ) {
    switch self {
    case .value: ColumnAccumulation.addSum(x, to: sums, count: count)
    case .square: ColumnAccumulation.addSquares(x, to: sums, count: count)
    case .product: ColumnAccumulation.addDot(x, y, to: sums, count: count)
    }
  }

  func addColumns(
    _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, _ sums: UnsafeMutablePointer<Double>,
    _ count: Int
  ) {
    switch self {
    case .value: ColumnAccumulation.addSum(x, to: sums, count: count)
    case .square: ColumnAccumulation.addSquares(x, to: sums, count: count)
    case .product: ColumnAccumulation.addDot(x, y, to: sums, count: count)
    }
  }
}

@Suite struct AccumulationTests {
  private func inputs(_ count: Int) -> (x: [Float], y: [Float]) {
    let stream = RandomStream(seed: 4, name: "accumulation", ordinal: 0)
    var (x, y) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
    stream.fillNormal(&x, start: 0, count: count)
    stream.fillNormal(&y, start: 1 << 20, count: count)
    return (x, y)
  }

  /// The documented tree, one element at a time.
  private func reference(_ terms: [Double]) -> Double {
    var lanes = [Double](repeating: 0, count: 16)
    for (index, term) in terms.enumerated() { lanes[index % 16] += term }
    for half in [8, 4, 2, 1] { lanes = (0..<half).map { lanes[$0] + lanes[$0 + half] } }
    return lanes[0]
  }

  @Test(arguments: Term.allCases, [0, 1, 15, 16, 17, 1003])
  fileprivate func anyCutGivesTheBitsOfTheFixedTree(_ term: Term, _ count: Int) {
    let (x, y) = inputs(count)
    // Doubles with all their bits, so that rounding shows the order.
    let (wideX, wideY) = (x.map { Double($0) / 3 }, y.map { Double($0) / 7 })
    let expected = reference(zip(x, y).map { term.of(Double($0), Double($1)) })
    let wideExpected = reference(zip(wideX, wideY).map { term.of($0, $1) })
    for run in [1, 2, 3, 7, 16, 31, 100, 2000] {
      var (sum, wideSum) = (LaneSum(), LaneSum())
      for start in stride(from: 0, to: count, by: run) {
        let length = min(run, count - start)
        term.add(Array(x[start...]), Array(y[start...]), length, start, to: &sum)
        term.add(Array(wideX[start...]), Array(wideY[start...]), length, start, to: &wideSum)
      }
      #expect(sum.total.bitPattern == expected.bitPattern, "runs of \(run)")
      #expect(wideSum.total.bitPattern == wideExpected.bitPattern, "runs of \(run)")
    }
  }

  /// Bits from anywhere in a word.
  @Test(arguments: [0, 1, 16, 48, 77]) func productsWithBitsAreThoseWithFloats(_ firstBit: Int) {
    let (x, y) = inputs(1003)
    var words = [UInt64](repeating: 0xffff_ffff_ffff_ffff, count: 18)
    for index in y.indices where y[index] < 0 {
      words[(firstBit + index) / 64] &= ~(1 << UInt64((firstBit + index) % 64))
    }
    let floats = y.map { $0 < 0 ? 0 : 1 as Float }
    for run in [1, 7, 16, 100, 2000] {
      var (expected, sum) = (LaneSum(), LaneSum())
      for start in stride(from: 0, to: x.count, by: run) {
        let length = min(run, x.count - start)
        expected.addDot(Array(x[start...]), Array(floats[start...]), count: length, startIndex: start)
        sum.addDot(
          Array(x[start...]), bits: words, firstBit: firstBit + start, count: length, startIndex: start)
      }
      #expect(sum.total.bitPattern == expected.total.bitPattern, "runs of \(run)")
    }
    // As with floats, a zero does not hide an infinity.
    var notANumber = LaneSum()
    notANumber.addDot([1, .infinity], bits: [1], firstBit: 0, count: 2, startIndex: 0)
    #expect(notANumber.total.isNaN)
  }

  @Test func sumsKeepWhatFloatWouldLose() {
    var sum = LaneSum()
    sum.addSum([1e8, 1, -1e8, 1] as [Float], count: 4, startIndex: 0)
    #expect(sum.total == 2)
    var squares = LaneSum()
    squares.addSquares([1e30, 1e30] as [Float], count: 2, startIndex: 0)
    #expect(squares.total == 2 * Double(Float(1e30)) * Double(Float(1e30)))
    var notANumber = LaneSum()
    notANumber.addSum([1, .nan, 2] as [Float], count: 3, startIndex: 5)
    #expect(notANumber.total.isNaN)
  }

  @Test(arguments: Term.allCases, [0, 1, 7, 130])
  fileprivate func columnsAddUpOneByOne(_ term: Term, _ count: Int) {
    let (x, y) = inputs(count)
    let (wideX, wideY) = (x.map { Double($0) / 3 }, y.map { Double($0) / 7 })
    var sums = (0...count).map(Double.init)
    var wideSums = sums
    term.addColumns(x, y, &sums, count)
    term.addColumns(wideX, wideY, &wideSums, count)
    for column in 0..<count {
      #expect(sums[column] == Double(column) + term.of(Double(x[column]), Double(y[column])))
      #expect(wideSums[column] == Double(column) + term.of(wideX[column], wideY[column]))
    }
    #expect(sums[count] == Double(count) && wideSums[count] == Double(count))
  }
}

@Suite struct ExtremaTests {
  @Test func zerosAreOrderedAndNaNWins() {
    for (a, b): (Float, Float) in [(0, -0.0), (-0.0, 0)] {
      #expect(isSame(Extrema.minimum(a, b), -0.0) && isSame(Extrema.maximum(a, b), 0))
      #expect(isSame(Extrema.minimum(Double(a), Double(b)), -0.0))
      #expect(isSame(Extrema.maximum(Double(a), Double(b)), 0))
    }
    for (a, b): (Float, Float) in [(.nan, 1), (1, .nan), (-.nan, -.infinity), (.infinity, -.nan)] {
      #expect(Extrema.minimum(a, b).isNaN && Extrema.maximum(a, b).isNaN)
      #expect(Extrema.minimum(Double(a), Double(b)).isNaN && Extrema.maximum(Double(a), Double(b)).isNaN)
    }
    #expect(Extrema.minimum(of: [Float](), count: 0) == .infinity)
    #expect(Extrema.maximum(of: [Double](), count: 0) == -.infinity)
  }

  @Test(arguments: [1, 4, 9, 100, 333], [false, true])
  func extremaDoNotDependOnOrderOrCut(_ count: Int, _ withNaN: Bool) {
    var generator = TestGenerator(state: UInt64(count))
    var values = generator.floats(count).filter { !$0.isNaN }
    if withNaN { values.append(-.nan) }
    let smallest: Float = withNaN ? .nan : ordered(values).first!
    let largest: Float = withNaN ? .nan : ordered(values).last!
    for _ in 0..<4 {
      values.shuffle(using: &generator)
      let doubles = values.map(Double.init)
      #expect(isSame(Extrema.minimum(of: values, count: values.count), smallest))
      #expect(isSame(Extrema.maximum(of: values, count: values.count), largest))
      #expect(isSame(Extrema.minimum(of: doubles, count: values.count), Double(smallest)))
      #expect(isSame(Extrema.maximum(of: doubles, count: values.count), Double(largest)))
      let half = values.count / 2
      let first = Extrema.minimum(of: values, count: half)
      let both = Extrema.minimum(of: Array(values[half...]), count: values.count - half, startingFrom: first)
      #expect(isSame(both, smallest))
    }
  }

  @Test func columnsKeepTheExtrema() {
    let rows: [[Float]] = [[1, -0.0, 3, .nan, 5], [2, 0, -3, 4, 5], [0, -0.0, 7, 1, .infinity]]
    var (minima, maxima) = ([Float](repeating: .infinity, count: 5), [Float](repeating: -.infinity, count: 5))
    var (wideMinima, wideMaxima) = (minima.map(Double.init), maxima.map(Double.init))
    for row in rows {
      ColumnAccumulation.keepMinimum(row, in: &minima, count: 5)
      ColumnAccumulation.keepMaximum(row, in: &maxima, count: 5)
      ColumnAccumulation.keepMinimum(row.map(Double.init), in: &wideMinima, count: 5)
      ColumnAccumulation.keepMaximum(row.map(Double.init), in: &wideMaxima, count: 5)
    }
    let (lows, highs): ([Float], [Float]) = ([0, -0.0, -3, .nan, 5], [2, 0, 7, .nan, .infinity])
    for column in 0..<5 {
      let (low, high) = (lows[column], highs[column])
      #expect(isSame(minima[column], low) && isSame(maxima[column], high))
      #expect(isSame(wideMinima[column], Double(low)) && isSame(wideMaxima[column], Double(high)))
    }
  }

  /// Ascending, with -0 before +0.
  private func ordered(_ values: [Float]) -> [Float] {
    values.sorted { $0 == $1 ? $0.sign == .minus && $1.sign == .plus : $0 < $1 }
  }
}
