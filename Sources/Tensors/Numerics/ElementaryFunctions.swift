import CKernels

/// Elementary functions over Float, the same bits everywhere.
///
/// No libm function is called, because its results differ between versions; multiplications and additions
/// are never contracted. The functions are free of branches (selects and bit patterns instead), so that
/// LLVM turns the loops over blocks into vector code at the x86-64 baseline, with the bits of the scalar.
///
/// Coefficients of the Float functions are those of Cephes (Moshier, https://www.netlib.org/cephes/,
/// `single/`), of the Double functions those of fdlibm (https://www.netlib.org/fdlibm/). Errors: at most
/// 2 units in the last place for Float, 1 for Double.
///
/// Blocks: `destination[i] = f(source[i])` for `count` elements; `destination` is `source` or does not
/// overlap it.
package enum ElementaryFunctions {
  /// e to the power `x`; gradual underflow, infinity from 88.72284 on.
  @inline(__always)
  package static func exp(_ x: Float) -> Float {
    // Beyond these bounds the result is 0 or infinity. Comparisons let NaN pass.
    let above = x < -104 ? -104 : x
    let clamped = above > 89 ? 89 : above
    // x = n ln 2 + r; adding 1.5 · 2^23 rounds to an integer, which the low bits then hold.
    let anchored = clamped * 1.44269504 + 0x1.8p23
    let n = anchored - 0x1.8p23
    let r = (clamped - n * 0.693359375) - n * -2.12194440e-4
    var p: Float = 1.9875691500e-4
    p = p * r + 1.3981999507e-3
    p = p * r + 8.3334519073e-3
    p = p * r + 4.1665795894e-2
    p = p * r + 1.6666665459e-1
    p = p * r + 5.0000001201e-1
    p = (p * (r * r) + r) + 1
    // 2^n in two factors, since n goes beyond the exponents; only the last product rounds.
    let exponent = Int32(bitPattern: anchored.bitPattern &- 0x4b40_0000)
    let half = exponent &>> 1
    return (p * powerOfTwo(half)) * powerOfTwo(exponent &- half)
  }

  /// The natural logarithm; -infinity at ±0, NaN below.
  @inline(__always)
  package static func log(_ x: Float) -> Float {
    let isSubnormal = x < 0x1p-126
    let scaled = isSubnormal ? x * 0x1p23 : x
    // x = 2^e (1 + f) with 1 + f from √½ to √2.
    let offset = Int32(bitPattern: scaled.bitPattern) &- 0x3f35_04f3
    let e = offset &>> 23
    let f = Float(bitPattern: UInt32(bitPattern: (offset & 0x007f_ffff) &+ 0x3f35_04f3)) - 1
    let n = Float(isSubnormal ? e &- 23 : e)
    let square = f * f
    var p: Float = 7.0376836292e-2
    p = p * f - 1.1514610310e-1
    p = p * f + 1.1676998740e-1
    p = p * f - 1.2420140846e-1
    p = p * f + 1.4249322787e-1
    p = p * f - 1.6668057665e-1
    p = p * f + 2.0000714765e-1
    p = p * f - 2.4999993993e-1
    p = p * f + 3.3333331174e-1
    let tail = ((p * f) * square + n * -2.12194440e-4) - 0.5 * square
    let result = (f + tail) + n * 0.693359375
    let outside: Float = x == 0 ? -.infinity : (x > 0 ? x : .nan)
    return x > 0 ? (x < .infinity ? result : outside) : outside
  }

  /// The sine of an angle in radians, for every Float.
  @inline(__always)
  package static func sin(_ x: Float) -> Float {
    needsLongReduction(x) ? Float(sin(Double(x))) : sinOfModerate(x)
  }

  /// The cosine of an angle in radians, for every Float.
  @inline(__always)
  package static func cos(_ x: Float) -> Float {
    needsLongReduction(x) ? Float(cos(Double(x))) : cosOfModerate(x)
  }

  /// The angle from 0 to π whose cosine is `x`; NaN outside -1…1.
  @inline(__always)
  package static func acos(_ x: Float) -> Float {
    let magnitude = x.magnitude
    let isSmall = magnitude < 0.5
    // asin(x) for small x, else acos|x| = 2 asin √((1 - |x|) / 2).
    let square = isSmall ? x * x : 0.5 * (1 - magnitude)
    let argument = isSmall ? x : sqrt(square)
    var p: Float = 4.2163199048e-2
    p = p * square + 2.4181311049e-2
    p = p * square + 4.5470025998e-2
    p = p * square + 7.4953002686e-2
    p = p * square + 1.6666752422e-1
    let asin = (p * square) * argument + argument
    // π and π/2 as the Float nearest plus what it lacks.
    let small = 1.57079637 - (asin - -4.37113883e-8)
    let twice = asin + asin
    let negative = 3.14159274 - (twice - -8.74227766e-8)
    return isSmall ? small : (x < 0 ? negative : twice)
  }

  /// The square root, rounded to nearest; NaN below zero.
  @inline(__always)
  package static func sqrt(_ x: Float) -> Float {
    // Of a magnitude LLVM knows that libm's errno stays as it is, and uses the instruction.
    let root = x.magnitude.squareRoot()
    return x > 0 ? root : (x == 0 ? x : .nan)
  }

  /// Exponentials of a block.
  package static func exp(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) { block_exp(source, destination, count) }

  /// Natural logarithms of a block.
  package static func log(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) { block_log(source, destination, count) }

  /// Sines of a block.
  package static func sin(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    if anyNeedsLongReduction(source, count) {
      mapBlock(source, destination, count) { sin($0) }
    } else {
      mapBlock(source, destination, count) { sinOfModerate($0) }
    }
  }

  /// Cosines of a block.
  package static func cos(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    if anyNeedsLongReduction(source, count) {
      mapBlock(source, destination, count) { cos($0) }
    } else {
      mapBlock(source, destination, count) { cosOfModerate($0) }
    }
  }

  /// Arc cosines of a block.
  package static func acos(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) { mapBlock(source, destination, count) { acos($0) } }

  /// Hyperbolic tangents of a block, through Double.
  package static func tanh(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) { mapBlock(source, destination, count) { Float(tanh(Double($0))) } }

  /// Square roots of a block.
  package static func sqrt(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) { block_sqrt(source, destination, count) }

  /// 2 to the power `n`, which is from -126 to 127.
  @inline(__always)
  private static func powerOfTwo(_ n: Int32) -> Float {
    Float(bitPattern: UInt32(bitPattern: n &+ 127) &<< 23)
  }

  // MARK: Sine and cosine

  /// Above this the quotient by π/2 has too many bits for the short reduction.
  private static let longReductionBound: Float = 1e6

  @inline(__always)
  private static func needsLongReduction(_ x: Float) -> Bool { x.magnitude > longReductionBound }

  /// One sweep that vectorises, so that the loop after it needs no test.
  @inline(__always)
  private static func anyNeedsLongReduction(_ source: UnsafePointer<Float>, _ count: Int) -> Bool {
    var found: UInt32 = 0
    for index in 0..<count { found |= needsLongReduction(source[index]) ? 1 : 0 }
    return found != 0
  }

  /// For magnitudes up to `longReductionBound`.
  @inline(__always)
  private static func sinOfModerate(_ x: Float) -> Float {
    let (quadrant, r) = reduce(x)
    let result = sinOfQuadrant(quadrant, r)
    return x == 0 ? x : result
  }

  /// For magnitudes up to `longReductionBound`.
  @inline(__always)
  private static func cosOfModerate(_ x: Float) -> Float {
    let (quadrant, r) = reduce(x)
    return sinOfQuadrant(quadrant &+ 1, r)
  }

  /// x = quadrant · π/2 + r, by Cody and Waite in Double: π/2 is cut so that the first product is exact.
  @inline(__always)
  private static func reduce(_ x: Float) -> (quadrant: UInt32, r: Float) {
    let value = Double(x)
    let anchored = value * 0.63661977236758134 + 0x1.8p52
    let n = anchored - 0x1.8p52
    let r = (value - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11
    return (UInt32(truncatingIfNeeded: anchored.bitPattern), Float(r))
  }

  /// sin(quadrant · π/2 + r) for r from -π/4 to π/4. Only the two low bits of `quadrant` count.
  @inline(__always)
  static func sinOfQuadrant(_ quadrant: UInt32, _ r: Float) -> Float {
    let square = r * r
    var s: Float = -1.9515295891e-4
    s = s * square + 8.3321608736e-3
    s = s * square - 1.6666654611e-1
    s = (s * square) * r + r
    var c: Float = 2.443315711809948e-5
    c = c * square - 1.388731625493765e-3
    c = c * square + 4.166664568298827e-2
    c = (c * (square * square) - 0.5 * square) + 1
    let result = quadrant & 1 == 0 ? s : c
    return Float(bitPattern: result.bitPattern ^ ((quadrant & 2) &<< 30))
  }
}
