import CKernels

extension ElementaryFunctions {
  /// `x` to the power `y`, with the special cases of IEEE 754 `pow`.
  ///
  /// Whole exponents up to ±4 multiply, with an error below 2.5 units in the last place; 0.5 is the square
  /// root. Else exp(y ln|x|) with the logarithm in about 100 bits, with an error of at most 1 unit. Whole
  /// powers that Double can hold come out exactly.
  package static func pow(_ x: Double, _ y: Double) -> Double {
    if y == 0 || x == 1 { return 1 }
    if x.isNaN || y.isNaN { return .nan }
    if y.isInfinite {
      if x.magnitude == 1 { return 1 }
      return (x.magnitude > 1) == (y > 0) ? .infinity : 0
    }
    let isWhole = roundToEven(y) == y
    let isNegative = x.sign == .minus && isWhole && isOdd(y)
    if x == 0 || x.isInfinite {
      let magnitude: Double = (x == 0) == (y < 0) ? .infinity : 0
      return isNegative ? -magnitude : magnitude
    }
    if x < 0 && !isWhole { return .nan }
    if y == 0.5 { return sqrt(x) }
    if isWhole && y.magnitude <= 4 {
      let power = wholePower(x, UInt32(y.magnitude))
      if y > 0 { return power }
      // Not where the power is out of range while its inverse need not be.
      if power.isNormal { return 1 / power }
    }
    let magnitude = powOfPositive(x.magnitude, y)
    return isNegative ? -magnitude : magnitude
  }

  /// `x` to the power `y`: computed in Double, within 2^-44 of the exact value, and rounded.
  ///
  /// The special cases of IEEE 754 `pow`; whole exponents up to ±16 multiply, 0.5 is the square root.
  package static func power(_ x: Float, _ y: Float) -> Float {
    if y == 0 || x == 1 { return 1 }
    if y == 0.5 { return root(x) }
    if y.isNaN || y.isInfinite { return Float(pow(Double(x), Double(y))) }
    let exponent = PowerExponent(y)
    return exponent.isSmallWhole ? smallPower(x, exponent) : generalPower(x, exponent)
  }

  /// Powers of a block with one exponent.
  package static func power(
    _ source: UnsafePointer<Float>, exponent y: Float, _ destination: UnsafeMutablePointer<Float>,
    _ count: Int
  ) {
    if y == 0 || y.isNaN || y.isInfinite {
      mapBlock(source, destination, count) { power($0, y) }
      return
    }
    if y == 0.5 { return mapBlock(source, destination, count, root) }
    // A product of Floats in Double is exact, so this is what small whole exponents give.
    if y == 2 { return block_square(source, destination, count) }
    let exponent = PowerExponent(y)
    if exponent.isSmallWhole {
      mapBlock(source, destination, count) { smallPower($0, exponent) }
    } else {
      mapBlock(source, destination, count) { generalPower($0, exponent) }
    }
  }

  /// `destination[i] = source[i]` to the power `exponents[i]`, with the bits of the other versions.
  package static func power(
    _ source: UnsafePointer<Float>, exponents: UnsafePointer<Float>,
    _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    for index in 0..<count { destination[index] = power(source[index], exponents[index]) }
  }

  /// Powers of a block with one exponent.
  package static func power(
    _ source: UnsafePointer<Double>, exponent: Double, _ destination: UnsafeMutablePointer<Double>,
    _ count: Int
  ) { mapBlock(source, destination, count) { pow($0, exponent) } }

  /// `destination[i] = source[i]` to the power `exponents[i]`.
  package static func power(
    _ source: UnsafePointer<Double>, exponents: UnsafePointer<Double>,
    _ destination: UnsafeMutablePointer<Double>, _ count: Int
  ) {
    for index in 0..<count { destination[index] = pow(source[index], exponents[index]) }
  }

  /// What the exponent of a Float power decides once for a block. Finite.
  private struct PowerExponent {
    let value: Double
    let isWhole: Bool
    let isOdd: Bool
    let isSmallWhole: Bool
    /// The magnitude of a small whole exponent.
    let whole: UInt32

    init(_ y: Float) {
      value = Double(y)
      isWhole = roundToEven(value) == value
      isOdd = isWhole && ElementaryFunctions.isOdd(value)
      isSmallWhole = isWhole && value.magnitude <= 16
      whole = isSmallWhole ? UInt32(value.magnitude) : 0
    }
  }

  /// The square root as `pow` has it: +0 of -0, infinity of both infinities.
  @inline(__always)
  private static func root(_ x: Float) -> Float {
    let root = sqrt(x) + 0
    return x == -.infinity ? .infinity : root
  }

  /// Out of Double's range, the inverse is out of Float's too.
  @inline(__always)
  private static func smallPower(_ x: Float, _ exponent: PowerExponent) -> Float {
    let power = wholePower(Double(x), exponent.whole)
    return Float(exponent.value < 0 ? 1 / power : power)
  }

  /// exp and log keep the special cases at 0, infinity and NaN; only signs need care.
  @inline(__always)
  private static func generalPower(_ x: Float, _ exponent: PowerExponent) -> Float {
    let isPositive = exponent.isWhole ? true : x == -.infinity
    let base = Double(isPositive ? x.magnitude : x)
    let sign = exponent.isOdd ? x.bitPattern & 0x8000_0000 : 0
    let magnitude = Float(exp(exponent.value * log(base)))
    let result = Float(bitPattern: magnitude.bitPattern | sign)
    return x == 1 ? 1 : result
  }

  /// `x` multiplied with itself, for exponents up to 16; without branches.
  @inline(__always)
  private static func wholePower(_ x: Double, _ n: UInt32) -> Double {
    let second = x * x
    let fourth = second * second
    let eighth = fourth * fourth
    var result = n & 1 == 0 ? 1 : x
    result *= n & 2 == 0 ? 1 : second
    result *= n & 4 == 0 ? 1 : fourth
    result *= n & 8 == 0 ? 1 : eighth
    return result * (n & 16 == 0 ? 1 : eighth * eighth)
  }

  /// Of a whole number; every one from 2^53 on is even.
  private static func isOdd(_ y: Double) -> Bool {
    y.magnitude < 0x1p53 && Int64(y) & 1 == 1
  }

  /// For positive finite `x` and finite `y`.
  private static func powOfPositive(_ x: Double, _ y: Double) -> Double {
    let logarithm = preciseLog(x)
    // Far out of range, and before the exact product overflows.
    let estimate = y * logarithm.high
    if estimate > 800 { return .infinity }
    if estimate < -800 { return 0 }
    // Too near 1 to differ from 1 + estimate; the exact product could underflow.
    if estimate.magnitude < 0x1p-60 { return 1 }
    let product = logarithm * DoubleDouble(high: y, low: 0)
    let anchored = product.high * 1.44269504088896338700 + 0x1.8p52
    let n = anchored - 0x1.8p52
    let high = product.high - n * 6.93147180369123816490e-1
    let reduced = DoubleDouble(high, minus: n * 1.90821492927058770002e-10)
    return expOfReduced(reduced.high, -(reduced.low + product.low), anchored)
  }

  /// ln x in about 100 bits: x = 2^n m, ln m = 2 artanh s with s = (m - 1) / (m + 1), |s| < 0.172.
  private static func preciseLog(_ x: Double) -> DoubleDouble {
    let isSubnormal = x < 0x1p-1022
    let bits = (isSubnormal ? x * 0x1p54 : x).bitPattern
    let offset = bits &- 0x3fe6_a09e_667f_3bcd
    let n = Double((Int64(bitPattern: offset) >> 52) - (isSubnormal ? 54 : 0))
    let m = Double(bitPattern: (offset & 0x000f_ffff_ffff_ffff) &+ 0x3fe6_a09e_667f_3bcd)
    let f = m - 1
    let divisor = DoubleDouble(m, plus: 1)
    let quotient = f / divisor.high
    let back = DoubleDouble(quotient, times: divisor.high)
    let rest = ((f - back.high) - back.low - quotient * divisor.low) / divisor.high
    let s = DoubleDouble(quotient, plus: rest)
    // artanh s = s (1 + s²/3 + s⁴/5 + …). From the third term on Double is enough.
    let square = s * s
    let z = square.high
    var series = 1.0 / 25
    for divisor in stride(from: 23, through: 5, by: -2) { series = series * z + 1 / Double(divisor) }
    let third = DoubleDouble(high: 0x1.5555555555555p-2, low: 0x1.5555555555555p-56)
    let terms = square * third + DoubleDouble(high: series * z * z, low: 0)
    let artanh = s + s * terms
    let ofMantissa = DoubleDouble(high: 2 * artanh.high, low: 2 * artanh.low)
    let ofExponent =
      DoubleDouble(high: n, low: 0) * DoubleDouble(high: 0x1.62e42fefa39efp-1, low: 2.3190468138462996e-17)
    return ofExponent + ofMantissa
  }
}
