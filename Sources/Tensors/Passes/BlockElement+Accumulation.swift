import CKernels

/// How blocks of an element type are reduced.
protocol AccumulableElement {
  static func addSum(_ x: UnsafePointer<Self>, to sum: inout LaneSum, count: Int, startIndex: Int)
  static func addSquares(_ x: UnsafePointer<Self>, to sum: inout LaneSum, count: Int, startIndex: Int)
  static func addDot(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, to sum: inout LaneSum, count: Int, startIndex: Int)
  static func addDot(
    _ x: UnsafePointer<Self>, bits: UnsafePointer<UInt64>, firstBit: Int, to sum: inout LaneSum, count: Int,
    startIndex: Int)
  static func minimum(of x: UnsafePointer<Self>, count: Int) -> Double
  static func maximum(of x: UnsafePointer<Self>, count: Int) -> Double
  static func accumulateColumns(
    _ reduction: Reduction, _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>,
    to columns: UnsafeMutablePointer<Double>, count: Int)
}

extension Float: AccumulableElement {
  static func addSum(_ x: UnsafePointer<Float>, to sum: inout LaneSum, count: Int, startIndex: Int) {
    sum.addSum(x, count: count, startIndex: startIndex)
  }

  static func addSquares(_ x: UnsafePointer<Float>, to sum: inout LaneSum, count: Int, startIndex: Int) {
    sum.addSquares(x, count: count, startIndex: startIndex)
  }

  static func addDot(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, to sum: inout LaneSum, count: Int, startIndex: Int
  ) {
    sum.addDot(x, y, count: count, startIndex: startIndex)
  }

  static func addDot(
    _ x: UnsafePointer<Float>, bits: UnsafePointer<UInt64>, firstBit: Int, to sum: inout LaneSum, count: Int,
    startIndex: Int
  ) {
    sum.addDot(x, bits: bits, firstBit: firstBit, count: count, startIndex: startIndex)
  }

  static func minimum(of x: UnsafePointer<Float>, count: Int) -> Double {
    Double(block_minimum(x, count))
  }

  static func maximum(of x: UnsafePointer<Float>, count: Int) -> Double {
    Double(block_maximum(x, count))
  }

  static func accumulateColumns(
    _ reduction: Reduction, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
    to columns: UnsafeMutablePointer<Double>, count: Int
  ) {
    switch reduction {
    case .sum: ColumnAccumulation.addSum(x, to: columns, count: count)
    case .squares: ColumnAccumulation.addSquares(x, to: columns, count: count)
    case .dot: ColumnAccumulation.addDot(x, y, to: columns, count: count)
    case .minimum: for i in 0..<count { columns[i] = Extrema.minimum(columns[i], Double(x[i])) }
    case .maximum: for i in 0..<count { columns[i] = Extrema.maximum(columns[i], Double(x[i])) }
    }
  }
}

extension Double: AccumulableElement {
  static func addSum(_ x: UnsafePointer<Double>, to sum: inout LaneSum, count: Int, startIndex: Int) {
    sum.addSum(x, count: count, startIndex: startIndex)
  }

  static func addSquares(_ x: UnsafePointer<Double>, to sum: inout LaneSum, count: Int, startIndex: Int) {
    sum.addSquares(x, count: count, startIndex: startIndex)
  }

  static func addDot(
    _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, to sum: inout LaneSum, count: Int,
    startIndex: Int
  ) {
    sum.addDot(x, y, count: count, startIndex: startIndex)
  }

  static func addDot(
    _ x: UnsafePointer<Double>, bits: UnsafePointer<UInt64>, firstBit: Int, to sum: inout LaneSum, count: Int,
    startIndex: Int
  ) { preconditionFailure("bits are of programs of float32") }

  static func minimum(of x: UnsafePointer<Double>, count: Int) -> Double {
    Extrema.minimum(of: x, count: count)
  }

  static func maximum(of x: UnsafePointer<Double>, count: Int) -> Double {
    Extrema.maximum(of: x, count: count)
  }

  static func accumulateColumns(
    _ reduction: Reduction, _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>,
    to columns: UnsafeMutablePointer<Double>, count: Int
  ) {
    switch reduction {
    case .sum: ColumnAccumulation.addSum(x, to: columns, count: count)
    case .squares: ColumnAccumulation.addSquares(x, to: columns, count: count)
    case .dot: ColumnAccumulation.addDot(x, y, to: columns, count: count)
    case .minimum: ColumnAccumulation.keepMinimum(x, in: columns, count: count)
    case .maximum: ColumnAccumulation.keepMaximum(x, in: columns, count: count)
    }
  }
}
