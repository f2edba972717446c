import Configs
import Foundation
import Merging
import Scripting
import Testing

/// Runs configs as the command line does, in a directory that goes with the object.
final class GoldenBench {
  let folder: String
  private(set) var warnings: [String] = []
  private var outputCount = 0

  init() throws {
    // Many small models are written: in memory they need not wait for a disk.
    let memory = "/dev/shm"
    let parent =
      FileManager.default.isWritableFile(atPath: memory)
      ? memory : FileManager.default.temporaryDirectory.path
    var template = Array("\(parent)/mk-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw CocoaError(.fileWriteUnknown) }
    folder = String(cString: made)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  // MARK: Running

  /// Merges by a config, and gives the output's directory.
  func run(
    _ config: String, options: [Substring] = [], seed: UInt64 = 42, tileSize: Int? = nil,
    maximumShardBytes: Int = 5_000_000_000
  ) throws -> String {
    let host = try makeHost(seed: seed, tileSize: tileSize, maximumShardBytes: maximumShardBytes)
    let recipe = try translate(config, options: options, host: host)
    let model = try host.run(recipe: recipe, name: "recipe", ofConfig: config, at: "\(folder)/config.yml")
    return try write(model, host)
  }

  /// Writes the recipe that a config is translated into to a file, runs that, and gives the output's directory.
  func runRecipe(ofConfig config: String, options: [Substring] = []) throws -> String {
    let recipe = try translate(config, options: options, host: makeHost())
    let path = "\(folder)/recipe.lua"
    try recipe.write(toFile: path, atomically: true, encoding: .utf8)
    let host = try makeHost()
    return try write(host.run(path: path), host)
  }

  /// The tensors that a config gives, sorted by name.
  func tensors(_ config: String, seed: UInt64 = 42, tileSize: Int? = nil) throws -> [GoldenTensor] {
    try GoldenTensor.read(run(config, seed: seed, tileSize: tileSize))
  }

  private func makeHost(
    seed: UInt64 = 42, tileSize: Int? = nil, maximumShardBytes: Int = 5_000_000_000
  ) throws -> ScriptHost {
    try ScriptHost(
      root: folder,
      options: ScriptHost.Options(
        threads: 2, seed: seed, tileSize: tileSize, maximumShardBytes: maximumShardBytes),
      messages: ScriptHost.Messages(warn: { [unowned self] in warnings.append($0) }))
  }

  private func translate(_ config: String, options: [Substring], host: ScriptHost) throws -> String {
    let file = try ConfigFile(text: config, path: "config.yml")
    var methods: [String: MethodDeclaration] = [:]
    for name in file.methodNames { methods[name] = try host.declaration(ofMethod: name) }
    let translation = try file.translate(
      methods: methods,
      options: TranslationOptions(
        truncateEmbeddings: options.contains("unsafe-truncate-embeddings"),
        allowCrimes: options.contains("allow-crimes")))
    warnings += translation.warnings
    return translation.recipe
  }

  private func write(_ model: any LazyModel, _ host: ScriptHost) throws -> String {
    outputCount += 1
    let path = "\(folder)/out-\(outputCount)"
    try host.write(model, to: path)
    return path
  }

  // MARK: Files

  /// The files of a directory that hold the model: weights, index and config.
  func modelFiles(_ directory: String) throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: directory)
    return try Dictionary(
      uniqueKeysWithValues: names.filter { $0.contains(".safetensors") || $0 == "config.json" }.map {
        ($0, try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\($0)")))
      })
  }
}

extension ScriptHost {
  /// What a method of the standard library declares, as the command line hands it to the translator.
  fileprivate func declaration(ofMethod name: String) throws -> MethodDeclaration {
    try evaluate("return require('mergekit.describe').declarations('\(name)')", name: "declarations") { lua in
      let base = try #require(try lua.field("base", at: -1).string.flatMap(MethodDeclaration.BasePolicy.init))
      var declaration = MethodDeclaration(
        name: name, base: base, minInputs: try #require(try lua.field("min_inputs", at: -1).integer),
        maxInputs: try lua.field("max_inputs", at: -1).integer)
      try lua.pushField("parameters", at: -1)
      try lua.forEachElement(at: -1) { _ in
        declaration.parameters.append(
          MethodDeclaration.Parameter(
            name: try #require(try lua.field("name", at: -1).string),
            type: try #require(
              try lua.field("type", at: -1).string.flatMap(MethodDeclaration.Parameter.ValueType.init)),
            isRequired: try lua.field("required", at: -1).boolean == true,
            isPerInput: try lua.field("per_input", at: -1).boolean == true,
            appliesToBase: try lua.field("base", at: -1).boolean == true))
      }
      return declaration
    }
  }
}
