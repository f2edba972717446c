/// A model's tensors by the names that other checkpoints have for them.
///
/// The same weights are published under several names: with and without the wrapper of a head
/// (`transformer.wte.weight` and `wte.weight`), in the orders of different versions of transformers
/// (`language_model.model.norm.weight` and `model.language_model.norm.weight`), and with TensorFlow's names
/// of norms (`LayerNorm.gamma` and `LayerNorm.weight`). Two names mean the same tensor if they are equal
/// without these differences, and if only one tensor of the model is.
package struct NameAliases: Sendable {
  /// The model's name by the plain name; `nil` where several tensors have it.
  private let names: [String: String?]

  /// Indexes a model's names.
  package init(_ names: some Sequence<String>) {
    var found: [String: String?] = [:]
    for name in names {
      let plain = Self.plain(name)
      found.updateValue(found.keys.contains(plain) ? nil : name, forKey: plain)
    }
    self.names = found
  }

  /// The model's own name for what another checkpoint calls `name`; `nil` if it has no such tensor, or several.
  package func resolve(_ name: String) -> String? { names[Self.plain(name)] ?? nil }

  /// Modules that wrap the whole model, or its text half, and have no weights of their own.
  private static let wrappers: Set<Substring> = [
    "base_model", "model", "transformer", "bert", "roberta", "distilbert", "gpt_neox", "language_model",
  ]

  /// The name without the wrappers that it begins with, and with PyTorch's names of a norm's parameters.
  private static func plain(_ name: String) -> String {
    var rest = name[...]
    var isVision = false
    while let dot = rest.utf8.firstIndex(of: UInt8(ascii: ".")) {
      let first = rest[..<dot]
      if first == "vision_tower" {
        isVision = true
      } else if !(wrappers.contains(first) || isVision && first == "vision_model") {
        break
      }
      rest = rest[rest.utf8.index(after: dot)...]
    }
    let start = isVision ? "vision_tower." : ""
    guard let dot = rest.utf8.lastIndex(of: UInt8(ascii: ".")) else { return start + rest }
    let owner = rest[..<dot]
    let parameter =
      switch rest[rest.utf8.index(after: dot)...] {
      case "gamma" where owner.hasSuffix("LayerNorm"): "weight"
      case "beta" where owner.hasSuffix("LayerNorm"): "bias"
      default: String(rest[rest.utf8.index(after: dot)...])
      }
    return "\(start)\(owner).\(parameter)"
  }
}
