import Basics
import Tensors

/// What tells that a checkpoint's weights are quantised. Averaging packed codes, or weights without their scales, would
/// make noise of them.
enum QuantizationMarks {
  /// The mark that a checkpoint has, in words; `nil` if it has none.
  ///
  /// - Parameters:
  ///   - config: Its config.json.
  ///   - names: The names of its tensors.
  ///   - dtype: The dtype that a tensor is stored in, `nil` for a name that there is not.
  static func find(config: JSON?, names: [String], dtype: (String) -> DType?) -> String? {
    if let config, let said = announced(in: config, depth: 0) { return said }
    for name in names {
      guard let stored = dtype(name), !isPlain(stored), let mark = mark(of: name, dtype) else { continue }
      return "tensor '\(mark)'"
    }
    return nil
  }

  // MARK: config.json

  private static let configKeys = ["quantization_config", "compression_config", "quantization"]

  /// A key that announces quantisation, with the method: at the top, or in the config of a part.
  private static func announced(in config: JSON, depth: Int) -> String? {
    guard let object = config.objectValue else { return nil }
    for key in configKeys {
      guard let value = object[key], let entries = value.objectValue,
        !entries.isEmpty || key == "quantization_config"
      else { continue }
      let method = value["quant_method"]?.stringValue ?? value["format"]?.stringValue
      let bits = value["bits"]?.intValue.map { "\($0) bits" }
      return "\(key): \(method ?? bits ?? "unknown")"
    }
    guard depth < 2 else { return nil }
    for (key, value) in object where key.hasSuffix("_config") {
      if let said = announced(in: value, depth: depth + 1) { return "\(key).\(said)" }
    }
    return nil
  }

  // MARK: Tensors

  /// Names of tensors of codes (GPTQ and AWQ; compressed-tensors; HQQ; quanto; AQLM; QuIP#; the experts of gpt-oss).
  private static let packed = [
    ".qweight", ".qzeros", ".weight_packed", ".W_q", ".weight._data", ".codes", ".Qidxs", "_blocks",
  ]

  /// What stands beside a quantised weight: scales, absolute maxima, minima.
  private static let scales = [
    ".scales", ".SCB", ".weight.SCB", ".weight_scale", ".weight_scale_inv", ".weight_scales",
    ".weight.absmax",
    ".scale_weight", ".scale", ".weight_scale_2", ".weight_shape", ".input_scale",
  ]

  /// The tensor by which one that is stored in codes is known as quantised; integers that are none are no weights.
  private static func mark(of name: String, _ dtype: (String) -> DType?) -> String? {
    if name == "scaled_fp8" || packed.contains(where: name.hasSuffix) { return name }
    guard name.hasSuffix(".weight") else { return nil }
    let owner = name.dropLast(".weight".count)
    return scales.lazy.map { owner + $0 }.first { dtype($0) != nil }
  }

  private static func isPlain(_ dtype: DType) -> Bool {
    switch dtype {
    case .f64, .f32, .f16, .bf16: true
    default: false
    }
  }
}
