import Basics

/// Writes how many layers the modules of an output have wherever the base's config says it.
///
/// Only the modules that are stacked are touched.
struct LayerCountWriter {
  private let base: JSON
  private let architecture: Architecture
  private let rules: LayerRules
  private(set) var remarks: [OutputConfig.Remark] = []

  init(base: JSON, architecture: Architecture, rules: LayerRules) {
    self.base = base
    self.architecture = architecture
    self.rules = rules
  }

  /// - Parameter counts: The new number of layers by the module's name.
  mutating func write(_ counts: [String: Int], to config: inout JSON) {
    for module in architecture.modules where module.layerPrefix != nil {
      guard let count = counts[module.name] else { continue }
      if isStage(module), count != module.numLayers {
        remarks.append(
          OutputConfig.Remark(
            "config.json: \(module.layerPrefix ?? module.name) is one of several stages, of which each has a number"
              + " of layers of its own that cannot be told apart", isError: true))
        continue
      }
      let keys = keys(of: module)
      if keys.isEmpty {
        addKey(module, count, counts, &config)
        continue
      }
      for key in keys { set(key, module, count, &config) }
      if count != module.numLayers { checkSharing(module, counts) }
    }
    keepImpliedCounts(counts, &config)
    if !counts.isEmpty { checkDecoder(counts, config) }
  }

  /// Some model types cannot run a decoder of more layers than another number says, such as the encoder's.
  private mutating func checkDecoder(_ counts: [String: Int], _ config: JSON) {
    for module in architecture.modules where module.role == .decoder {
      guard let section = module.countSection,
        let (key, most) = rules.mostLayers(config[path: section] ?? .null),
        counts[module.name] ?? module.numLayers > most
      else { continue }
      remarks.append(
        OutputConfig.Remark(
          "config.json: this model type cannot run more layers of the decoder than \(key) = \(most)",
          isError: true))
    }
  }

  private mutating func set(
    _ key: [String], _ module: Architecture.Module, _ count: Int, _ config: inout JSON
  ) {
    // A count that differs from the number of layers may be right: it is touched only if it must change.
    if count == module.numLayers { return }
    let old = base[path: key]?.intValue ?? 0
    guard let scaled = module.configCount(for: count) else {
      remarks.append(
        OutputConfig.Remark(
          "config.json: \(key.joined(separator: ".")) = \(old) stands for \(module.numLayers) layers of"
            + " \(module.name) and cannot say \(count)", isError: true))
      return
    }
    config[path: key] = JSON(scaled)
    // A total that is so many times this one.
    let section = Array(key.dropLast())
    for (other, value) in base[path: section]?.objectValue ?? JSONObject() {
      guard rules.unit(of: other) == key.last, let total = value.intValue, old > 0, total % old == 0 else {
        continue
      }
      config[path: section + [other]] = JSON(total / old * scaled)
    }
  }

  /// The keys of a module's number, by rule or else as inferred.
  private func keys(of module: Architecture.Module) -> [[String]] {
    rules.countKey(of: module.layerPrefix ?? "", in: base).map { [$0] } ?? module.layerCountKeys
  }

  /// Whether a list of layers lies within another list.
  private func isStage(_ module: Architecture.Module) -> Bool {
    module.layerPrefix?.split(separator: ".").dropFirst().contains { $0.allSatisfy(\.isNumber) } ?? false
  }

  /// Two modules whose number one key says cannot have different ones.
  private mutating func checkSharing(_ module: Architecture.Module, _ counts: [String: Int]) {
    for other in architecture.modules where other.name != module.name && other.layerPrefix != nil {
      guard let key = keys(of: other).first(where: keys(of: module).contains),
        (counts[other.name] ?? other.numLayers) != counts[module.name], other.role != .decoder,
        other.countRank >= module.countRank
      else { continue }
      remarks.append(
        OutputConfig.Remark(
          "config.json: \(key.joined(separator: ".")) says the number of layers of both \(module.name) and"
            + " \(other.name), which must have as many", isError: true))
      return
    }
  }

  /// The count is written where transformers looks for it, if that is known for certain.
  private mutating func addKey(
    _ module: Architecture.Module, _ count: Int, _ counts: [String: Int], _ config: inout JSON
  ) {
    guard count != impliedCount(module, counts), !isCounted(module, count, config) else { return }
    let path = module.configSections.last.map {
      $0 + [ArchitectureConfig.defaultLayerCountKey(for: module.role)]
    }
    let isKnown = module.name == architecture.main.name || module.role == .encoder || module.role == .decoder
    // A key that is there counts something else.
    guard isKnown, module.role != .other, let key = path, base[path: key] == nil else {
      remarks.append(
        OutputConfig.Remark(
          "config.json says nowhere how many layers \(module.name) has, and cannot say \(count)",
          isError: true))
      return
    }
    config[path: key] = JSON(count)
    remarks.append(
      OutputConfig.Remark(
        "config.json: \(key.joined(separator: ".")) is added, as nothing says how many layers"
          + " \(module.name) has"))
  }

  /// Whether a list with an entry for each layer says their number.
  private func isCounted(_ module: Architecture.Module, _ count: Int, _ config: JSON) -> Bool {
    module.configSections.contains { section in
      rules.counting.contains { config[path: section + [$0]]?.arrayValue?.count == count }
    }
  }

  /// T5's decoder has as many layers as the encoder if nothing else is said.
  private func impliedCount(_ module: Architecture.Module, _ counts: [String: Int]) -> Int {
    guard module.role == .decoder, let encoder = architecture.modules.first(where: { $0.role == .encoder })
    else { return module.numLayers }
    return counts[encoder.name] ?? encoder.numLayers
  }

  /// Writes out the number of a decoder that is not stacked where it followed that of the encoder.
  private mutating func keepImpliedCounts(_ counts: [String: Int], _ config: inout JSON) {
    for module in architecture.modules
    where module.role == .decoder && module.layerCountKeys.isEmpty && counts[module.name] == nil {
      guard let section = module.configSections.last, module.numLayers != impliedCount(module, counts) else {
        continue
      }
      let key = ArchitectureConfig.defaultLayerCountKey(for: .decoder)
      config[path: section + [key]] = JSON(module.numLayers)
    }
  }
}
