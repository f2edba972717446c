import Basics

/// Reads the values of a config's documents, and collects what is to be said about them.
final class MergeReader {
  let file: String
  let options: TranslationOptions
  let methods: [String: MethodDeclaration]
  private(set) var warnings: [ConfigError] = []
  private(set) var rules: [Translation.Rule] = []

  init(file: String, options: TranslationOptions, methods: [String: MethodDeclaration]) {
    self.file = file
    self.options = options
    self.methods = methods
  }

  // MARK: Errors and warnings

  func error(_ problem: ConfigProblem, _ node: YAMLNode, _ path: KeyPath) -> ConfigError {
    ConfigError(problem, at: node.place, path, in: file)
  }

  func error(_ problem: ConfigProblem, at place: Place, _ path: KeyPath = KeyPath()) -> ConfigError {
    ConfigError(problem, at: place, path, in: file)
  }

  func warn(_ problem: ConfigProblem, at place: Place, _ path: KeyPath = KeyPath()) {
    warnings.append(ConfigError(problem, at: place, path, in: file))
  }

  /// Warns of something that is left out, which is an error where the user wants strictness.
  func leaveOut(
    at place: Place, _ path: KeyPath, _ problem: (_ isLeftOut: Bool) -> ConfigProblem
  ) throws(ConfigError) {
    if options.isStrict { throw error(problem(false), at: place, path) }
    warn(problem(true), at: place, path)
  }

  /// Remembers a rule, whose syntax only Lua knows.
  func add(rule expression: String, at place: Place, _ path: KeyPath) {
    rules.append(Translation.Rule(text: expression, location: place.location(in: file), keyPath: path))
  }

  // MARK: Forms

  /// The values of a mapping that are not null, by their keys, which are among `keys`; others are left out.
  ///
  /// A key of another name that holds an anchor is taken for a place to keep what aliases name.
  func known(_ node: YAMLNode, _ path: KeyPath, keys: [String]) throws(ConfigError) -> [String: YAMLNode] {
    var result: [String: YAMLNode] = [:]
    for entry in node.mapping ?? [] {
      if keys.contains(entry.key) {
        result[entry.key] = entry.value.isNull ? nil : entry.value
      } else if !entry.value.containsAnchor {
        let isParameter =
          keys.contains("parameters") && methods.values.contains { $0.parameter(entry.key) != nil }
        let nearest = Self.meantKey(entry.key, among: keys)
        let option = keys == ConfigKeys.top ? ConfigKeys.options[entry.key] : nil
        try leaveOut(at: entry.keyPlace, path.key(entry.key)) { (isLeftOut) -> ConfigProblem in
          if let option { return .optionAsKey(option: option, isLeftOut: isLeftOut) }
          if isParameter { return .parameterAsKey(isLeftOut: isLeftOut) }
          return .unknownKey(nearest: nearest, known: keys, isLeftOut: isLeftOut)
        }
      }
    }
    return result
  }

  /// The known key that another one means: what recipes call it, or a similar name.
  private static func meantKey(_ key: String, among keys: [String]) -> String? {
    if let name = ConfigKeys.recipeNames[key], keys.contains(name) { return name }
    return nearestName(to: key, among: keys)
  }

  /// The first unknown key of a mapping that may be meant as one of those that are missing.
  func misspelling(of missing: [String], in node: YAMLNode, keys: [String]) -> Misspelling? {
    for entry in node.mapping ?? [] where !keys.contains(entry.key) {
      if let meant = Self.meantKey(entry.key, among: missing) {
        return Misspelling(key: entry.key, place: entry.keyPlace, meant: meant)
      }
    }
    return nil
  }

  /// The error that a mapping has no value for a key.
  func missing(_ key: String, in node: YAMLNode, _ path: KeyPath, keys: [String]) -> ConfigError {
    error(.missing(key, misspelling: misspelling(of: [key], in: node, keys: keys)), node, path)
  }

  func text(_ node: YAMLNode, _ path: KeyPath, _ expected: String) throws(ConfigError) -> String {
    guard let text = node.text, !text.isEmpty else {
      throw error(.expected(expected, found: node.found), node, path)
    }
    return text
  }

  func list(_ node: YAMLNode, _ path: KeyPath, of expected: String) throws(ConfigError) -> [YAMLNode] {
    guard let items = node.sequence else {
      throw error(.expected("a list of \(expected)", found: node.found), node, path)
    }
    if items.isEmpty { throw error(.emptyList(expected: "at least one entry"), node, path) }
    return items
  }

  func mapping(_ node: YAMLNode, _ path: KeyPath, _ expected: String) throws(ConfigError) -> [YAMLNode.Entry]
  {
    guard let entries = node.mapping else { throw error(.expected(expected, found: node.found), node, path) }
    return entries
  }
}
