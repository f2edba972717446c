import Tensors

/// A type of GGUF's tensors, by its number in the file (`ggml_type` of ggml.h).
struct GGUFType {
  let name: String
  let storage: Storage

  enum Storage {
    case plain(DType)
    case blocks(BlockFormat)
    /// Known by its name, and not read.
    case unread
  }

  /// Elements and bytes of what a row consists of.
  var block: (elements: Int, bytes: Int)? {
    switch storage {
    case .plain(let dtype): (1, dtype.bitWidth / 8)
    case .blocks(let format): (format.elementsPerBlock, format.bytesPerBlock)
    case .unread: nil
    }
  }

  /// The type of a number; `nil` if there is none.
  static func numbered(_ number: UInt32) -> GGUFType? {
    if let dtype = plain[number] { return GGUFType(name: dtype.rawValue, storage: .plain(dtype)) }
    guard let name = names[number] else { return nil }
    return GGUFType(name: name, storage: BlockFormat.named(name).map { .blocks($0) } ?? .unread)
  }

  /// The names of those that are read.
  static var readable: [String] {
    plain.sorted { $0.key < $1.key }.map(\.value.rawValue) + BlockFormat.all.map(\.name)
  }

  private static let plain: [UInt32: DType] = [
    0: .f32, 1: .f16, 24: .i8, 25: .i16, 26: .i32, 27: .i64, 28: .f64, 30: .bf16,
  ]

  private static let names: [UInt32: String] = [
    2: "Q4_0", 3: "Q4_1", 4: "Q4_2", 5: "Q4_3", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K",
    11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
    19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 31: "Q4_0_4_4",
    32: "Q4_0_4_8", 33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
  ]
}
