import Architectures
import Basics

extension DerivedModel {
  /// Checks that transformers will build the very layers that a stack names, from the tensors and the config
  /// that the output gets.
  ///
  /// - Throws: What is wrong, and which ranges nearby fit.
  package func checkLayers() throws {
    guard let base = try definition.like.config, base.objectValue != nil else { return }
    let cache = ContentsCache()
    for (name, layers) in definition.layers.sorted(by: { $0.key < $1.key }) {
      guard let module = definition.like.architecture.module(named: name),
        let sources = try layerSources(layers)
      else { continue }
      for (source, layer) in zip(sources, layers) { try cache.add(source, layer.model) }
      let like = OutputConfig.LayerSource(
        config: base, module: module, layer: 0, model: definition.like.label,
        identity: ObjectIdentifier(definition.like))
      try cache.add(like, definition.like)
      let order = LayerOrder(
        base: base, architecture: definition.like.architecture, module: module, rules: definition.rules
      ) { cache.contents($0) }
      let output = LayerContents(module, names: names) { _ in nil }
      let (problem, warnings) = order.judge(sources, output: output, like: like)
      if let problem { throw problem }
      layerWarnings += warnings
    }
  }

  /// The layers as config.json's makers take them; `nil` if a model has no config or no such module.
  func layerSources(_ layers: [Layer]) throws -> [OutputConfig.LayerSource]? {
    let sources = try layers.compactMap { layer -> OutputConfig.LayerSource? in
      // A model without a config is taken to be as the one that gives it.
      guard let config = try layer.model.config ?? definition.like.config,
        let module = layer.model.architecture.module(named: layer.module)
      else { return nil }
      return OutputConfig.LayerSource(
        config: config, module: module, layer: layer.index, model: layer.model.label,
        identity: ObjectIdentifier(layer.model))
    }
    return sources.count == layers.count ? sources : nil
  }
}

/// The tensors of the layers of models, found once.
private final class ContentsCache {
  private struct Key: Hashable {
    let model: ObjectIdentifier?
    let module: String
  }

  private var known: [Key: LayerContents] = [:]

  func add(_ source: OutputConfig.LayerSource, _ model: any LazyModel) throws {
    let key = Key(model: source.identity, module: source.module.name)
    if known[key] != nil { return }
    known[key] = try LayerContents(source.module, names: model.names) { name in
      try model.specification(of: name)?.shape.dimensions
    }
  }

  func contents(_ source: OutputConfig.LayerSource) -> LayerContents {
    known[Key(model: source.identity, module: source.module.name)]
      ?? LayerContents(source.module, names: []) { _ in nil }
  }
}
