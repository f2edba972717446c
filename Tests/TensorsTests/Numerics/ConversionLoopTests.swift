import Tensors
import Testing

/// A format's conversions of single elements in Swift, step by step.
private struct Reference: CustomTestStringConvertible, Sendable {
  let dtype: DType
  let load: @Sendable (UInt64) -> Float
  let store: @Sendable (Float) -> UInt64

  static let all = [
    Reference(dtype: .f32) {
      Float(bitPattern: UInt32($0))
    } store: {
      UInt64(SmallFloats.canonical($0).bitPattern)
    },
    Reference(dtype: .f64) {
      Float(Double(bitPattern: $0))
    } store: {
      Double(SmallFloats.canonical($0)).bitPattern
    },
    Reference(dtype: .f16) {
      SmallFloats.float(f16: UInt16($0))
    } store: {
      UInt64(SmallFloats.f16($0))
    },
    Reference(dtype: .bf16) {
      SmallFloats.float(bf16: UInt16($0))
    } store: {
      UInt64(SmallFloats.bf16($0))
    },
    Reference(dtype: .f8e4m3) {
      SmallFloats.float(f8e4m3: UInt8($0))
    } store: {
      UInt64(SmallFloats.f8e4m3($0))
    },
    Reference(dtype: .f8e5m2) {
      SmallFloats.float(f8e5m2: UInt8($0))
    } store: {
      UInt64(SmallFloats.f8e5m2($0))
    },
    Reference(dtype: .bool) {
      $0 == 0 ? 0 : 1
    } store: {
      $0 == 0 ? 0 : 1
    },
  ]

  var testDescription: String { dtype.rawValue }
  var width: Int { dtype.byteWidth! }

  /// Every code of up to 16 bits; of wider ones those of the values below, and random bits.
  var codes: [UInt64] {
    switch dtype {
    case .f32: return Self.values.map { UInt64($0.bitPattern) }
    case .f64:
      var generator = TestGenerator(state: 7)
      let random = (0..<100_000).map { _ in generator.next() }
      // Ties between Floats, and what is next to them.
      let around = stride(from: 0, to: Self.values.count, by: 13).map { Self.values[$0] }.flatMap { value in
        let middle = (Double(value) + Double(value.nextUp)) / 2
        return [Double(value), middle, middle.nextUp, middle.nextDown].map(\.bitPattern)
      }
      return random + around + [0x7ff0_0000_0000_0001, 0xfff0_1234_5678_9abc, 0xfff8_0000_0000_0000]
    default: return Array(0..<UInt64(1) << (8 * width))
    }
  }

  /// What rounding can go wrong at: each value of binary16, those in the middle between two, and what is next
  /// to either; every upper half of a Float with the lower halves about ties, which makes all kinds of NaN and
  /// subnormals too; and random bits.
  static let values: [Float] = {
    var generator = TestGenerator(state: 6)
    return (0...UInt16.max).flatMap { code in
      let value = SmallFloats.float(f16: code)
      let middle = (value + SmallFloats.float(f16: code &+ 1)) / 2
      let upper = UInt32(code) << 16
      return [value, value.nextUp, value.nextDown, middle, middle.nextUp, middle.nextDown]
        + [0, 1, 0x7fff, 0x8000, 0x8001, 0xefff, 0xf000, 0xf001, 0xffff].map { Float(bitPattern: upper | $0) }
        + [Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))]
    }
  }()
}

/// The loops in C at every level that the processor at hand has, bit by bit beside the conversions of single
/// elements.
@Suite struct ConversionLoopTests {
  /// The first place that `body` finds wrong, from its block's start. The blocks are one of all elements, for
  /// the bodies of loops, and short ones, for their ends.
  private func firstWrong(
    of count: Int, _ body: (Range<Int>) -> Int?
  ) -> (block: Range<Int>, index: Int)? {
    var blocks = [0..<count]
    var (start, length) = (0, 0)
    while start < count {
      blocks.append(start..<min(start + length, count))
      start += length
      length = length % 67 + 1
    }
    for block in blocks {
      if let index = body(block) { return (block, index) }
    }
    return nil
  }

  /// The first place where two arrays differ.
  private func difference<Bits: Equatable>(_ a: [Bits], _ b: some Collection<Bits>) -> Int? {
    a.elementsEqual(b) ? nil : zip(a, b).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? -1
  }

  @Test(arguments: Reference.all, Conversion.Level.available)
  fileprivate func loadsAreThoseOfSingleCodes(_ reference: Reference, _ level: Conversion.Level) {
    let (codes, width) = (reference.codes, reference.width)
    let expected = codes.map { reference.load($0).bitPattern }
    var bytes = [UInt8](repeating: 0, count: codes.count * width + 8)
    for offset in [0, 1] {
      bytes.withUnsafeMutableBytes {
        for (index, code) in codes.enumerated() {
          $0.storeBytes(of: code, toByteOffset: offset + index * width, as: UInt64.self)
        }
      }
      let wrong = firstWrong(of: codes.count) { block in
        // The last is there for what is written too far.
        var loaded = [Float](repeating: 7, count: block.count + 1)
        bytes.withUnsafeBytes {
          Conversion.loadFloats(
            from: $0.baseAddress! + offset + block.lowerBound * width, dtype: reference.dtype, into: &loaded,
            count: block.count, level: level)
        }
        return difference(loaded.map(\.bitPattern), expected[block] + [Float(7).bitPattern])
      }
      #expect(wrong == nil)
    }
  }

  @Test(arguments: Reference.all, Conversion.Level.available)
  fileprivate func storesAreThoseOfSingleValues(_ reference: Reference, _ level: Conversion.Level) {
    let (values, width) = (Reference.values, reference.width)
    let expected = values.flatMap { value in
      let code = reference.store(value)
      return (0..<width).map { UInt8(truncatingIfNeeded: code >> (8 * $0)) }
    }
    for offset in [0, 1] {
      let wrong = firstWrong(of: values.count) { block in
        var bytes = [UInt8](repeating: 0xa5, count: offset + block.count * width + 1)
        bytes.withUnsafeMutableBytes { bytes in
          values.withUnsafeBufferPointer {
            Conversion.storeFloats(
              $0.baseAddress! + block.lowerBound, to: bytes.baseAddress! + offset, dtype: reference.dtype,
              count: block.count, level: level)
          }
        }
        let around = [UInt8](repeating: 0xa5, count: offset)
        let range = block.lowerBound * width..<block.upperBound * width
        return difference(bytes, around + expected[range] + [0xa5])
      }
      #expect(wrong == nil)
    }
  }

  @Test(arguments: Reference.all.filter(\.dtype.isArithmetic), Conversion.Level.available)
  fileprivate func roundedValuesAreThoseStored(_ reference: Reference, _ level: Conversion.Level) {
    let values = Reference.values
    let isWide = reference.width >= 4
    let expected = values.map {
      (isWide ? SmallFloats.canonical($0) : reference.load(reference.store($0))).bitPattern
    }
    let wrong = firstWrong(of: values.count) { block in
      var (apart, inPlace) = ([Float](repeating: 7, count: block.count), Array(values[block]))
      inPlace.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        Conversion.roundFloats(base, &apart, dtype: reference.dtype, count: block.count, level: level)
        Conversion.roundFloats(base, base, dtype: reference.dtype, count: block.count, level: level)
      }
      return difference((apart + inPlace).map(\.bitPattern), expected[block] + expected[block])
    }
    #expect(wrong == nil)
  }
}
