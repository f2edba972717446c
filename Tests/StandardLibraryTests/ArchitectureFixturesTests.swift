import Architectures
import Basics
import Foundation
import Merging
import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Stacks of layers of telling architectures, by configs and names that `scripts/make-architecture-fixtures` made:
/// what transformers was seen to build as it should, or an error.
@Suite struct ArchitectureFixturesTests {
  @Test(arguments: try ArchitectureFixture.all())
  func stacks(_ fixture: ArchitectureFixture) throws {
    let bench = try ScriptBench()
    for (letter, start) in [("a", Float(0)), ("b", Float(1000))] {
      let tensors = fixture.names.enumerated().map { index, name in
        let shape = fixture.shapes[name] ?? []
        // Each tensor is told by its value.
        return TestTensor(
          name, .f32, shape,
          [Float](repeating: start + Float(index), count: shape.reduce(1, *)))
      }
      try bench.makeModel(letter, tensors, config: fixture.config.text(.compact))
    }
    for stack in fixture.stacks { try check(stack, of: fixture, bench) }
  }

  private func check(
    _ stack: ArchitectureFixture.Stack, of fixture: ArchitectureFixture, _ bench: ScriptBench
  )
    throws
  {
    let parts = ArchitectureFixture.parts(stack.title, fixture.layers)
    let slices = parts.map { "{ \($0.model), layers = { \($0.first), \($0.last) } }" }.joined(separator: ", ")
    let script = """
      local a, b = mk.model(here .. 'a'), mk.model(here .. 'b')
      return mk.stack { \(slices) }
      """
    if stack.isError {
      #expect(throws: (any Error).self, "\(fixture.title): \(stack.title)") {
        try bench.model(script)
      }
      return
    }
    let model = try bench.model(script)
    var config = fixture.config
    for (path, value) in stack.config {
      config[path: path.split(separator: ".").map(String.init)] = value.isNull ? nil : value
    }
    let derived = try #require(try model.config)
    #expect(flat(derived) == flat(config), "\(fixture.title): \(stack.title)")
    #expect(model.names.count == stack.names, "\(fixture.title): \(stack.title)")
    let origins = parts.flatMap { part in (part.first..<part.last).map { (part.model, $0) } }
    let values = Dictionary(
      uniqueKeysWithValues: fixture.names.enumerated().map { ($1, Float($0)) })
    for tensor in try bench.output(script) {
      guard let source = fixture.source(of: tensor.name, in: stack, origins) else { continue }
      let expected = source.model == "a" ? values[source.name] : values[source.name].map { $0 + 1000 }
      #expect(tensor.elements.first == expected, "\(fixture.title): \(stack.title): \(tensor.name)")
    }
  }

  /// A config by key paths, without the dtype.
  private func flat(_ json: JSON, _ path: String = "") -> [String: String] {
    guard let object = json.objectValue, !object.isEmpty else { return [path: json.text(.compact)] }
    var found: [String: String] = [:]
    for (key, value) in object where !["dtype", "torch_dtype"].contains(key) {
      found.merge(flat(value, "\(path).\(key)")) { first, _ in first }
    }
    return found
  }
}

/// A file of Tests/Fixtures/architectures.
struct ArchitectureFixture: Sendable, CustomTestStringConvertible {
  struct Stack: Sendable {
    let title: String
    let isError: Bool
    let config: [(String, JSON)]
    let names: Int
    /// What is not where the slices alone would have it; `nil` of what is put together.
    let others: [String: String?]
  }

  let title: String
  let config: JSON
  let layers: Int
  let prefixes: [String]
  let names: [String]
  let shapes: [String: [Int]]
  let stacks: [Stack]

  var testDescription: String { title }

  static func all() throws -> [ArchitectureFixture] {
    let folder = fixture("architectures")
    return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".json") }
      .sorted().map {
        try ArchitectureFixture(JSON(parsing: String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)))
      }
  }

  private init(_ json: JSON) throws {
    title = json["class"]?.stringValue ?? ""
    config = json["config"] ?? .null
    layers = json["layers"]?.intValue ?? 0
    prefixes = json["prefixes"]?.arrayValue?.compactMap(\.stringValue) ?? []
    let tensors = json["tensors"]?.objectValue ?? JSONObject()
    names = tensors.map(\.key)
    shapes = Dictionary(
      uniqueKeysWithValues: tensors.map { ($0.key, $0.value.arrayValue?.compactMap(\.intValue) ?? []) })
    stacks = (json["stacks"]?.objectValue ?? JSONObject()).map { title, stack in
      Stack(
        title: title, isError: stack["error"] != nil,
        config: stack["config"]?.objectValue?.map { ($0.key, $0.value) } ?? [],
        names: stack["names"]?.intValue ?? 0,
        others: Dictionary(
          uniqueKeysWithValues: stack["others"]?.objectValue?.map { ($0.key, $0.value.stringValue) } ?? []))
    }
  }

  /// The slices of a kind of stack, as the script has them.
  static func parts(_ title: String, _ count: Int) -> [(model: String, first: Int, last: Int)] {
    switch title {
    case "as many":
      count % 2 == 0
        ? [("a", 0, count / 2), ("b", count / 2 - 1, count - 1)]
        : [("a", 0, count / 2 + 1), ("b", count / 2, count - 1)]
    case "more":
      count > 3 ? [("a", 0, count - 2), ("b", 2, count)] : [("a", 0, count - 1), ("b", 1, count)]
    case "twice": (0..<count).flatMap { [("a", $0, $0 + 1), ("a", $0, $0 + 1)] }
    default:
      count > 3
        ? [("a", count / 3, count - 2), ("b", count - 2, count)]
        : [("a", count - 1, count), ("b", count - 1, count)]
    }
  }

  /// Which tensor one of a stack is; `nil` if it is put together.
  func source(of name: String, in stack: Stack, _ origins: [(String, Int)]) -> (model: String, name: String)?
  {
    if let other = stack.others[name] {
      guard let other else { return nil }
      return (String(other.prefix(1)), String(other.dropFirst(2)))
    }
    for prefix in prefixes where name.hasPrefix(prefix) {
      let rest = name.dropFirst(prefix.count)
      guard let number = Int(rest.prefix { $0.isNumber }), origins.indices.contains(number) else { continue }
      let (model, layer) = origins[number]
      return (model, "\(prefix)\(layer)\(rest.drop { $0.isNumber })")
    }
    return ("a", name)
  }
}
