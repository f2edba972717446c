/// An element type of the safetensors format.
///
/// The raw value is the name in a safetensors header
/// (https://github.com/huggingface/safetensors, `Dtype`).
package enum DType: String, Sendable, Hashable, CaseIterable {
  case bool = "BOOL"
  case f4 = "F4"
  case f6e2m3 = "F6_E2M3"
  case f6e3m2 = "F6_E3M2"
  case u8 = "U8"
  case i8 = "I8"
  case f8e5m2 = "F8_E5M2"
  case f8e4m3 = "F8_E4M3"
  case f8e8m0 = "F8_E8M0"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case c64 = "C64"
  case f64 = "F64"
  case i64 = "I64"
  case u64 = "U64"

  /// Bits of one element; 4 and 6 for the packed formats.
  package var bitWidth: Int {
    switch self {
    case .f4: 4
    case .f6e2m3, .f6e3m2: 6
    case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// Bytes of one element, or `nil` where elements are packed below a byte.
  package var byteWidth: Int? { bitWidth % 8 == 0 ? bitWidth / 8 : nil }

  /// Whether expressions can be computed on it; every other dtype is only copied.
  package var isArithmetic: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16, .f8e4m3, .f8e5m2: true
    default: false
    }
  }

  /// Whether numbers can be stored as it and read from it, by `to`: what is computed, masks and counts.
  package var isConvertible: Bool { isArithmetic || self == .bool || self == .u8 }

  /// The bytes that `count` elements take, or `nil` if that overflows or ends within a byte.
  package func byteCount(_ count: Int) -> Int? {
    let (bits, overflow) = count.multipliedReportingOverflow(by: bitWidth)
    return overflow || bits % 8 != 0 ? nil : bits / 8
  }

  /// Torch's name, as config.json and merge recipes write it (`bfloat16`), or the safetensors name
  /// where Torch has none.
  package var torchName: String {
    switch self {
    case .f64: "float64"
    case .f32: "float32"
    case .f16: "float16"
    case .bf16: "bfloat16"
    case .f8e4m3: "float8_e4m3fn"
    case .f8e5m2: "float8_e5m2"
    case .f8e8m0: "float8_e8m0fnu"
    case .i64: "int64"
    case .i32: "int32"
    case .i16: "int16"
    case .i8: "int8"
    case .u64: "uint64"
    case .u32: "uint32"
    case .u16: "uint16"
    case .u8: "uint8"
    case .bool: "bool"
    case .c64: "complex64"
    case .f4, .f6e2m3, .f6e3m2: rawValue
    }
  }

  /// The dtype of a safetensors name (`BF16`), Torch name (`bfloat16`) or short name (`bf16`,
  /// `half`, `float`, `double`), in any case.
  package init?(name: String) {
    if let dtype = Self.torchNames[name] {
      self = dtype
      return
    }
    let name = name.lowercased()
    guard
      let match = DType.allCases.first(where: {
        $0.rawValue.lowercased() == name || $0.torchName.lowercased() == name
      }) ?? Self.aliases[name]
    else { return nil }
    self = match
  }

  /// The dtype that holds elements of all of `dtypes`: their own if they agree, else the wider one, and
  /// for two of one width the next wider (F16 with BF16 is F32). `nil` for none.
  package static func promoted(_ dtypes: some Sequence<DType>) -> DType? {
    dtypes.reduce(nil) { result, dtype in
      guard let result, result != dtype else { return dtype }
      if result.bitWidth == dtype.bitWidth { return dtype.bitWidth == 16 ? .f32 : .f16 }
      return result.bitWidth > dtype.bitWidth ? result : dtype
    }
  }

  private static let torchNames = Dictionary(uniqueKeysWithValues: allCases.map { ($0.torchName, $0) })

  private static let aliases: [String: DType] = [
    "half": .f16, "float": .f32, "double": .f64, "fp16": .f16, "fp32": .f32, "fp64": .f64,
    "float8_e4m3": .f8e4m3, "f8_e4m3fn": .f8e4m3,
  ]
}
