import Basics

/// Rewrites what a config.json says layer by layer for layers that come from elsewhere.
///
/// Each setting is put together from what the sources' own configs say of the layers that were taken. A
/// source that lacks a key is taken to agree with the base on the layer of that number.
struct LayerConfigRewriter {
  private let base: JSON
  private let module: Architecture.Module
  private let sources: [OutputConfig.LayerSource]
  private let rules: LayerRules
  private(set) var remarks: [OutputConfig.Remark] = []

  init(
    base: JSON, module: Architecture.Module, sources: [OutputConfig.LayerSource], rules: LayerRules
  ) {
    self.base = base
    self.module = module
    self.sources = sources
    self.rules = rules
  }

  mutating func rewrite(_ config: inout JSON) {
    for setting in LayerSetting.all(in: base, of: module, rules: rules) {
      let object = base[path: setting.path.dropLast()] ?? .null
      let entries = sources.map { source in
        source.entry(setting) ?? setting.entry(of: source.layer, count: module.numLayers, in: object)
      }
      write(setting, entries, &config)
    }
    addMadeList(&config)
    checkDemands(config)
    dropPredictionLayers(&config)
    remarkOnNumbers()
  }

  // MARK: Settings

  private mutating func write(_ setting: LayerSetting, _ entries: [JSON?], _ config: inout JSON) {
    let old = base[path: setting.path] ?? .null
    let flags = entries.map { $0?.boolValue ?? false }
    let isActive = !isInactive(setting)
    switch setting.kind {
    case .list(let width):
      // What follows the layers belongs to the prediction layers, which no stack has.
      store(entries, setting, &config) { list in
        .array(width == 1 ? list : list.flatMap { $0.arrayValue ?? [] })
      }
    case .letters:
      store(entries, setting, &config) { .string($0.compactMap(\.stringValue).joined()) }
    case .repeated:
      if entries.compactMap(\.self) != old.repeatedPatterns {
        store(entries, setting, &config) { .array([.array([.array($0), JSON(1)])]) }
      }
    case .cycle:
      let cycle = old.arrayValue ?? []
      if entries.indices.contains(where: { entries[$0] != cycle[$0 % cycle.count] }) {
        store(entries, setting, &config) { .array($0) }
      }
    case .indices(let first):
      let numbers = flags.indices.filter { flags[$0] }
      config[path: setting.path] = .array(numbers.map { JSON($0 + first) })
      if rules.ordinals.contains(setting.key) { checkOrdinals(setting, numbers) }
    case .byNumber:
      var object = JSONObject()
      for (index, entry) in entries.enumerated() {
        if let entry, !entry.isNull { object[String(index)] = entry }
      }
      config[path: setting.path] = .object(object)
    case .references: writeReferences(setting, entries, &config)
    case .taps: writeTaps(setting, &config)
    case .stageTaps(let first): writeStageTaps(setting, first, &config)
    case .firstLayers: writeFirstLayers(setting, flags, isActive, &config)
    case .lastLayers: writeLastLayers(setting, flags, isActive, &config)
    case .range(let end): writeRange(setting, end, flags, &config)
    case .runs(let keys): writeRuns(setting, keys, entries, &config)
    case .period: if isActive { checkPeriod(setting, entries) }
    }
  }

  /// Stores the rewritten entries, or removes the key if one is unknown, as a list of a wrong length
  /// keeps a model from loading.
  private mutating func store(
    _ entries: [JSON?], _ setting: LayerSetting, _ config: inout JSON, value: ([JSON]) -> JSON
  ) {
    let known = entries.compactMap(\.self)
    if known.count == entries.count {
      config[path: setting.path] = value(known)
    } else {
      config[path: setting.path] = nil
      warn(setting, "is left out, as nothing says it for all layers of the output")
    }
  }

  /// A layer that differs by which of a list's it is must stay that one.
  private mutating func checkOrdinals(_ setting: LayerSetting, _ numbers: [Int]) {
    for (place, number) in numbers.enumerated() {
      let source = sources[number]
      let old = (0..<source.layer).count { layer in
        let other = OutputConfig.LayerSource(config: source.config, module: source.module, layer: layer)
        return other.entry(setting)?.boolValue ?? false
      }
      if old != place {
        return refuse(
          setting,
          "makes layer \(source.layer) what it is by its place in the list, which is \(old + 1) and would be"
            + " \(place + 1)")
      }
    }
  }

  private mutating func writeReferences(
    _ setting: LayerSetting, _ entries: [JSON?], _ config: inout JSON
  ) {
    var numbers: [JSON] = []
    for (index, entry) in entries.enumerated() {
      guard let wanted = entry?.intValue else { return store([nil], setting, &config) { .array($0) } }
      // The layer itself, or the nearest one before it that is the one it names.
      let found =
        wanted == sources[index].layer
        ? index
        : sources[..<index].lastIndex { $0.layer == wanted && $0.isOfOneModel(with: sources[index]) }
      guard let found else {
        return refuse(
          setting,
          "says that layer \(sources[index].layer) takes from layer \(wanted), which is not among the"
            + " layers before it")
      }
      numbers.append(JSON(found))
    }
    config[path: setting.path] = .array(numbers)
  }

  /// What other parts take goes on to come from the same layers.
  private mutating func writeTaps(_ setting: LayerSetting, _ config: inout JSON) {
    guard let old = base[path: setting.path], let taps = old.layerNumbers else { return }
    var numbers: [JSON] = []
    for tap in taps {
      // Counted from the last layer back, it means a distance.
      guard tap >= 0 else {
        numbers.append(JSON(tap))
        continue
      }
      guard let found = sources.lastIndex(where: { $0.layer == tap }) else {
        return refuse(setting, "takes the output of layer \(tap), which no slice has")
      }
      numbers.append(JSON(found))
    }
    config[path: setting.path] = old.arrayValue == nil ? numbers[0] : .array(numbers)
  }

  /// The stages of backbones, of which a layer is one; those of the last layer go on to be the last one's.
  private mutating func writeStageTaps(_ setting: LayerSetting, _ first: Int, _ config: inout JSON) {
    guard let taps = base[path: setting.path]?.layerNumbers else { return }
    let isLast = taps == [module.numLayers - 1 + first]
    var numbers: [Int] = []
    for tap in taps {
      guard tap >= first else {
        numbers.append(tap)
        continue
      }
      guard let found = isLast ? sources.count - 1 : sources.lastIndex(where: { $0.layer == tap - first })
      else {
        return refuse(setting, "takes the output of layer \(tap - first), which no slice has")
      }
      numbers.append(found + first)
    }
    config[path: setting.path] = .array(numbers.map { JSON($0) })
    let section = setting.path.dropLast()
    let names = (first == 1 ? ["stem"] : []) + (1...max(sources.count, 1)).map { "stage\($0)" }
    if base[path: section + ["stage_names"]]?.arrayValue != nil {
      config[path: section + ["stage_names"]] = .array(names.map(JSON.string))
    }
    if base[path: section + ["out_features"]]?.arrayValue != nil {
      config[path: section + ["out_features"]] = .array(
        numbers.compactMap { names[safe: $0 < 0 ? names.count + $0 : $0].map(JSON.string) })
    }
  }

  private mutating func writeFirstLayers(
    _ setting: LayerSetting, _ isFirst: [Bool], _ isActive: Bool, _ config: inout JSON
  ) {
    guard let old = base[path: setting.path]?.intValue else { return }
    let run = isFirst.prefix { $0 }.count
    // A number beyond the last layer means all of them, however many there are.
    config[path: setting.path] = JSON(run == isFirst.count && old > module.numLayers ? max(old, run) : run)
    if isFirst[run...].contains(true), isActive {
      refuse(
        setting, "counts layers from the first on and cannot say that layers after \(run) are of that kind")
    }
  }

  private mutating func writeLastLayers(
    _ setting: LayerSetting, _ isLast: [Bool], _ isActive: Bool, _ config: inout JSON
  ) {
    let run = isLast.reversed().prefix { $0 }.count
    config[path: setting.path] = JSON(run)
    if isLast.dropLast(run).contains(true), isActive {
      refuse(
        setting,
        "counts layers from the last back and cannot say that layers before \(isLast.count - run)"
          + " are of that kind")
    }
  }

  private mutating func writeRange(
    _ setting: LayerSetting, _ end: String, _ isInside: [Bool], _ config: inout JSON
  ) {
    guard let first = isInside.firstIndex(of: true), let last = isInside.lastIndex(of: true) else {
      config[path: setting.path] = JSON(isInside.count)
      return
    }
    let endPath = setting.path.dropLast() + [end]
    let old = base[path: endPath]?.intValue ?? -1
    config[path: setting.path] = JSON(first)
    config[path: endPath] = JSON(old < 0 && last == isInside.count - 1 ? old : last)
    if isInside[first...last].contains(false) {
      refuse(setting, "and \(end) say one run of layers and cannot leave some out")
    }
  }

  private mutating func writeRuns(
    _ setting: LayerSetting, _ keys: [String], _ entries: [JSON?], _ config: inout JSON
  ) {
    let numbers = entries.map { $0?.intValue ?? -1 }
    let factor = module.layerCountFactor
    for (index, key) in keys.enumerated() {
      config[path: setting.path.dropLast() + [key]] = JSON(numbers.count { $0 == index } * factor)
    }
    if numbers != numbers.sorted() {
      refuse(setting, "and what stands beside it count runs of layers, whose order the slices change")
    }
  }

  /// A rule by the layer's number must not make a layer something else than it was.
  private mutating func checkPeriod(_ setting: LayerSetting, _ entries: [JSON?]) {
    guard let period = base[path: setting.path]?.intValue, period > 1, !rules.isVisible(setting.key) else {
      return
    }
    guard let moved = entries.indices.first(where: { entries[$0]?.intValue != $0 % period }) else { return }
    refuse(
      setting,
      "= \(period) makes layer \(moved) of the output another kind than layer \(sources[moved].layer),"
        + " which it comes from")
  }

  // MARK: Lists that are made

  /// Writes a list where the base leaves it to a rule by the layer's number which the new order of layers
  /// breaks.
  private func addMadeList(_ config: inout JSON) {
    guard let section = module.countSection, let rule = rules.madeList(config[path: section] ?? .null),
      base[path: section + [rule.key]]?.arrayValue == nil
    else { return }
    let entries = sources.map { source in
      let object = source.countObject
      return object[rule.key]?.arrayValue.flatMap {
        $0.indices.contains(source.layer) ? $0[source.layer] : nil
      }
        ?? rules.madeList(object)?.entry(of: source.layer)
    }
    let known = entries.compactMap(\.self)
    guard known.count == entries.count, known != known.indices.map(rule.entry(of:)) else { return }
    config[path: section + [rule.key]] = .array(known)
  }

  /// Whether a key says nothing, as another one is stronger or turns it off.
  private func isInactive(_ setting: LayerSetting) -> Bool {
    if rules.isVisible(setting.key) { return true }
    let object = base[path: setting.path.dropLast()] ?? .null
    if let need = rules.need(of: setting.key), object[need]?.boolValue != true { return true }
    let overruling = rules.overruling(setting.key)
    if overruling.contains(where: { object[$0]?.arrayValue != nil }) { return true }
    return rules.madeList(object).map { overruling.contains($0.key) } ?? false
  }

  // MARK: Demands

  /// What model types demand of lists, whatever the layers are.
  private mutating func checkDemands(_ config: JSON) {
    guard let section = module.countSection, let object = config[path: section] else { return }
    if let reason = rules.reasonToStay(object),
      sources.count != module.numLayers
        || sources.indices.contains(where: {
          sources[$0].layer != $0 || !sources[$0].isOfOneModel(with: sources[0])
        })
    {
      remarks.append(
        OutputConfig.Remark("the layers of this model type keep their places: \(reason)", isError: true))
    }
    if let (list, entry, isLast) = rules.demand(object), let entries = object[list]?.arrayValue {
      let has = (isLast ? entries.last.map { [$0] } ?? [] : entries).contains { $0.stringValue == entry }
      if !has {
        remarks.append(
          OutputConfig.Remark(
            "config.json: this model type wants \(quoted(entry)) in \((section + [list]).joined(separator: "."))"
              + (isLast ? " for the last layer" : ""), isError: true))
      }
    }
    for (key, value) in object.objectValue ?? JSONObject() {
      guard let follower = rules.follower(in: key), let first = value.arrayValue?.first,
        first.stringValue == follower
      else { continue }
      remarks.append(
        OutputConfig.Remark(
          "config.json: \((section + [key]).joined(separator: ".")) begins with \(quoted(follower)), which goes on"
            + " with what a layer before it found", isError: true))
    }
  }

  // MARK: Other

  /// Layers that predict further tokens have no place in a stack.
  private mutating func dropPredictionLayers(_ config: inout JSON) {
    guard module.numPredictionLayers > 0, let section = module.countSection else { return }
    config[path: section + ["num_nextn_predict_layers"]] = JSON(0)
    remarks.append(
      OutputConfig.Remark(
        "config.json: num_nextn_predict_layers is now 0, as a stack keeps no layers that predict further tokens"
      ))
  }

  private mutating func remarkOnNumbers() {
    guard let section = module.countSection,
      let (what, isByCount) = rules.byNumber(base[path: section] ?? .null)
    else { return }
    let hasChanged =
      isByCount
      ? sources.count != module.numLayers
      : sources.indices.contains { sources[$0].layer != $0 }
    guard hasChanged else { return }
    remarks.append(
      OutputConfig.Remark(
        "config.json: \(isByCount ? "the number of layers" : "a layer's number") decides \(what) in this"
          + " model type, which is other than in the layers' own models"))
  }

  private mutating func warn(_ setting: LayerSetting, _ words: String) {
    remarks.append(OutputConfig.Remark("config.json: \(setting.name) \(words)"))
  }

  private mutating func refuse(_ setting: LayerSetting, _ words: String) {
    remarks.append(OutputConfig.Remark("config.json: \(setting.name) \(words)", isError: true))
  }
}

extension OutputConfig.LayerSource {
  /// What a setting of the base says of this layer, in the same section of its config or in another of
  /// the module, innermost first, as one model may nest what the other does not.
  func entry(_ setting: LayerSetting) -> JSON? {
    object(of: setting).flatMap { setting.entry(of: layer, count: module.numLayers, in: $0) }
  }

  /// The object that has a setting of the base's config.
  func object(of setting: LayerSetting) -> JSON? {
    let section = Array(setting.path.dropLast())
    if let object = config[path: section], object[setting.key] != nil,
      module.configSections.contains(section) || !module.configSections.contains([])
        || module.configSections.contains(Array(section.dropLast()))
    {
      return object
    }
    return module.configSections.reversed().lazy.compactMap { config[path: $0] }.first {
      $0[setting.key] != nil
    }
  }

  /// The object that has the number of layers.
  var countObject: JSON { module.countSection.flatMap { config[path: $0] } ?? .null }

  /// Whether another source is of the same model, as far as configs tell.
  func isOfOneModel(with other: Self) -> Bool {
    identity == other.identity && model == other.model
  }
}
