/// One row's part in reductions over the rows: column j of the row goes to accumulator j.
///
/// Rows are added in ascending order by the caller; how the columns are cut into runs changes nothing.
package enum ColumnAccumulation {
  /// Adds `count` values to as many sums.
  package static func addSum(
    _ x: UnsafePointer<Float>, to sums: UnsafeMutablePointer<Double>, count: Int
  ) {
    for column in 0..<count { sums[column] += Double(x[column]) }
  }

  /// Adds the squares of `count` values to as many sums.
  package static func addSquares(
    _ x: UnsafePointer<Float>, to sums: UnsafeMutablePointer<Double>, count: Int
  ) {
    for column in 0..<count {
      let value = Double(x[column])
      sums[column] += value * value
    }
  }

  /// Adds `count` products, exact in Double, to as many sums.
  package static func addDot(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, to sums: UnsafeMutablePointer<Double>, count: Int
  ) {
    for column in 0..<count { sums[column] += Double(x[column]) * Double(y[column]) }
  }

  /// Adds `count` values to as many sums.
  package static func addSum(
    _ x: UnsafePointer<Double>, to sums: UnsafeMutablePointer<Double>, count: Int
  ) {
    for column in 0..<count { sums[column] += x[column] }
  }

  /// Adds the squares of `count` values to as many sums.
  package static func addSquares(
    _ x: UnsafePointer<Double>, to sums: UnsafeMutablePointer<Double>, count: Int
  ) {
    for column in 0..<count { sums[column] += x[column] * x[column] }
  }

  /// Adds `count` products to as many sums.
  package static func addDot(
    _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, to sums: UnsafeMutablePointer<Double>,
    count: Int
  ) {
    for column in 0..<count { sums[column] += x[column] * y[column] }
  }

  /// Keeps the smaller of each value and its accumulator, which begins with infinity; as `Extrema`.
  package static func keepMinimum(
    _ x: UnsafePointer<Float>, in minima: UnsafeMutablePointer<Float>, count: Int
  ) {
    for column in 0..<count { minima[column] = Extrema.minimum(minima[column], x[column]) }
  }

  /// Keeps the larger of each value and its accumulator, which begins with -infinity; as `Extrema`.
  package static func keepMaximum(
    _ x: UnsafePointer<Float>, in maxima: UnsafeMutablePointer<Float>, count: Int
  ) {
    for column in 0..<count { maxima[column] = Extrema.maximum(maxima[column], x[column]) }
  }

  /// Keeps the smaller of each value and its accumulator, which begins with infinity; as `Extrema`.
  package static func keepMinimum(
    _ x: UnsafePointer<Double>, in minima: UnsafeMutablePointer<Double>, count: Int
  ) {
    for column in 0..<count { minima[column] = Extrema.minimum(minima[column], x[column]) }
  }

  /// Keeps the larger of each value and its accumulator, which begins with -infinity; as `Extrema`.
  package static func keepMaximum(
    _ x: UnsafePointer<Double>, in maxima: UnsafeMutablePointer<Double>, count: Int
  ) {
    for column in 0..<count { maxima[column] = Extrema.maximum(maxima[column], x[column]) }
  }
}
