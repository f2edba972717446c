// fdlibm's algorithms (Sun Microsystems 1993, https://www.netlib.org/fdlibm/).
extension ElementaryFunctions {
  /// e to the power `x`; gradual underflow, infinity from 709.78 on. Free of branches.
  @inline(__always)
  package static func exp(_ x: Double) -> Double {
    let above = x < -746 ? -746 : x
    let clamped = above > 710 ? 710 : above
    let anchored = clamped * 1.44269504088896338700 + 0x1.8p52
    let n = anchored - 0x1.8p52
    // ln 2 is cut after 32 bits, so that the product with n is exact.
    let high = clamped - n * 6.93147180369123816490e-1
    let low = n * 1.90821492927058770002e-10
    return expOfReduced(high, low, anchored)
  }

  /// exp(high - low) · 2^n, where `anchored` is n + 1.5 · 2^52 and |high - low| is below 0.35.
  @inline(__always)
  static func expOfReduced(_ high: Double, _ low: Double, _ anchored: Double) -> Double {
    let r = high - low
    let square = r * r
    var p = 4.13813679705723846039e-8
    p = p * square - 1.65339022054652515390e-6
    p = p * square + 6.61375632143793436117e-5
    p = p * square - 2.77777777770155933842e-3
    p = p * square + 1.66666666666666019037e-1
    let c = r - p * square
    let result = 1 - ((low - (r * c) / (2 - c)) - high)
    // 2^n in two factors; n + 2048 is positive, and a logical shift is what SSE2 has.
    let biased = anchored.bitPattern &- (0x1.8p52 as Double).bitPattern &+ 2048
    let half = biased &>> 1
    let first = Double(bitPattern: (half &- 1) &<< 52)
    let second = Double(bitPattern: (biased &- half &- 1) &<< 52)
    return (result * first) * second
  }

  /// The natural logarithm; -infinity at ±0, NaN below. Free of branches.
  @inline(__always)
  package static func log(_ x: Double) -> Double {
    let isSubnormal = x < 0x1p-1022
    let scaled = isSubnormal ? x * 0x1p54 : x
    // x = 2^n (1 + f) with 1 + f from √½ to √2.
    let offset = scaled.bitPattern &- 0x3fe6_a09e_667f_3bcd
    let exponent = UInt64(bitPattern: Int64(bitPattern: offset) &>> 52)
    let f = Double(bitPattern: (offset & 0x000f_ffff_ffff_ffff) &+ 0x3fe6_a09e_667f_3bcd) - 1
    let anchored = Double(bitPattern: exponent &+ (0x1.8p52 as Double).bitPattern) - 0x1.8p52
    let n = isSubnormal ? anchored - 54 : anchored
    let s = f / (2 + f)
    let z = s * s
    let w = z * z
    let even = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1))
    let high = 1.818357216161805012e-1 + w * 1.479819860511658591e-1
    let odd = z * (6.666666666666735130e-1 + w * (2.857142874366239149e-1 + w * high))
    let halfSquare = 0.5 * f * f
    let tail = s * (halfSquare + (even + odd)) + n * 1.90821492927058770002e-10
    let result = n * 6.93147180369123816490e-1 - ((halfSquare - tail) - f)
    let outside: Double = x == 0 ? -.infinity : (x > 0 ? x : .nan)
    return x > 0 ? (x < .infinity ? result : outside) : outside
  }

  /// The hyperbolic tangent. Free of branches.
  @inline(__always)
  package static func tanh(_ x: Double) -> Double {
    let magnitude = x.magnitude
    // Taylor's series where 1 − 2 / (e^2x + 1) would cancel.
    let square = x * x
    var p = 21844.0 / 6_081_075
    p = p * square - 1382.0 / 155_925
    p = p * square + 62.0 / 2835
    p = p * square - 17.0 / 315
    p = p * square + 2.0 / 15
    p = p * square - 1.0 / 3
    let small = x + x * (square * p)
    let large = 1 - 2 / (exp(2 * magnitude) + 1)
    let near = x == 0 ? x : small
    return magnitude < 0.05 ? near : (x < 0 ? -large : large)
  }

  /// The sine of an angle in radians, for every Double.
  package static func sin(_ x: Double) -> Double {
    if x.magnitude < 0x1p-26 { return x }
    return QuadrantReduction(x).sine(ofQuadrantsAhead: 0)
  }

  /// The cosine of an angle in radians, for every Double.
  package static func cos(_ x: Double) -> Double {
    QuadrantReduction(x).sine(ofQuadrantsAhead: 1)
  }

  /// The angle from 0 to π whose cosine is `x`; NaN outside -1…1.
  package static func acos(_ x: Double) -> Double {
    let (halfPi, halfPiRest) = (1.57079632679489655800, 6.12323399573676603587e-17)
    // (asin(s) - s) / s, with s² given.
    func rational(_ z: Double) -> Double {
      var p = 3.47933107596021167570e-5
      p = p * z + 7.91534994289814532176e-4
      p = p * z - 4.00555345006794114027e-2
      p = p * z + 2.01212532134862925881e-1
      p = p * z - 3.25565818622400915405e-1
      p = p * z + 1.66666666666666657415e-1
      var q = 7.70381505559019352791e-2
      q = q * z - 6.88283971605453293030e-1
      q = q * z + 2.02094576023350569471
      q = q * z - 2.40339491173441421878
      return p * z / (q * z + 1)
    }
    if x.magnitude < 0.5 {
      return halfPi - (x - (halfPiRest - x * rational(x * x)))
    }
    let z = 0.5 * (1 - x.magnitude)
    let s = sqrt(z)
    if x < 0 {
      return 2 * (halfPi - (s + (rational(z) * s - halfPiRest)))
    }
    if s == 0 { return 0 }
    // √z in two parts, the first of which has an exact square.
    let high = Double(bitPattern: s.bitPattern & 0xffff_ffff_0000_0000)
    let rest = (z - high * high) / (s + high)
    return 2 * (high + (rational(z) * s + rest))
  }

  /// The square root, rounded to nearest; NaN below zero.
  @inline(__always)
  package static func sqrt(_ x: Double) -> Double {
    let root = x.magnitude.squareRoot()
    return x > 0 ? root : (x == 0 ? x : .nan)
  }

  /// Exponentials of a block.
  package static func exp(
    _ source: UnsafePointer<Double>, _ destination: UnsafeMutablePointer<Double>, _ count: Int
  ) { mapBlock(source, destination, count) { exp($0) } }

  /// Natural logarithms of a block.
  package static func log(
    _ source: UnsafePointer<Double>, _ destination: UnsafeMutablePointer<Double>, _ count: Int
  ) { mapBlock(source, destination, count) { log($0) } }

  /// Sines of a block.
  package static func sin(
    _ source: UnsafePointer<Double>, _ destination: UnsafeMutablePointer<Double>, _ count: Int
  ) { mapBlock(source, destination, count) { sin($0) } }

  /// Cosines of a block.
  package static func cos(
    _ source: UnsafePointer<Double>, _ destination: UnsafeMutablePointer<Double>, _ count: Int
  ) { mapBlock(source, destination, count) { cos($0) } }

  /// Arc cosines of a block.
  package static func acos(
    _ source: UnsafePointer<Double>, _ destination: UnsafeMutablePointer<Double>, _ count: Int
  ) { mapBlock(source, destination, count) { acos($0) } }

  /// Square roots of a block.
  package static func sqrt(
    _ source: UnsafePointer<Double>, _ destination: UnsafeMutablePointer<Double>, _ count: Int
  ) { mapBlock(source, destination, count) { sqrt($0) } }
}
