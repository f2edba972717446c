import Basics

/// How keys of config.json depend on the layers, as `stdlib/architectures/layer_keys.lua` says it.
package struct LayerRules: Sendable {
  private let json: JSON

  let lists: Names
  /// Lists with an entry for each layer that say how many layers there are.
  let counting: [String]
  let cycles: Names
  let letters: Set<String>
  let repeated: Set<String>
  let indices: Names
  let indicesFromOne: Set<String>
  /// Of the lists of numbers those whose layers differ by which of them they are.
  let ordinals: Set<String>
  let taps: Set<String>
  let stageTaps: Set<String>
  let references: Set<String>
  let first: Set<String>
  let last: Set<String>
  let periods: Set<String>
  private let visible: Set<String>
  private let shared: [String]
  /// First and last layer of some kind, by the key of the first.
  let ranges: [String: String]
  /// Keys that together count all layers, in order, by the first of them.
  let runs: [String: [String]]

  /// Names, and how further ones begin or end.
  struct Names: Sendable {
    var names: Set<String> = []
    var beginnings: [String] = []
    var endings: [String] = []

    func contains(_ name: String) -> Bool {
      names.contains(name) || beginnings.contains { name.hasPrefix($0) }
        || endings.contains { name.hasSuffix($0) }
    }
  }

  /// No key is known to depend on the layers.
  package static let none = LayerRules(.null)

  /// The rules of a table; what it lacks is empty.
  package init(_ json: JSON) {
    self.json = json
    func words(_ key: String) -> [String] { json[key]?.arrayValue?.compactMap(\.stringValue) ?? [] }
    lists = Names(
      names: Set(words("lists")), beginnings: words("list_beginnings"), endings: words("list_endings"))
    counting = words("counting")
    let cycleNames = words("cycles")
    cycles = Names(
      names: Set(cycleNames.filter { !$0.hasPrefix("_") }), endings: cycleNames.filter { $0.hasPrefix("_") })
    letters = Set(words("letters"))
    repeated = Set(words("repeated"))
    indices = Names(names: Set(words("indices")), endings: words("index_endings"))
    indicesFromOne = Set(words("indices_from_one"))
    ordinals = Set(words("ordinals"))
    taps = Set(words("taps"))
    stageTaps = Set(words("stage_taps"))
    references = Set(words("references"))
    first = Set(words("first"))
    last = Set(words("last"))
    periods = Set(words("periods"))
    visible = Set(words("visible"))
    shared = words("shared")
    func groups(_ key: String) -> [[String]] {
      json[key]?.arrayValue?.map { $0.arrayValue?.compactMap(\.stringValue) ?? [] } ?? []
    }
    ranges = Dictionary(
      groups("ranges").filter { $0.count == 2 }.map { ($0[0], $0[1]) }, uniquingKeysWith: { $1 })
    runs = Dictionary(
      groups("runs").filter { !$0.isEmpty }.map { ($0[0], $0) }, uniquingKeysWith: { $1 })
  }

  /// The lists that take a key's place where they are written out.
  func overruling(_ key: String) -> [String] {
    json["overruled"]?[key]?.arrayValue?.compactMap(\.stringValue) ?? []
  }

  /// The key without which another says nothing.
  func need(of key: String) -> String? { json["needs"]?[key]?.stringValue }

  /// The word of the module that a key is about.
  func owner(of key: String) -> String? { json["owners"]?[key]?.stringValue }

  /// The key that a number is a multiple of.
  func unit(of key: String) -> String? { json["multiples"]?[key]?.stringValue }

  /// Whether layers differ in their tensors by a key, so that comparing these shows whether it is right.
  func isVisible(_ key: String) -> Bool { visible.contains(key) }

  /// Whether a key may stand in an object of its own.
  func isNested(_ key: String) -> Bool { indicesFromOne.contains(key) }

  /// How transformers makes a list where a config has none.
  func madeList(_ section: JSON) -> MadeList? {
    guard let kind = section["model_type"]?.stringValue, let rule = json["made"]?[kind] else { return nil }
    return MadeList(rule, section)
  }

  /// The key of the number of layers of a stack, where its name does not tell.
  func countKey(of prefix: String, in config: JSON) -> [String]? {
    guard let kind = config["model_type"]?.stringValue, let key = json["counts"]?[kind]?[prefix]?.stringValue
    else { return nil }
    let path = key.split(separator: ".").map(String.init)
    return config[path: path]?.intValue == nil ? nil : path
  }

  /// The key whose number a module may not exceed in layers.
  func mostLayers(_ section: JSON) -> (key: String, count: Int)? {
    guard let kind = section["model_type"]?.stringValue,
      let key = json["at_most"]?[kind]?.stringValue, let count = section[key]?.intValue
    else { return nil }
    return (key, count)
  }

  /// What a model type demands of a list.
  func demand(_ section: JSON) -> (list: String, entry: String, isLast: Bool)? {
    guard let kind = section["model_type"]?.stringValue, let rule = json["demands"]?[kind],
      let list = rule["list"]?.stringValue
    else { return nil }
    if let entry = rule["last"]?.stringValue { return (list, entry, true) }
    return rule["has"]?.stringValue.map { (list, $0, false) }
  }

  /// Why a model type's layers keep their places; `nil` if they need not.
  func reasonToStay(_ section: JSON) -> String? {
    section["model_type"]?.stringValue.flatMap { json["unmovable"]?[$0]?.stringValue }
  }

  /// The entry of a list whose layers go on with what the layer before them found.
  func follower(in list: String) -> String? { json["followers"]?[list]?.stringValue }

  /// Whether layers of some kind share a tensor, which is stored in the first of them.
  func isShared(_ tensor: String) -> Bool { shared.contains { tensor.contains($0) } }

  /// What a layer of a model type does by its number, or by the number of layers.
  func byNumber(_ section: JSON) -> (what: String, isByCount: Bool)? {
    guard let kind = section["model_type"]?.stringValue, let rule = json["by_number"]?[kind],
      let what = rule["what"]?.stringValue
    else { return nil }
    if let condition = rule["when"]?.stringValue, section[condition]?.boolValue != true { return nil }
    return (what, rule["by_count"]?.boolValue == true)
  }
}

/// A list with an entry a layer that a model type makes by the layer's number.
struct MadeList {
  let key: String
  private let rule: Rule
  private let other: JSON

  private enum Rule {
    case lastOf(period: Int, JSON)
    case firstOf(period: Int, JSON)
    case before(Int, JSON)
  }

  init?(_ rule: JSON, _ section: JSON) {
    guard let key = rule["list"]?.stringValue, let other = rule["other"] else { return nil }
    self.key = key
    self.other = other
    if let condition = rule["only_if"]?.stringValue, section[condition]?.boolValue != true { return nil }
    if let condition = rule["unless_null"]?.stringValue, section[condition]?.isNull == true { return nil }
    let named = (rule["period"] ?? rule["count"])?.stringValue.flatMap { section[$0] }
    // A period is a number, or a pattern with a letter a layer (EXAONE 4's `LLLG`).
    guard let number = named?.intValue ?? named?.stringValue?.count ?? rule["usual"]?.intValue else {
      return nil
    }
    if let value = rule["before"] {
      self.rule = .before(number, value)
    } else if number > 0, let value = rule["last"] {
      self.rule = .lastOf(period: number, value)
    } else if number > 0, let value = rule["first"] {
      self.rule = .firstOf(period: number, value)
    } else {
      return nil
    }
  }

  func entry(of layer: Int) -> JSON {
    switch rule {
    case .lastOf(let period, let value): layer % period == period - 1 ? value : other
    case .firstOf(let period, let value): layer % period == 0 ? value : other
    case .before(let first, let value): layer < first ? value : other
    }
  }
}
