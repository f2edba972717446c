import CKernels

/// Between the bytes of a stored tensor and the registers of the evaluator.
///
/// Bytes are little-endian and need no alignment. Every store rounds to nearest even, once; subnormals,
/// signed zeros and infinities are kept, what rounds out of F8_E4M3's range is NaN. Every NaN is stored
/// as one positive quiet NaN: which NaN an operation makes depends on the instruction set. Each element's
/// result depends on that element alone.
///
/// BOOL is 1 for what is not zero; U8 is the nearest whole number that it has, halves to even, and 0 for NaN.
///
/// `dtype` is one for which `isConvertible` holds; the caller checks.
package enum Conversion {
  /// An instruction set that the loops between Floats and bytes are compiled for. All give the same bits.
  package enum Level: UInt32, CaseIterable, Sendable {
    case baseline, avx2, avx512

    /// The processor's best.
    package static let best = Level(rawValue: conversion_best().rawValue)!
    /// Those that the processor has.
    package static var available: [Level] { allCases.filter { $0.rawValue <= best.rawValue } }

    fileprivate var cValue: conversion_level { conversion_level(rawValue) }
  }

  /// Reads `count` elements of `dtype` at `raw` as Float. F64 rounds to nearest even.
  /// `level` is an available one.
  package static func loadFloats(
    from raw: UnsafeRawPointer, dtype: DType, into destination: UnsafeMutablePointer<Float>, count: Int,
    level: Level = .best
  ) {
    conversion_load(level.cValue, format(of: dtype), raw, destination, count)
  }

  /// Writes `count` Floats as elements of `dtype` at `raw`. `level` is an available one.
  package static func storeFloats(
    _ source: UnsafePointer<Float>, to raw: UnsafeMutableRawPointer, dtype: DType, count: Int,
    level: Level = .best
  ) {
    conversion_store(level.cValue, format(of: dtype), source, raw, count)
  }

  /// Reads `count` elements of `dtype` at `raw` as Double, exactly.
  package static func loadDoubles(
    from raw: UnsafeRawPointer, dtype: DType, into destination: UnsafeMutablePointer<Double>, count: Int
  ) {
    switch dtype {
    case .f64: UnsafeMutableRawPointer(destination).copyMemory(from: raw, byteCount: count * 8)
    case .f32: load(raw, destination, count) { (value: Float) in Double(value) }
    case .bf16: load(raw, destination, count) { (code: UInt16) in Double(SmallFloats.float(bf16: code)) }
    case .f16: load(raw, destination, count) { (code: UInt16) in Double(SmallFloats.float(f16: code)) }
    case .f8e4m3: load(raw, destination, count, table: f8e4m3Values) { Double($0) }
    case .f8e5m2: load(raw, destination, count, table: f8e5m2Values) { Double($0) }
    case .bool: load(raw, destination, count) { (code: UInt8) in code == 0 ? 0 : 1 }
    case .u8: load(raw, destination, count) { (code: UInt8) in Double(code) }
    default: preconditionFailure("no arithmetic on \(dtype.rawValue)")
    }
  }

  /// Writes `count` Doubles as elements of `dtype` at `raw`, rounding once.
  package static func storeDoubles(
    _ source: UnsafePointer<Double>, to raw: UnsafeMutableRawPointer, dtype: DType, count: Int
  ) {
    switch dtype {
    case .f64: store(source, raw, count, SmallFloats.canonical)
    case .f32: store(source, raw, count) { SmallFloats.canonical(Float($0)) }
    case .bf16: store(source, raw, count) { SmallFloats.bf16(SmallFloats.roundedToOdd($0)) }
    case .f16: store(source, raw, count) { SmallFloats.f16(SmallFloats.roundedToOdd($0)) }
    case .f8e4m3: store(source, raw, count) { SmallFloats.f8e4m3(SmallFloats.roundedToOdd($0)) }
    case .f8e5m2: store(source, raw, count) { SmallFloats.f8e5m2(SmallFloats.roundedToOdd($0)) }
    case .bool: store(source, raw, count) { UInt8($0 == 0 ? 0 : 1) }
    case .u8:
      store(source, raw, count) { UInt8(max(0, min(255, $0.isNaN ? 0 : $0)).rounded(.toNearestOrEven)) }
    default: preconditionFailure("no arithmetic on \(dtype.rawValue)")
    }
  }

  /// The element of `dtype` at `raw`, exactly.
  package static func loadDouble(from raw: UnsafeRawPointer, dtype: DType) -> Double {
    var value = 0.0
    loadDoubles(from: raw, dtype: dtype, into: &value, count: 1)
    return value
  }

  /// The element of `dtype` at `raw`; F64 rounds to nearest even.
  package static func loadFloat(from raw: UnsafeRawPointer, dtype: DType) -> Float {
    var value: Float = 0
    loadFloats(from: raw, dtype: dtype, into: &value, count: 1)
    return value
  }

  /// Writes `value` as an element of `dtype` at `raw`.
  package static func storeFloat(_ value: Float, to raw: UnsafeMutableRawPointer, dtype: DType) {
    withUnsafePointer(to: value) { storeFloats($0, to: raw, dtype: dtype, count: 1) }
  }

  /// Writes `value` as an element of `dtype` at `raw`, rounding once.
  package static func storeDouble(_ value: Double, to raw: UnsafeMutableRawPointer, dtype: DType) {
    withUnsafePointer(to: value) { storeDoubles($0, to: raw, dtype: dtype, count: 1) }
  }

  /// Replaces each value by the one that storing as `dtype` and loading again would give.
  /// `level` is an available one.
  package static func roundFloats(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, dtype: DType, count: Int,
    level: Level = .best
  ) {
    precondition(dtype.isConvertible, "no arithmetic on \(dtype.rawValue)")
    conversion_round(level.cValue, format(of: dtype), source, destination, count)
  }

  /// Whether one of `count` elements of `dtype` at `raw` is not finite. `level` is an available one.
  package static func hasNonFinite(
    _ raw: UnsafeRawPointer, dtype: DType, count: Int, level: Level = .best
  ) -> Bool {
    conversion_has_nonfinite(level.cValue, format(of: dtype), raw, count)
  }

  private static func format(of dtype: DType) -> conversion_format {
    switch dtype {
    case .f32: conversion_f32
    case .f64: conversion_f64
    case .f16: conversion_f16
    case .bf16: conversion_bf16
    case .f8e4m3: conversion_f8e4m3
    case .f8e5m2: conversion_f8e5m2
    case .bool: conversion_bool
    case .u8: conversion_u8
    default: preconditionFailure("no arithmetic on \(dtype.rawValue)")
    }
  }

  private static let f8e4m3Values = (0...255).map { SmallFloats.float(f8e4m3: UInt8($0)) }
  private static let f8e5m2Values = (0...255).map { SmallFloats.float(f8e5m2: UInt8($0)) }

  @inline(__always)
  private static func load<Stored: BitwiseCopyable, Value>(
    _ raw: UnsafeRawPointer, _ destination: UnsafeMutablePointer<Value>, _ count: Int,
    _ convert: (Stored) -> Value
  ) {
    for index in 0..<count {
      let offset = index &* MemoryLayout<Stored>.size
      destination[index] = convert(raw.loadUnaligned(fromByteOffset: offset, as: Stored.self))
    }
  }

  @inline(__always)
  private static func load<Value>(
    _ raw: UnsafeRawPointer, _ destination: UnsafeMutablePointer<Value>, _ count: Int,
    table: [Float], _ convert: (Float) -> Value
  ) {
    let codes = raw.assumingMemoryBound(to: UInt8.self)
    table.withUnsafeBufferPointer { table in
      let values = table.baseAddress.unsafelyUnwrapped
      for index in 0..<count { destination[index] = convert(values[Int(codes[index])]) }
    }
  }

  @inline(__always)
  private static func store<Value, Stored: BitwiseCopyable>(
    _ source: UnsafePointer<Value>, _ raw: UnsafeMutableRawPointer, _ count: Int,
    _ convert: (Value) -> Stored
  ) {
    for index in 0..<count {
      let offset = index &* MemoryLayout<Stored>.size
      raw.storeBytes(of: convert(source[index]), toByteOffset: offset, as: Stored.self)
    }
  }
}
