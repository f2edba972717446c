/// RMSNorm (https://arxiv.org/abs/1910.07467): a row divided by the root of its mean square, times weights.
enum RootMeanSquareNorm {
  /// `result` may be `row`.
  static func apply(
    _ row: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ result: UnsafeMutablePointer<Float>,
    count: Int, epsilon: Double
  ) {
    let scale = Float(1 / (sumOfSquares(row, count) / Double(count) + epsilon).squareRoot())
    for i in 0..<count { result[i] = weights[i] * (row[i] * scale) }
  }

  private static func sumOfSquares(_ row: UnsafePointer<Float>, _ count: Int) -> Double {
    var sums = SIMD8<Double>.zero
    let whole = count / 8 * 8
    for i in stride(from: 0, to: whole, by: 8) {
      let values = SIMD8<Double>(UnsafeRawPointer(row + i).loadUnaligned(as: SIMD8<Float>.self))
      sums += values * values
    }
    var sum = sums.sum()
    for i in whole..<count { sum += Double(row[i]) * Double(row[i]) }
    return sum
  }
}
