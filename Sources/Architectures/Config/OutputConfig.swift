import Basics
import Tensors

/// The config.json of an output: a base model's, with the dtype and what depends on the layers updated.
///
/// Everything else survives literally, unknown keys, the order of keys and the spelling of numbers
/// included.
package struct OutputConfig: Sendable {
  /// Where a layer of the output comes from.
  package struct LayerSource: Sendable {
    /// The config.json of the model that the layer is taken from.
    package let config: JSON
    /// The module of that model.
    package let module: Architecture.Module
    /// The layer's number there.
    package let layer: Int
    /// What messages call that model.
    package let model: String
    /// Which model that is, so that the layers of one can be told from those of others.
    package let identity: ObjectIdentifier?

    package init(
      config: JSON, module: Architecture.Module, layer: Int, model: String = "",
      identity: ObjectIdentifier? = nil
    ) {
      self.config = config
      self.module = module
      self.layer = layer
      self.model = model
      self.identity = identity
    }
  }

  /// Something that a config says otherwise than the layers were, or that it cannot say.
  package struct Remark: Sendable, Equatable {
    /// One sentence.
    package let words: String
    /// Whether the output would not be the layers that the slices name.
    package let isError: Bool

    package init(_ words: String, isError: Bool = false) {
      self.words = words
      self.isError = isError
    }
  }

  /// The config.
  package var json: JSON

  /// What is to be said of it.
  package var remarks: [Remark]

  /// What the config says otherwise of the output, one sentence each.
  package var warnings: [String] { remarks.filter { !$0.isError }.map(\.words) }

  /// What the config cannot say of the output, so that transformers would build other layers.
  package var errors: [String] { remarks.filter(\.isError).map(\.words) }

  /// Derives the config of an output.
  ///
  /// - Parameters:
  ///   - base: The config.json that the output's is like.
  ///   - architecture: What was inferred from `base` and its model.
  ///   - dtype: The dtype of the output's weights; `nil` leaves what the config says.
  ///   - layers: The origin of each layer of a module, by the module's name; a module that is not named
  ///     keeps the layers of the base.
  ///   - rules: How keys depend on the layers.
  ///   - vocabulary: What is decided of the vocabulary.
  ///   - values: What is said otherwise at the top, in order; `nil` takes a key away.
  package static func derive(
    from base: JSON, architecture: Architecture, dtype: DType?, layers: [String: [LayerSource]] = [:],
    rules: LayerRules = .none, vocabulary: Vocabulary = Vocabulary(),
    values: [(key: String, value: JSON?)] = []
  ) -> OutputConfig {
    guard base.objectValue != nil else { return OutputConfig(json: base, remarks: []) }
    var config = base
    var remarks: [Remark] = []
    for module in architecture.modules {
      guard let sources = layers[module.name], module.layerPrefix != nil else { continue }
      var rewriter = LayerConfigRewriter(base: base, module: module, sources: sources, rules: rules)
      rewriter.rewrite(&config)
      remarks += rewriter.remarks
    }
    var counts = LayerCountWriter(base: base, architecture: architecture, rules: rules)
    counts.write(layers.mapValues(\.count), to: &config)
    remarks += counts.remarks
    set(vocabulary, in: &config, architecture: architecture)
    if let dtype { setDType(&config, dtype) }
    for (key, value) in values { config[path: [key]] = value }
    return OutputConfig(json: config, remarks: remarks)
  }

  // MARK: The dtype

  private static let dtypeKeys = ["torch_dtype", "dtype"]

  private static func setDType(_ config: inout JSON, _ dtype: DType) {
    replaceDTypes(&config, dtype)
    if dtypeKeys.contains(where: { config[$0]?.stringValue != nil }) { return }
    // Every version of transformers reads `torch_dtype`.
    let key = dtypeKeys.first { config[$0] != nil } ?? "torch_dtype"
    config[path: [key]] = .string(dtype.torchName)
  }

  /// Replaces the dtypes that an object and those within it name.
  private static func replaceDTypes(_ value: inout JSON, _ dtype: DType) {
    guard var object = value.objectValue else { return }
    for (key, child) in object {
      if dtypeKeys.contains(key), let name = child.stringValue {
        let prefix = name.hasPrefix("torch.") ? "torch." : ""
        if DType(name: String(name.dropFirst(prefix.count))) != nil {
          object[key] = .string(prefix + dtype.torchName)
        }
      } else if child.objectValue != nil, key != "quantization_config" {
        var child = child
        replaceDTypes(&child, dtype)
        object[key] = child
      }
    }
    value = .object(object)
  }
}
