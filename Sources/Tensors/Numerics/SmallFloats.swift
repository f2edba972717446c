/// A float format of 8 or 16 bits, described by what rounding to it needs.
///
/// Codes are sign, exponent, mantissa from the top. NaN has one code on store, without a sign, so that
/// results do not depend on which NaN an instruction set makes.
struct SmallFloatFormat {
  /// Bits of the code.
  let width: UInt32
  /// Explicit bits of the mantissa.
  let mantissaBits: UInt32
  /// What is subtracted from the stored exponent.
  let bias: UInt32
  /// The code of every magnitude that rounds out of range.
  let overflowCode: UInt32
  /// The code of NaN on store.
  let nanCode: UInt32

  /// IEEE 754 binary16.
  static let f16 = SmallFloatFormat(
    width: 16, mantissaBits: 10, bias: 15, overflowCode: 0x7c00, nanCode: 0x7e00)
  /// The upper half of binary32.
  static let bf16 = SmallFloatFormat(
    width: 16, mantissaBits: 7, bias: 127, overflowCode: 0x7f80, nanCode: 0x7fc0)
  /// "FP8 Formats for Deep Learning" (https://arxiv.org/abs/2209.05433), E4M3: no infinities, largest
  /// value 448. Out of range is NaN, as PyTorch's float8_e4m3fn has it.
  static let f8e4m3 = SmallFloatFormat(
    width: 8, mantissaBits: 3, bias: 7, overflowCode: 0x7f, nanCode: 0x7f)
  /// The same paper's E5M2: the upper half of binary16.
  static let f8e5m2 = SmallFloatFormat(
    width: 8, mantissaBits: 2, bias: 15, overflowCode: 0x7c, nanCode: 0x7f)

  /// The code that is nearest to `value`; ties go to the even code.
  ///
  /// Branch-free, for loops that are to vectorise. Not for bfloat16, whose subnormals are those of Float.
  @inline(__always)
  func code(_ value: Float) -> UInt32 {
    let bits = value.bitPattern
    let magnitude = bits & 0x7fff_ffff
    let shift = 23 &- mantissaBits

    // Normal: round the mantissa in place. A carry into the exponent is the right result.
    let odd = (magnitude &>> shift) & 1
    let half: UInt32 = (1 &<< (shift &- 1)) &- 1
    let rebias = (127 &- bias) &<< 23
    let normal = (magnitude &+ odd &+ half &- rebias) &>> shift

    // Subnormal: adding a power of two whose last place is the format's smallest value rounds there.
    let anchor = (127 &+ 23 &+ 1 &- bias &- mantissaBits) &<< 23
    let subnormal = (Float(bitPattern: magnitude) + Float(bitPattern: anchor)).bitPattern &- anchor

    // Compared as signed numbers, which SSE2 can.
    let signedMagnitude = Int32(bitPattern: magnitude)
    let smallestNormal = Int32(bitPattern: (128 &- bias) &<< 23)
    var code = signedMagnitude < smallestNormal ? subnormal : normal
    code = Int32(bitPattern: code) < Int32(bitPattern: overflowCode) ? code : overflowCode
    code |= (bits &>> 31) &<< (width &- 1)
    return signedMagnitude > 0x7f80_0000 ? nanCode : code
  }
}

/// Single values between Float, Double and the narrow formats. All round to nearest even, once.
///
/// What Doubles are converted by, and the reference of the loops in C that convert Floats.
package enum SmallFloats {
  /// The value of a binary16. Signalling NaNs stay what they are.
  @inline(__always)
  package static func float(f16 code: UInt16) -> Float {
    let magnitude = (UInt32(code) & 0x7fff) &<< 13
    // Infinity and NaN keep the largest exponent.
    let rebias: UInt32 = Int32(bitPattern: magnitude) < 0x0f80_0000 ? 112 &<< 23 : 224 &<< 23
    // Subnormal: a mantissa under the exponent of the smallest normal, which is then taken off.
    let subnormal = Float(bitPattern: magnitude &+ (113 &<< 23)) - Float(bitPattern: 113 &<< 23)
    let bits = Int32(bitPattern: magnitude) < 0x0080_0000 ? subnormal.bitPattern : magnitude &+ rebias
    return Float(bitPattern: bits | ((UInt32(code) & 0x8000) &<< 16))
  }

  /// The value of a bfloat16. Signalling NaNs stay what they are.
  @inline(__always)
  package static func float(bf16 code: UInt16) -> Float {
    Float(bitPattern: UInt32(code) &<< 16)
  }

  /// The value of an E4M3, whose NaNs are quiet.
  package static func float(f8e4m3 code: UInt8) -> Float {
    let exponent = UInt32(code >> 3) & 15
    let mantissa = UInt32(code) & 7
    let magnitude: Float =
      if code & 0x7f == 0x7f {
        .nan
      } else if exponent == 0 {
        Float(mantissa) * 0x1p-9
      } else {
        Float(bitPattern: (exponent + 120) << 23 | mantissa << 20)
      }
    return code < 0x80 ? magnitude : -magnitude
  }

  /// The value of an E5M2. Signalling NaNs stay what they are.
  package static func float(f8e5m2 code: UInt8) -> Float {
    float(f16: UInt16(code) << 8)
  }

  /// The nearest binary16.
  @inline(__always)
  package static func f16(_ value: Float) -> UInt16 {
    UInt16(truncatingIfNeeded: SmallFloatFormat.f16.code(value))
  }

  /// The nearest bfloat16.
  @inline(__always)
  package static func bf16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    // The arithmetic shift leaves a value that fits 16 signed bits, which SSE2 packs in one instruction.
    let rounded = Int32(bitPattern: bits &+ 0x7fff &+ ((bits &>> 16) & 1)) &>> 16
    let isNaN = Int32(bitPattern: bits & 0x7fff_ffff) > 0x7f80_0000
    return UInt16(truncatingIfNeeded: isNaN ? 0x7fc0 : rounded)
  }

  /// The nearest E4M3; NaN if out of range.
  @inline(__always)
  package static func f8e4m3(_ value: Float) -> UInt8 {
    UInt8(truncatingIfNeeded: SmallFloatFormat.f8e4m3.code(value))
  }

  /// The nearest E5M2.
  @inline(__always)
  package static func f8e5m2(_ value: Float) -> UInt8 {
    UInt8(truncatingIfNeeded: SmallFloatFormat.f8e5m2.code(value))
  }

  /// `value` rounded to Float such that an inexact result has an odd last bit.
  ///
  /// Rounding that to nearest in a format narrower by two bits or more gives the same as rounding
  /// `value` there at once (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums",
  /// 2008). Rounding to nearest twice would not.
  @inline(__always)
  static func roundedToOdd(_ value: Double) -> Float {
    let nearest = Float(value)
    let bits = nearest.bitPattern
    let back = Double(nearest)
    let towardsValue: UInt32 = back.magnitude < value.magnitude ? 1 : 0xffff_ffff
    let odd = bits & 1 == 0 ? bits &+ towardsValue : bits
    // An exact value compares equal; NaN does not compare below or above and stays itself.
    let isInexact = back < value ? true : back > value
    return Float(bitPattern: isInexact ? odd : bits)
  }

  /// The value, or the one NaN that is stored.
  @inline(__always)
  package static func canonical(_ value: Float) -> Float { value == value ? value : .nan }

  /// The value, or the one NaN that is stored.
  @inline(__always)
  static func canonical(_ value: Double) -> Double { value == value ? value : .nan }
}
