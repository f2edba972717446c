/// An angle as a number of quadrants and a rest: x = quadrant · π/2 + high + low, |high| ≤ π/4.
///
/// The rest has more than 53 good bits whatever the angle, also beside a multiple of π/2.
struct QuadrantReduction {
  /// Only the two low bits count.
  private let quadrant: UInt64
  private let high: Double
  private let low: Double

  init(_ x: Double) {
    if x.magnitude <= 1e6 {
      self.init(moderate: x)
    } else if x.isFinite {
      self.init(large: x)
    } else {
      self.init(quadrant: 0, high: .nan, low: 0)
    }
  }

  private init(quadrant: UInt64, high: Double, low: Double) {
    (self.quadrant, self.high, self.low) = (quadrant, high, low)
  }

  /// Cody and Waite with π/2 in pieces of 33 bits: products with up to 20 bits of quotient are exact.
  private init(moderate x: Double) {
    let anchored = x * 0.63661977236758134 + 0x1.8p52
    let n = anchored - 0x1.8p52
    let first = x - n * 1.57079632673412561417
    let second = DoubleDouble(first, minus: n * 6.07710050630396597660e-11)
    let third = DoubleDouble(second.high, minus: n * 2.02226624871116645580e-21)
    let tail = (third.low + second.low) - n * 8.47842766036889956997e-32
    let sum = DoubleDouble(third.high, plus: tail)
    (quadrant, high, low) = (anchored.bitPattern, sum.high, sum.low)
  }

  /// Payne and Hanek, "Radian reduction for trigonometric functions" (1983): of x · 2/π only the bits
  /// around the point are computed. x = m · 2^e with an integer m, so bits of 2/π that weigh 2^(2-e) or
  /// more add whole turns; 192 bits after those leave an error of 2^-137.
  private init(large x: Double) {
    let m = x.significandBitPattern | 1 << 52
    let start = Int(x.exponentBitPattern) - 1075 + 62
    let (word, shift) = (start >> 6, UInt64(start & 63))
    func window(_ index: Int) -> UInt64 {
      let words = Self.twoOverPi
      // A shift by 64 or more gives 0, as `>>` has it.
      return words[word + index] << shift | words[word + index + 1] >> (64 - shift)
    }
    let lowest = m.multipliedFullWidth(by: window(2))
    let middle = m.multipliedFullWidth(by: window(1))
    let (second, carry) = middle.low.addingReportingOverflow(lowest.high)
    let first = m &* window(0) &+ middle.high &+ (carry ? 1 : 0)

    // Two bits of quadrant, then the fraction; from one half on, count from the next quadrant down.
    var fraction = UInt128(first << 2 | second >> 62) << 64 | UInt128(second << 2 | lowest.low >> 62)
    var turn = first >> 62
    let isUpper = fraction >> 127 == 1
    if isUpper {
      fraction = 0 &- fraction
      turn &+= 1
    }
    let zeros = fraction.leadingZeroBitCount
    fraction <<= UInt128(zeros)
    let unit = Double(sign: .plus, exponent: -zeros, significand: 1)
    let isNegative = isUpper != (x < 0)
    let scale = isNegative ? -unit : unit
    let value = DoubleDouble(
      high: Double(UInt64(fraction >> 75)) * 0x1p-53 * scale,
      low: Double(UInt64(truncatingIfNeeded: fraction >> 22) & (1 << 53 - 1)) * 0x1p-106 * scale)
    let rest = value * DoubleDouble(high: 1.57079632679489655800, low: 6.12323399573676603587e-17)
    (quadrant, high, low) = (x < 0 ? 0 &- turn : turn, rest.high, rest.low)
  }

  /// sin(x + quadrants · π/2), by the kernels of fdlibm.
  func sine(ofQuadrantsAhead quadrants: UInt64) -> Double {
    let position = quadrant &+ quadrants
    let square = high * high
    let result: Double
    if position & 1 == 0 {
      var p = 1.58969099521155010221e-10
      p = p * square - 2.50507602534068634195e-8
      p = p * square + 2.75573137070700676789e-6
      p = p * square - 1.98412698298579493134e-4
      p = p * square + 8.33333333332248946124e-3
      let cube = square * high
      result = high - ((square * (0.5 * low - cube * p) - low) - cube * -1.66666666666666324348e-1)
    } else {
      var p = -1.13596475577881948265e-11
      p = p * square + 2.08757232129817482790e-9
      p = p * square - 2.75573143513906633035e-7
      p = p * square + 2.48015872894767294178e-5
      p = p * square - 1.38888888888741095749e-3
      p = p * square + 4.16666666666666019037e-2
      let half = 0.5 * square
      let leading = 1 - half
      result = leading + (((1 - leading) - half) + (square * (square * p) - high * low))
    }
    return position & 2 == 0 ? result : -result
  }

  /// 2/π in binary, after 64 zeros for angles whose last bit lies below the point.
  private static let twoOverPi: [UInt64] = [
    0, 0xa2f9_836e_4e44_1529, 0xfc27_57d1_f534_ddc0, 0xdb62_9599_3c43_9041, 0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0, 0x0649_2eea_09d1_921c, 0xfe1d_eb1c_b129_a73e, 0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41, 0x3991_d639_8353_39f4, 0x9c84_5f8b_bdf9_283b, 0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f, 0x6d36_7ecf_27cb_09b7, 0x4f46_3f66_9e5f_ea2d, 0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea, 0x6bfb_5fb1_1f8d_5d08, 0x5603_3046_fc7b_6bab, 0xf0cf_bc20_9af4_361d,
  ]
}
