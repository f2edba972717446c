/// A number as the unevaluated sum of two Doubles, about 106 bits, where one Double is too coarse.
///
/// Dekker, "A floating-point technique for extending the available precision" (1971); products by
/// splitting, because a fused multiply-add is a library call at the x86-64 baseline. Neither overflow nor
/// underflow is handled.
struct DoubleDouble {
  var high: Double
  var low: Double

  @inline(__always)
  init(high: Double, low: Double) {
    self.high = high
    self.low = low
  }

  /// The exact sum (Knuth's TwoSum).
  @inline(__always)
  init(_ a: Double, plus b: Double) {
    high = a + b
    let part = high - a
    low = (a - (high - part)) + (b - part)
  }

  /// The exact difference.
  @inline(__always)
  init(_ a: Double, minus b: Double) { self.init(a, plus: -b) }

  /// The exact product.
  @inline(__always)
  init(_ a: Double, times b: Double) {
    let (aHigh, aLow) = Self.halves(a)
    let (bHigh, bLow) = Self.halves(b)
    high = a * b
    low = ((aHigh * bHigh - high) + aHigh * bLow + aLow * bHigh) + aLow * bLow
  }

  /// The sum, with the low part below half a unit of the high part.
  @inline(__always)
  static func + (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
    let sum = DoubleDouble(a.high, plus: b.high)
    return DoubleDouble(sum.high, plus: sum.low + (a.low + b.low))
  }

  @inline(__always)
  static func * (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
    let product = DoubleDouble(a.high, times: b.high)
    return DoubleDouble(product.high, plus: product.low + (a.high * b.low + a.low * b.high))
  }

  /// Two numbers of 26 bits whose sum is `a` (Veltkamp).
  @inline(__always)
  private static func halves(_ a: Double) -> (Double, Double) {
    let scaled = a * 134_217_729
    let high = scaled - (scaled - a)
    return (high, a - high)
  }
}
