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

    package init(config: JSON, module: Architecture.Module, layer: Int) {
      self.config = config
      self.module = module
      self.layer = layer
    }
  }

  /// The config.
  package var json: JSON

  /// What the config cannot say of the output, one sentence each.
  package var warnings: [String]

  /// Derives the config of an output.
  ///
  /// - Parameters:
  ///   - base: The config.json that the output's is like.
  ///   - architecture: What was inferred from `base` and its model.
  ///   - dtype: The dtype of the output's weights; `nil` leaves what the config says.
  ///   - layers: The origin of each layer of a module, by the module's name; a module that is not named
  ///     keeps the layers of the base.
  ///   - vocabulary: What is decided of the vocabulary.
  ///   - values: What is said otherwise at the top, in order; `nil` takes a key away.
  package static func derive(
    from base: JSON, architecture: Architecture, dtype: DType?, layers: [String: [LayerSource]] = [:],
    vocabulary: Vocabulary = Vocabulary(), values: [(key: String, value: JSON?)] = []
  ) -> OutputConfig {
    guard base.objectValue != nil else { return OutputConfig(json: base, warnings: []) }
    var config = base
    var warnings: [String] = []
    for module in architecture.modules {
      guard let sources = layers[module.name], module.layerPrefix != nil else { continue }
      var rewriter = LayerConfigRewriter(base: base, module: module, sources: sources)
      rewriter.rewrite(&config)
      warnings += rewriter.warnings
    }
    setLayerCounts(&config, architecture: architecture, layers: layers)
    set(vocabulary, in: &config, architecture: architecture)
    if let dtype { setDType(&config, dtype) }
    for (key, value) in values { config[path: [key]] = value }
    return OutputConfig(json: config, warnings: warnings)
  }

  // MARK: The number of layers

  private static func setLayerCounts(
    _ config: inout JSON, architecture: Architecture, layers: [String: [LayerSource]]
  ) {
    func newCount(_ module: Architecture.Module) -> Int { layers[module.name]?.count ?? module.numLayers }
    let encoder = architecture.modules.first { $0.role == .encoder }
    for module in architecture.modules where module.layerPrefix != nil {
      let count = newCount(module)
      if layers[module.name] != nil {
        for key in module.layerCountKeys { config[path: key] = JSON(count) }
      }
      guard module.layerCountKeys.isEmpty, let section = module.configSections.last else { continue }
      // T5's decoder has as many layers as the encoder if nothing else is said.
      let implied = module.role == .decoder ? encoder.map(newCount) ?? module.numLayers : module.numLayers
      if count != implied {
        config[path: section + [ArchitectureConfig.defaultLayerCountKey(for: module.role)]] = JSON(count)
      }
    }
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
