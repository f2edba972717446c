import Basics

/// The value that a config gives a parameter in one scope.
struct Setting: Sendable {
  let value: LuaValue
  let place: Place
  let path: KeyPath
}

/// The parameters that one scope of a config sets, in order.
struct Scope: Sendable {
  var settings: [(name: String, setting: Setting)] = []
  /// Where the scope is written.
  var place: Place?

  subscript(name: String) -> Setting? { settings.first { $0.name == name }?.setting }

  var isEmpty: Bool { settings.isEmpty }

  /// The fields of a Lua table.
  var entries: [LuaEntry] { settings.map { .field($0.name, $0.setting.value, $0.setting.place) } }
}

extension MergeReader {
  /// Reads a mapping of parameters.
  ///
  /// - Parameters:
  ///   - methods: those whose parameters may stand here; the first that knows one says what its values are.
  ///   - isInput: whether the scope is that of one input, where shared parameters are not looked up.
  func scope(
    _ node: YAMLNode?, _ path: KeyPath, methods: [MethodDeclaration], isInput: Bool
  ) throws(ConfigError) -> Scope {
    var scope = Scope()
    guard let node else { return scope }
    scope.place = node.place
    for entry in try mapping(node, path, "a mapping of parameters") {
      let path = path.key(entry.key)
      let declared = methods.compactMap { $0.parameter(entry.key) }
      guard let parameter = declared.first(where: { $0.isPerInput || !isInput }) ?? declared.first else {
        let words =
          "method" + (methods.count > 1 ? "s " : " ")
          + methods.map { "'\($0.name)'" }.joined(separator: " and ")
        let known = methods.flatMap { $0.parameters.map(\.name) }
        let nearest = nearestName(to: entry.key, among: known)
        try leaveOut(at: entry.keyPlace, path) {
          .unknownParameter(method: words, nearest: nearest, isLeftOut: $0)
        }
        continue
      }
      if isInput, !parameter.isPerInput {
        try leaveOut(at: entry.keyPlace, path) { .sharedParameter(isLeftOut: $0) }
        continue
      }
      scope.settings.append((entry.key, try setting(entry.value, path, parameter.type)))
    }
    return scope
  }

  /// Reads a setting: a value, a gradient, filters or a rule.
  private func setting(
    _ node: YAMLNode, _ path: KeyPath, _ type: MethodDeclaration.Parameter.ValueType
  ) throws(ConfigError) -> Setting {
    let value: LuaValue
    switch node.content {
    case .sequence(let items) where items.first?.mapping != nil:
      value = try filters(items, isList: true, path, type)
    case .mapping where node.mapping?.contains(where: { $0.key == "lua" }) != true:
      value = try filters([node], isList: false, path, type)
    default: value = try plainSetting(node, path, type)
    }
    return Setting(value: value, place: node.place, path: path)
  }

  /// Reads a value, a gradient or a rule.
  private func plainSetting(
    _ node: YAMLNode, _ path: KeyPath, _ type: MethodDeclaration.Parameter.ValueType
  ) throws(ConfigError) -> LuaValue {
    switch node.content {
    case .scalar: return .code(try value(node, path, type, orSetting: true))
    case .sequence(let items):
      if items.isEmpty { throw error(.emptyList(expected: type.expectedEntries), node, path) }
      var entries: [LuaEntry] = []
      for (index, item) in items.enumerated() {
        let path = path.item(index + 1)
        if item["lua"] != nil { throw error(.ruleInList, item, path) }
        entries.append(.item(.code(try value(item, path, type, orSetting: false)), item.place))
      }
      return .table(entries)
    case .mapping(let entries):
      guard let rule = entries.first(where: { $0.key == "lua" })?.value else {
        throw error(.expected(type.expectedSetting, found: node.found), node, path)
      }
      if let other = entries.first(where: { $0.key != "lua" }) {
        throw error(.ruleNotAlone, at: other.keyPlace, path.key(other.key))
      }
      let path = path.key("lua")
      guard let expression = rule.text else {
        if rule.isNull { throw error(.ruleEmpty, rule, path) }
        throw error(.expected("a Lua expression", found: rule.found), rule, path)
      }
      switch LuaRule.function(of: expression) {
      case .success(let function):
        add(rule: expression, at: rule.place, path)
        return function
      case .failure(let failure): throw error(failure.problem, rule, path)
      }
    }
  }

  /// Reads entries of `filter` and `value`, or one without a list around it.
  private func filters(
    _ items: [YAMLNode], isList: Bool, _ path: KeyPath, _ type: MethodDeclaration.Parameter.ValueType
  ) throws(ConfigError) -> LuaValue {
    var cases: [LuaEntry] = []
    for (index, item) in items.enumerated() {
      let path = isList ? path.item(index + 1) : path
      guard item.mapping != nil else {
        throw error(.mixedList(expected: "{filter, value}", found: item.found), item, path)
      }
      if item["lua"] != nil { throw error(.ruleInList, item, path) }
      let keys = ["filter", "value"]
      let fields = try known(item, path, keys: keys)
      guard let valueNode = fields["value"] else {
        let misspelling = misspelling(of: isList ? ["value"] : ["value", "lua"], in: item, keys: keys)
        throw error(.filterWithoutValue(misspelling: misspelling), item, path)
      }
      let value = try plainSetting(valueNode, path.key("value"), type)
      var entry: [LuaEntry] = [.field("value", value, valueNode.place)]
      if let filter = fields["filter"] {
        guard let text = filter.text else {
          let expected = ConfigProblem.expected("a part of tensors' names, or '*'", found: filter.found)
          throw error(expected, filter, path.key("filter"))
        }
        entry.insert(.field("filter", .string(text), filter.place), at: 0)
      }
      cases.append(.item(.table(entry), item.place))
    }
    return .table(cases)
  }

  /// Reads one scalar of a parameter's type, as Lua.
  private func value(
    _ node: YAMLNode, _ path: KeyPath, _ type: MethodDeclaration.Parameter.ValueType, orSetting: Bool
  ) throws(ConfigError) -> String {
    let value: String? =
      switch type {
      case .number: node.number?.lua
      case .integer: node.number?.integer.map(String.init)
      case .boolean: node.boolean.map(String.init)
      case .string: node.text.map(luaString)
      case .tensor: node.text.map { "mk.model " + luaString($0) }
      }
    guard let value else {
      throw error(
        .expected(orSetting ? type.expectedSetting : type.expectedValue, found: node.found), node, path)
    }
    return value
  }
}

extension MethodDeclaration.Parameter.ValueType {
  /// One value, in words.
  var expectedValue: String {
    switch self {
    case .number: "a number"
    case .integer: "a whole number"
    case .boolean: "true or false"
    case .string: "text"
    case .tensor: "the path of a model"
    }
  }

  var expectedEntries: String {
    switch self {
    case .number: "numbers"
    case .integer: "whole numbers"
    case .boolean: "true and false"
    case .string: "texts"
    case .tensor: "paths of models"
    }
  }

  /// What a setting may be, in words.
  var expectedSetting: String {
    let list = self == .tensor ? "" : " a list of them,"
    return "\(expectedValue),\(list) filters or {lua: …}"
  }
}
