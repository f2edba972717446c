import Tensors
import Testing

/// A format by its definition, in exact arithmetic.
private struct Format: CustomTestStringConvertible {
  let dtype: DType
  let mantissaBits: Int
  let bias: Int
  /// The largest finite code.
  let largest: Int
  /// What an overflow becomes.
  let overflow: Int

  static let all = [
    Format(dtype: .f16, mantissaBits: 10, bias: 15, largest: 0x7bff, overflow: 0x7c00),
    Format(dtype: .bf16, mantissaBits: 7, bias: 127, largest: 0x7f7f, overflow: 0x7f80),
    Format(dtype: .f8e4m3, mantissaBits: 3, bias: 7, largest: 0x7e, overflow: 0x7f),
    Format(dtype: .f8e5m2, mantissaBits: 2, bias: 15, largest: 0x7b, overflow: 0x7c),
  ]

  var testDescription: String { dtype.rawValue }
  var width: Int { dtype.bitWidth }
  var sign: Int { 1 << (width - 1) }

  /// The value of a code without sign, as if all codes were finite.
  func magnitude(_ code: Int) -> Double {
    let mantissa = code & (1 << mantissaBits - 1)
    let exponent = code >> mantissaBits
    let significand = Double(exponent == 0 ? mantissa : mantissa + 1 << mantissaBits)
    return Double(sign: .plus, exponent: max(exponent, 1) - bias - mantissaBits, significand: significand)
  }

  func value(_ code: Int) -> Double {
    let bare = code & (sign - 1)
    let magnitude: Double =
      bare <= largest ? self.magnitude(bare) : (bare == largest + 1 && dtype != .f8e4m3 ? .infinity : .nan)
    return code & sign == 0 ? magnitude : -magnitude
  }

  func bytes(_ codes: [Int]) -> [UInt8] {
    codes.flatMap { width == 8 ? [UInt8($0)] : [UInt8($0 & 255), UInt8($0 >> 8)] }
  }

  func codes(_ bytes: [UInt8]) -> [Int] {
    width == 8
      ? bytes.map(Int.init)
      : stride(from: 0, to: bytes.count, by: 2).map { Int(bytes[$0]) | Int(bytes[$0 + 1]) << 8 }
  }

  func stored(_ values: [Float]) -> [Int] {
    var bytes = [UInt8](repeating: 0, count: values.count * width / 8)
    bytes.withUnsafeMutableBytes {
      Conversion.storeFloats(values, to: $0.baseAddress!, dtype: dtype, count: values.count)
    }
    return codes(bytes)
  }

  func stored(_ values: [Double]) -> [Int] {
    var bytes = [UInt8](repeating: 0, count: values.count * width / 8)
    bytes.withUnsafeMutableBytes {
      Conversion.storeDoubles(values, to: $0.baseAddress!, dtype: dtype, count: values.count)
    }
    return codes(bytes)
  }

  /// Values around every representable one and every midpoint, and the codes that they round to.
  func roundingCases() -> [(value: Double, code: Int)] {
    var cases: [(Double, Int)] = []
    for code in 0...largest {
      let (lower, upper) = (magnitude(code), magnitude(code + 1))
      let middle = lower + (upper - lower) / 2
      let next = code == largest ? overflow : code + 1
      cases += [
        (lower, code), (lower + (middle - lower) / 2, code), (middle, code % 2 == 0 ? code : next),
        (middle.nextDown, code), (middle.nextUp, next), (Double(Float(middle).nextDown), code),
        (Double(Float(middle).nextUp), next),
      ]
    }
    // A middle between the largest Float of the format and what would follow has no Float neighbour.
    cases.removeAll { $0.0.isInfinite }
    cases += [(1e300, overflow), (.infinity, overflow), (5e-300, 0)]
    return cases + cases.map { (-$0.0, $0.1 | sign) }
  }
}

@Suite struct ConversionTests {
  @Test(arguments: Format.all)
  fileprivate func everyCodeLoads(_ format: Format) {
    let codes = Array(0..<2 * format.sign)
    let bytes = format.bytes(codes)
    var floats = [Float](repeating: 0, count: codes.count)
    var doubles = [Double](repeating: 0, count: codes.count)
    bytes.withUnsafeBytes {
      Conversion.loadFloats(from: $0.baseAddress!, dtype: format.dtype, into: &floats, count: codes.count)
      Conversion.loadDoubles(from: $0.baseAddress!, dtype: format.dtype, into: &doubles, count: codes.count)
    }
    let wrong = codes.filter {
      !isSame(Double(floats[$0]), format.value($0)) || !isSame(doubles[$0], format.value($0))
    }
    #expect(wrong.isEmpty)
  }

  @Test(arguments: Format.all)
  fileprivate func storesRoundToNearestEven(_ format: Format) {
    let cases = format.roundingCases()
    let fromDouble = format.stored(cases.map(\.value))
    let wrongDouble = cases.indices.filter { fromDouble[$0] != cases[$0].code }
    #expect(wrongDouble.isEmpty, "\(wrongDouble.prefix(3).map { (cases[$0], fromDouble[$0]) })")

    let exact = cases.filter { Double(Float($0.value)) == $0.value }
    #expect(exact.count > cases.count / 2)
    let fromFloat = format.stored(exact.map { Float($0.value) })
    let wrongFloat = exact.indices.filter { fromFloat[$0] != exact[$0].code }
    #expect(wrongFloat.isEmpty, "\(wrongFloat.prefix(3).map { (exact[$0], fromFloat[$0]) })")
  }

  @Test(arguments: Format.all)
  fileprivate func everyNaNIsStoredAsOne(_ format: Format) {
    let nans: [UInt32] = [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0xffff_ffff]
    let codes = Set(format.stored(nans.map { Float(bitPattern: $0) }))
      .union(format.stored(nans.map { Double(Float(bitPattern: $0)) }))
    #expect(codes.count == 1)
    #expect(codes.allSatisfy { format.value($0).isNaN && $0 < format.sign })
  }

  @Test func storesAgreeWithNumpyAndMLDTypes() throws {
    let rows = try NumericFixture.rows("conversions", of: UInt32.self)
    let values = rows.map { Float(bitPattern: $0[0]) }
    for (column, format) in Format.all.enumerated() {
      let codes = format.stored(values)
      for (row, code) in zip(rows, codes) {
        let expected = Int(row[column + 1])
        #expect(
          code == expected || (format.value(code).isNaN && format.value(expected).isNaN),
          "\(format.dtype) of \(Float(bitPattern: row[0]))")
      }
    }
  }

  @Test func wideFormatsConvertOnce() {
    let values: [Double] = [
      0, -0.0, 1 + 0x1p-52, -1 - 0x1p-24, 1e300, 0x1p-150, 0x1.8p-149, -.infinity, 3.5e38,
    ]
    let floats: [Float] = [0, -0.0, 1, -1, .infinity, 0, 0x1p-148, -.infinity, .infinity]
    for (value, float) in zip(values, floats) {
      let loaded = withUnsafeBytes(of: value) { Conversion.loadFloat(from: $0.baseAddress!, dtype: .f64) }
      #expect(isSame(loaded, float))
      var stored: Float = 1
      withUnsafeMutableBytes(of: &stored) {
        Conversion.storeDouble(value, to: $0.baseAddress!, dtype: .f32)
      }
      #expect(isSame(stored, float))
      var widened = 1.0
      withUnsafeMutableBytes(of: &widened) {
        Conversion.storeFloat(float, to: $0.baseAddress!, dtype: .f64)
      }
      #expect(isSame(widened, Double(float)))
      withUnsafeMutableBytes(of: &widened) {
        Conversion.storeDouble(value, to: $0.baseAddress!, dtype: .f64)
      }
      #expect(isSame(widened, value))
      let back = withUnsafeBytes(of: float) { Conversion.loadDouble(from: $0.baseAddress!, dtype: .f32) }
      #expect(isSame(back, Double(float)))
    }
    var bits: UInt32 = 0
    withUnsafeMutableBytes(of: &bits) {
      Conversion.storeFloat(Float(bitPattern: 0xffc1_2345), to: $0.baseAddress!, dtype: .f32)
    }
    #expect(bits == 0x7fc0_0000)
    var wideBits: UInt64 = 0
    withUnsafeMutableBytes(of: &wideBits) {
      Conversion.storeDouble(-Double.nan, to: $0.baseAddress!, dtype: .f64)
    }
    #expect(wideBits == 0x7ff8_0000_0000_0000)
  }

  @Test(arguments: DType.allCases.filter(\.isArithmetic), [0, 1, 7, 64, 301])
  func alignmentAndPositionChangeNothing(_ dtype: DType, _ count: Int) {
    var generator = TestGenerator(state: 5)
    let values = generator.floats(count)
    let width = dtype.byteWidth!
    let raw = UnsafeMutableRawPointer.allocate(byteCount: count * width + 16, alignment: 16)
    defer { raw.deallocate() }
    for offset in [0, 1, 3] {
      Conversion.storeFloats(values, to: raw + offset, dtype: dtype, count: count)
      var loaded = [Float](repeating: 7, count: count + 1)
      Conversion.loadFloats(from: raw + offset, dtype: dtype, into: &loaded, count: count)
      #expect(loaded[count] == 7)
      var rounded = values
      rounded.withUnsafeMutableBufferPointer {
        guard let base = $0.baseAddress else { return }
        Conversion.roundFloats(base, base, dtype: dtype, count: count)
      }
      for index in 0..<count {
        var one: UInt64 = 0
        withUnsafeMutableBytes(of: &one) {
          Conversion.storeFloat(values[index], to: $0.baseAddress!, dtype: dtype)
        }
        let single = withUnsafeBytes(of: one) { Conversion.loadFloat(from: $0.baseAddress!, dtype: dtype) }
        #expect(isSame(loaded[index], single))
        #expect(isSame(rounded[index], single))
      }
    }
  }
}
