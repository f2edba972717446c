import Basics

/// A key of config.json that says something of each layer of a module.
struct LayerSetting {
  let path: [String]
  let kind: Kind

  var key: String { path[path.count - 1] }
  var name: String { path.joined(separator: ".") }

  enum Kind: Equatable {
    /// An entry a layer, or `width` of them.
    case list(width: Int)
    /// Entries that are repeated until there is one for each layer.
    case cycle
    /// Text with a letter a layer.
    case letters
    /// GPT-Neo's lists of types, each with how often it is repeated.
    case repeated
    /// The numbers of the layers that are of some kind, counted from 0 or 1.
    case indices(from: Int)
    /// An object with numbers of layers as keys.
    case byNumber
    /// An entry a layer that is the number of a layer.
    case references
    /// Numbers of layers whose outputs go elsewhere, each to a part of its own.
    case taps
    /// Numbers of stages whose outputs go elsewhere; the first layer is the stage of this number.
    case stageTaps(first: Int)
    /// How many layers are of some kind, from the first on, or from the last back.
    case firstLayers
    case lastLayers
    /// The number of the first layer of some kind; another key says the last.
    case range(end: String)
    /// How many layers each of several runs has, which follow each other.
    case runs([String])
    /// Every so many layers one is of another kind.
    case period

    /// Whether layers may be of another kind by what it says of them.
    var tellsLayersApart: Bool {
      switch self {
      case .references, .taps, .stageTaps: false
      default: true
      }
    }
  }

  // MARK: Finding them

  /// The settings of a module in the objects of config.json that describe it.
  static func all(in config: JSON, of module: Architecture.Module, rules: LayerRules) -> [LayerSetting] {
    var found: [LayerSetting] = []
    for section in module.configSections {
      guard let object = config[path: section]?.objectValue else { continue }
      for (key, value) in object where module.owns(key, rules) {
        if let kind = Kind(key, value, object: object, module: module, rules: rules) {
          found.append(LayerSetting(path: section + [key], kind: kind))
        } else if let nested = value.objectValue, !module.configSections.contains(section + [key]) {
          // Kimi-Linear's `linear_attn_config`.
          for (inner, value) in nested where rules.isNested(inner) {
            guard let kind = Kind(inner, value, object: nested, module: module, rules: rules) else {
              continue
            }
            found.append(LayerSetting(path: section + [key, inner], kind: kind))
          }
        }
      }
    }
    // What other parts of the model take from this one may be said at the top, or where these are described.
    if !module.configSections.contains([]), let object = config.objectValue {
      found += taps(of: module, in: object, at: [], rules)
      for (key, value) in object where !module.configSections.contains([key]) {
        if let inner = value.objectValue { found += taps(of: module, in: inner, at: [key], rules) }
      }
    }
    return found
  }

  private static func taps(
    of module: Architecture.Module, in object: JSONObject, at path: [String], _ rules: LayerRules
  ) -> [LayerSetting] {
    object.compactMap { (key, value) -> LayerSetting? in
      guard rules.taps.contains(key), module.isNamed(in: key) else { return nil }
      return Kind(key, value, object: object, module: module, rules: rules).map {
        LayerSetting(path: path + [key], kind: $0)
      }
    }
  }

  // MARK: Reading them

  /// What the key says of a layer in the object that has it; `nil` if nothing.
  func entry(of layer: Int, count: Int, in object: JSON) -> JSON? {
    guard let value = object[key] else { return nil }
    func element(_ list: [JSON]?) -> JSON? { list.flatMap { $0.indices.contains(layer) ? $0[layer] : nil } }
    switch kind {
    case .list(let width):
      guard let list = value.arrayValue, list.count >= count * width else { return nil }
      if width == 1 { return element(list) }
      return list.count >= (layer + 1) * width
        ? .array(Array(list[layer * width..<(layer + 1) * width])) : nil
    case .references: return value.arrayValue.flatMap { $0.count >= count ? element($0) : nil }
    case .cycle: return value.arrayValue.flatMap { $0.isEmpty ? nil : $0[layer % $0.count] }
    case .letters:
      guard let letters = value.stringValue.map(Array.init), letters.count >= count,
        letters.indices.contains(layer)
      else { return nil }
      return .string(String(letters[layer]))
    case .repeated: return element(value.repeatedPatterns)
    case .indices(let first):
      return value.arrayValue.map { list in .bool(list.contains { $0.intValue == layer + first }) }
    case .byNumber: return value.objectValue.map { $0[String(layer)] ?? .null }
    case .taps: return value.layerNumbers.map { .bool($0.contains(layer) || $0.contains(layer - count)) }
    case .stageTaps(let first): return value.layerNumbers.map { .bool($0.contains(layer + first)) }
    case .firstLayers: return value.intValue.map { .bool(layer < $0) }
    case .lastLayers: return value.intValue.map { .bool(layer >= count - max(0, min($0, count))) }
    case .range(let end):
      guard let first = value.intValue, let last = object[end]?.intValue else { return nil }
      return .bool(layer >= first && layer <= (last < 0 ? count + last : last))
    case .runs(let keys):
      var rest = layer
      let total = keys.compactMap { object[$0]?.intValue }.reduce(0, +)
      let width = count > 0 && total % count == 0 ? total / count : 1
      for (index, key) in keys.enumerated() {
        rest -= (object[key]?.intValue ?? 0) / max(width, 1)
        if rest < 0 { return JSON(index) }
      }
      return nil
    case .period: return value.intValue.flatMap { $0 > 0 ? JSON(layer % $0) : nil }
    }
  }
}

extension LayerSetting.Kind {
  fileprivate init?(
    _ key: String, _ value: JSON, object: JSONObject, module: Architecture.Module, rules: LayerRules
  ) {
    let count = module.numLayers
    let counts = [count, count + module.numPredictionLayers]
    switch value {
    case .array(let elements):
      let areNumbers = elements.allSatisfy { $0.intValue != nil }
      if rules.repeated.contains(key), value.repeatedPatterns?.count == count {
        self = .repeated
      } else if rules.stageTaps.contains(key), areNumbers {
        // Before the layers there may be a stage of its own, the stem.
        let names = object["stage_names"]?.arrayValue
        let first = names.map { $0.first?.stringValue == "stem" ? 1 : 0 } ?? 1
        guard names.map({ $0.count == count + first }) ?? true else { return nil }
        self = .stageTaps(first: first)
      } else if rules.taps.contains(key), areNumbers {
        self = .taps
      } else if rules.references.contains(key), areNumbers, elements.count == count {
        self = .references
      } else if rules.indices.contains(key), areNumbers {
        self = .indices(from: 0)
      } else if rules.indicesFromOne.contains(key), areNumbers {
        self = .indices(from: 1)
      } else if counts.contains(elements.count), rules.lists.contains(key) {
        self = .list(width: 1)
      } else if module.layerCountFactor > 1, elements.count == count * module.layerCountFactor,
        rules.lists.contains(key)
      {
        self = .list(width: module.layerCountFactor)
      } else if rules.cycles.contains(key), (1..<max(count, 2)).contains(elements.count) {
        self = .cycle
      } else {
        return nil
      }
    case .string(let letters):
      guard rules.letters.contains(key), counts.contains(letters.count) else { return nil }
      self = .letters
    case .object(let entries):
      let numbers = entries.map { Int($0.key) }
      guard !entries.isEmpty, numbers.allSatisfy({ $0.map { 0..<counts[1] ~= $0 } ?? false }),
        entries.contains(where: { $0.value.objectValue != nil }) || rules.lists.contains(key)
      else { return nil }
      self = .byNumber
    case .number:
      if let keys = rules.runs[key], keys.allSatisfy({ object[$0]?.intValue != nil }) {
        self = .runs(keys)
      } else if let end = rules.ranges[key], object[end]?.intValue != nil {
        self = .range(end: end)
      } else if rules.first.contains(key) {
        self = .firstLayers
      } else if rules.last.contains(key) {
        self = .lastLayers
      } else if rules.periods.contains(key) {
        self = .period
      } else if rules.taps.contains(key), value.intValue.map({ $0 >= 0 }) ?? false {
        self = .taps
      } else {
        return nil
      }
    default:
      return nil
    }
  }
}

extension Architecture.Module {
  /// Whether a key of one of its sections is about this module.
  fileprivate func owns(_ key: String, _ rules: LayerRules) -> Bool {
    if let owner = rules.owner(of: key) { return words.contains(owner) }
    return !words.isAboutAnother(key)
  }

  /// Whether a key's name has a word for this module.
  fileprivate func isNamed(in key: String) -> Bool { words.areIn(key) }
}

extension JSON {
  /// A number, or a list of numbers, as a list.
  var layerNumbers: [Int]? { intValue.map { [$0] } ?? arrayValue?.compactMap(\.intValue) }

  /// A type for each layer from GPT-Neo's notation; `nil` if it is none, or unbelievably long.
  var repeatedPatterns: [JSON]? {
    guard let pairs = arrayValue else { return nil }
    var types: [JSON] = []
    for pair in pairs {
      guard let pattern = pair[0]?.arrayValue, let times = pair[1]?.intValue,
        (0...100_000).contains(times), pattern.count <= 1000, types.count <= 100_000
      else { return nil }
      if pattern.isEmpty { continue }
      for _ in 0..<times where types.count <= 100_000 { types += pattern }
    }
    return types
  }
}
