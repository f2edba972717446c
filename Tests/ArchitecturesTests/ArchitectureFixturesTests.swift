import Architectures
import Basics
import Foundation
import Testing

/// Stacks of layers of telling architectures: what transformers was seen to build as it should is accepted with the
/// config that it was built by, and what is refused stays refused. `scripts/make-architecture-fixtures` makes the files.
@Suite struct ArchitectureFixturesTests {
  @Test(arguments: try ArchitectureFixture.all())
  func stacks(_ fixture: ArchitectureFixture) throws {
    let names = fixture.shapes.map(\.key)
    let shapes = Dictionary(uniqueKeysWithValues: fixture.shapes.map { ($0.key, $0.value) })
    let architecture = Architecture(names: names, config: fixture.config)
    let module = architecture.main
    let contents = LayerContents(module, names: names) { shapes[$0]?.arrayValue?.compactMap(\.intValue) }
    func source(_ layer: Int, _ model: String) -> OutputConfig.LayerSource {
      OutputConfig.LayerSource(config: fixture.config, module: module, layer: layer, model: model)
    }
    let order = LayerOrder(
      base: fixture.config, architecture: architecture, module: module, rules: try .standard()
    ) { _ in contents }
    for stack in fixture.stacks {
      let sources = stack.layers.map { source($0.layer, $0.model) }
      let output = LayerContents(module, names: fixture.names(of: stack)) { _ in nil }
      let problem = order.judge(sources, output: output, like: source(0, "a")).problem
      #expect(problem?.description == stack.error, "\(fixture.title): \(stack.title)")
      guard stack.error == nil else { continue }
      let derived = OutputConfig.derive(
        from: fixture.config, architecture: architecture, dtype: nil, layers: [module.name: sources],
        rules: try .standard())
      var expected = fixture.config
      for (path, value) in stack.config {
        expected[path: path.split(separator: ".").map(String.init)] = value.isNull ? nil : value
      }
      #expect(flat(derived.json) == flat(expected), "\(fixture.title): \(stack.title)")
    }
  }

  /// A config by key paths.
  private func flat(_ json: JSON, _ path: String = "") -> [String: String] {
    guard let object = json.objectValue, !object.isEmpty else { return [path: json.text(.compact)] }
    var found: [String: String] = [:]
    for (key, value) in object { found.merge(flat(value, "\(path).\(key)")) { first, _ in first } }
    return found
  }
}

/// A file of Tests/Fixtures/architectures.
struct ArchitectureFixture: Sendable, CustomTestStringConvertible {
  struct Stack: Sendable {
    let title: String
    let layers: [(model: String, layer: Int)]
    let error: String?
    let config: [(String, JSON)]
    /// Names beside those that the layers' sources imply, and those that are missing.
    let added: [String]
    let removed: Set<String>
  }

  let title: String
  let config: JSON
  /// What stands before the numbers of the layers.
  let prefixes: [String]
  let shapes: JSONObject
  let stacks: [Stack]

  var testDescription: String { title }

  static func all() throws -> [ArchitectureFixture] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/architectures").path
    return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }
      .sorted()
      .map {
        try ArchitectureFixture(JSON(parsing: String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)))
      }
  }

  private init(_ json: JSON) {
    func strings(_ value: JSON?) -> [String] { value?.arrayValue?.compactMap(\.stringValue) ?? [] }
    title = json["class"]?.stringValue ?? ""
    config = json["config"] ?? .null
    prefixes = strings(json["prefixes"])
    shapes = json["tensors"]?.objectValue ?? JSONObject()
    stacks = (json["stacks"]?.objectValue ?? JSONObject()).map { title, stack in
      Stack(
        title: title,
        layers: stack["layers"]?.arrayValue?.map { ($0[0]?.stringValue ?? "", $0[1]?.intValue ?? 0) } ?? [],
        error: stack["error"]?.stringValue,
        config: stack["config"]?.objectValue?.map { ($0.key, $0.value) } ?? [],
        added: strings(stack["added"]), removed: Set(strings(stack["removed"])))
    }
  }

  /// The names of a stack's tensors.
  func names(of stack: Stack) -> [String] {
    var found = stack.added
    for name in shapes.map(\.key) {
      guard let prefix = prefixes.first(where: { name.hasPrefix($0) }),
        let own = Int(name.dropFirst(prefix.count).prefix { $0 != "." })
      else {
        found.append(name)
        continue
      }
      let rest = name.dropFirst(prefix.count).drop { $0 != "." }
      for (number, (_, layer)) in stack.layers.enumerated() where layer == own {
        found.append("\(prefix)\(number)\(rest)")
      }
    }
    return found.filter { !stack.removed.contains($0) }
  }
}
