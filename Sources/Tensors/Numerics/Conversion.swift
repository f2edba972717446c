import CKernels

/// Between the bytes of a stored tensor and the registers of the evaluator.
///
/// Bytes are little-endian and need no alignment. Every store rounds to nearest even, once; subnormals,
/// signed zeros and infinities are kept, what rounds out of F8_E4M3's range is NaN. Every NaN is stored
/// as one positive quiet NaN: which NaN an operation makes depends on the instruction set. Each element's
/// result depends on that element alone.
///
/// `dtype` is one for which `isArithmetic` holds; the caller checks. Between Float and BOOL there is a way for
/// masks that the evaluator keeps: 1 for what is not zero.
package enum Conversion {
  /// Reads `count` elements of `dtype` at `raw` as Float. F64 rounds to nearest even.
  package static func loadFloats(
    from raw: UnsafeRawPointer, dtype: DType, into destination: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch dtype {
    case .f32: UnsafeMutableRawPointer(destination).copyMemory(from: raw, byteCount: count * 4)
    case .bf16: block_load_bf16(raw, destination, count)
    case .f16: load(raw, destination, count) { (code: UInt16) in SmallFloats.float(f16: code) }
    case .f64: load(raw, destination, count) { (value: Double) in Float(value) }
    case .f8e4m3: load(raw, destination, count, table: f8e4m3Values) { $0 }
    case .f8e5m2: load(raw, destination, count, table: f8e5m2Values) { $0 }
    case .bool: block_load_bool(raw, destination, count)
    default: preconditionFailure("no arithmetic on \(dtype.rawValue)")
    }
  }

  /// Writes `count` Floats as elements of `dtype` at `raw`.
  package static func storeFloats(
    _ source: UnsafePointer<Float>, to raw: UnsafeMutableRawPointer, dtype: DType, count: Int
  ) {
    switch dtype {
    case .f32: store(source, raw, count, SmallFloats.canonical)
    case .bf16: block_store_bf16(source, raw, count)
    case .f16: store(source, raw, count, SmallFloats.f16)
    case .f64: store(source, raw, count) { Double(SmallFloats.canonical($0)) }
    case .f8e4m3: store(source, raw, count, SmallFloats.f8e4m3)
    case .f8e5m2: store(source, raw, count, SmallFloats.f8e5m2)
    case .bool: block_store_bool(source, raw, count)
    default: preconditionFailure("no arithmetic on \(dtype.rawValue)")
    }
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
  package static func roundFloats(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, dtype: DType, count: Int
  ) {
    switch dtype {
    case .f32, .f64: mapBlock(source, destination, count, SmallFloats.canonical)
    case .bf16: block_round_bf16(source, destination, count)
    case .f16: mapBlock(source, destination, count) { SmallFloats.float(f16: SmallFloats.f16($0)) }
    case .f8e4m3:
      f8e4m3Values.withUnsafeBufferPointer { table in
        mapBlock(source, destination, count) { table[Int(SmallFloats.f8e4m3($0))] }
      }
    case .f8e5m2:
      f8e5m2Values.withUnsafeBufferPointer { table in
        mapBlock(source, destination, count) { table[Int(SmallFloats.f8e5m2($0))] }
      }
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
