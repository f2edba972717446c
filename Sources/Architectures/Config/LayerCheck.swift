import Basics

/// Compares the layers of a stack with those that transformers will build by the new config.json.
///
/// What transformers builds is learnt from the models themselves: which tensors, of which shapes, each of
/// their layers has, and what of config.json, or of a layer's place, goes with that. A tensor that is in all
/// layers of the base is expected in all layers; one that follows a setting of config.json is expected where
/// the new config has that setting; one of the first or last layer alone is expected there; and one that
/// nothing explains is expected in the layers of the same numbers.
struct LayerCheck {
  /// A layer of the output.
  struct Layer {
    let source: OutputConfig.LayerSource
    let tensors: Set<String>
  }

  /// A tensor that a layer of the output has and must not have, or lacks.
  struct Fault: Equatable {
    let layer: Int
    let tensor: String
    /// Whether transformers expects it there.
    let isExpected: Bool
    /// The layers of the base that have it.
    let holders: [Int]
  }

  /// What a stack's layers are otherwise than transformers builds them.
  struct Findings {
    /// The first that is a tensor of some layers of a model.
    var fault: Fault?
    /// Biases that whole models have or lack.
    var biases: [Fault] = []
  }

  private let base: OutputConfig.LayerSource
  private let baseLayers: [Set<String>]
  private let rules: LayerRules
  private let contents: (OutputConfig.LayerSource) -> LayerContents

  /// - Parameters:
  ///   - base: Any layer of the model whose config the output's is like.
  ///   - contents: Gives the tensors of all layers of a source's model.
  init(
    base: OutputConfig.LayerSource, rules: LayerRules,
    contents: @escaping (OutputConfig.LayerSource) -> LayerContents
  ) {
    self.base = base
    self.rules = rules
    self.contents = contents
    baseLayers = Array(contents(base).layers.prefix(base.module.numLayers))
  }

  /// The first fault of a stack with a config; `nil` if transformers builds the very layers.
  func fault(in layers: [Layer], config: JSON) -> Fault? { findings(in: layers, config: config).fault }

  func findings(in layers: [Layer], config: JSON) -> Findings {
    var found = Findings()
    var features: [Feature]?
    var seen: Set<Columns> = []
    let all = layers.reduce(into: Set<String>()) { $0.formUnion($1.tensors) }
    for tensor in all.union(baseLayers.reduce(into: Set<String>()) { $0.formUnion($1) }).sorted() {
      if rules.isShared(tensor) { continue }
      let columns = Columns(
        base: baseLayers.map { $0.contains(tensor) }, output: layers.map { $0.tensors.contains(tensor) },
        others: isEverywhere(tensor)
          ? [] : layers.map { contents($0.source)[$0.source.layer].contains(tensor) },
        isOfVaryingShape: hasOtherShapes(tensor))
      guard seen.insert(columns).inserted else { continue }
      if let always = columns.base.first, columns.base.allSatisfy({ $0 == always }),
        columns.output.allSatisfy({ $0 == always })
      {
        continue
      }
      if features == nil {
        features = Feature.all(base: base, layers: layers.map(\.source), config: config, rules: rules)
      }
      if let layer = mismatch(columns, tensor, layers.map(\.source), features ?? []) {
        let fault = Fault(
          layer: layer, tensor: tensor, isExpected: !columns.output[layer],
          holders: columns.base.indices.filter { columns.base[$0] })
        if isOptionalBias(tensor, layers[layer].source) {
          found.biases.append(fault)
        } else {
          found.fault = fault
          return found
        }
      }
    }
    return found
  }

  /// Whether all layers of the base have a bias and none of another model, or the other way round: then the models
  /// were made so, and merging them is a choice.
  private func isOptionalBias(_ tensor: String, _ source: OutputConfig.LayerSource) -> Bool {
    guard LayerContents.name(of: tensor).hasSuffix("bias") else { return false }
    return [baseLayers, contents(source).layers].allSatisfy { layers in
      Set(layers.map { $0.contains(tensor) }).count == 1
    }
  }

  private struct Columns: Hashable {
    let base: [Bool]
    let output: [Bool]
    let others: [Bool]
    let isOfVaryingShape: Bool
  }

  private func isEverywhere(_ tensor: String) -> Bool { baseLayers.allSatisfy { $0.contains(tensor) } }

  /// Whether all layers of the base have the tensor, in whatever shape.
  private func hasOtherShapes(_ tensor: String) -> Bool {
    let name = tensor.prefix { $0 != "|" } + "|"
    return baseLayers.allSatisfy { $0.contains { $0.hasPrefix(name) } }
  }

  /// The first layer that is not as expected by the best explanation of where a tensor is.
  private func mismatch(
    _ columns: Columns, _ tensor: String, _ sources: [OutputConfig.LayerSource], _ features: [Feature]
  ) -> Int? {
    for isOfPlace in [false, true] {
      let ranked = features.filter { $0.isOfPlace == isOfPlace && ($0.repeats || columns.isOfVaryingShape) }
      let pairs = ranked.indices.flatMap { first in
        ranked.indices.filter { $0 > first }.map { ranked[first].and(ranked[$0]) }
      }
      for group in [ranked, isOfPlace ? [] : pairs] {
        var wrong: Int?
        for feature in group {
          guard let expected = expectation(columns, tensor, sources, feature) else { continue }
          guard let layer = expected.indices.first(where: { expected[$0] != columns.output[$0] }) else {
            return nil
          }
          wrong = wrong ?? layer
        }
        if let wrong { return wrong }
      }
    }
    // Nothing explains it: the number of the layer may.
    let isConstant = columns.base.allSatisfy { $0 == columns.base.first }
    return columns.output.indices.first { index in
      let expected = isConstant ? columns.base.first : columns.base[safe: index]
      return columns.output[index] != expected
    }
  }

  /// Where a tensor is by a feature; `nil` if the feature does not explain where the base has it.
  private func expectation(
    _ columns: Columns, _ tensor: String, _ sources: [OutputConfig.LayerSource], _ feature: Feature
  ) -> [Bool?]? {
    var known: [JSONKey: Bool] = [:]
    for (value, isThere) in zip(feature.base, columns.base) {
      if let before = known.updateValue(isThere, forKey: value), before != isThere { return nil }
    }
    // What the base never says, another model may.
    for (index, source) in sources.enumerated() where known[feature.sources[index]] == nil {
      known[feature.sources[index]] = contents(source)[source.layer].contains(tensor)
    }
    return feature.output.map { known[$0] }
  }
}

typealias JSONKey = String

/// Something that may tell what a layer is: what config.json says of it, or its place.
private struct Feature {
  /// Its value for each layer of the base, and of the output by the new config, and for the layers that
  /// those come from in their own models.
  let base: [JSONKey]
  let output: [JSONKey]
  let sources: [JSONKey]
  let isOfPlace: Bool

  /// Whether several layers share a value: what is different everywhere explains anything.
  var repeats: Bool { base.count < 4 || Set(base).count < base.count }

  func and(_ other: Feature) -> Feature {
    func both(_ left: [JSONKey], _ right: [JSONKey]) -> [JSONKey] {
      zip(left, right).map { "\($0)\u{0}\($1)" }
    }
    return Feature(
      base: both(base, other.base), output: both(output, other.output), sources: both(sources, other.sources),
      isOfPlace: false)
  }

  static func all(
    base: OutputConfig.LayerSource, layers: [OutputConfig.LayerSource], config: JSON, rules: LayerRules
  ) -> [Feature] {
    let count = base.module.numLayers
    var found: [Feature] = []
    func key(_ value: JSON?) -> JSONKey { value?.text(.compact) ?? "" }
    for setting in LayerSetting.all(in: base.config, of: base.module, rules: rules) {
      if !setting.kind.tellsLayersApart { continue }
      let section = setting.path.dropLast()
      let old = base.config[path: section] ?? .null
      let new = config[path: section] ?? .null
      found.append(
        Feature(
          base: (0..<count).map { key(setting.entry(of: $0, count: count, in: old)) },
          output: layers.indices.map { key(setting.entry(of: $0, count: layers.count, in: new)) },
          sources: layers.map { key($0.entry(setting)) }, isOfPlace: false))
    }
    if let section = base.module.countSection, let made = rules.madeList(base.countObject) {
      func entry(_ object: JSON, _ layer: Int, _ rule: MadeList?) -> JSONKey {
        key(object[made.key]?.arrayValue?[safe: layer] ?? rule?.entry(of: layer))
      }
      let new = config[path: section] ?? .null
      found.append(
        Feature(
          base: (0..<count).map { entry(base.countObject, $0, made) },
          output: layers.indices.map { entry(new, $0, rules.madeList(new)) },
          sources: layers.map { entry($0.countObject, $0.layer, rules.madeList($0.countObject)) },
          isOfPlace: false))
    }
    func place(_ value: (Int, Int) -> String) {
      found.append(
        Feature(
          base: (0..<count).map { value($0, count) }, output: layers.indices.map { value($0, layers.count) },
          sources: layers.map { value($0.layer, $0.module.numLayers) }, isOfPlace: true))
    }
    place { layer, _ in layer == 0 ? "first" : "" }
    place { layer, count in layer == count - 1 ? "last" : "" }
    place { layer, count in layer == 0 ? "first" : layer == count - 1 ? "last" : "" }
    return found
  }
}

extension Array {
  subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
