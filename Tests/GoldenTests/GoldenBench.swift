import ConfigRecipes
import Configs
import Foundation
import Merging
import Scripting
import TestSupport
import Testing

/// Runs configs as the command line does, in a directory that goes with the object.
final class GoldenBench {
  private let directory: TemporaryDirectory
  var folder: String { directory.path }
  private(set) var warnings: [String] = []
  private var outputCount = 0

  init() throws {
    // Many small models are written: in memory they need not wait for a disk.
    directory = try TemporaryDirectory(inMemory: true)
  }

  // MARK: Running

  /// Merges by a config, and gives the output's directory.
  func run(
    _ config: String, options: [Substring] = [], seed: UInt64 = 42, tileSize: Int? = nil,
    maximumShardBytes: Int = 5_000_000_000
  ) throws -> String {
    let host = try makeHost(seed: seed, tileSize: tileSize, maximumShardBytes: maximumShardBytes)
    let model = try translate(config, options: options, host: host).run(in: host)
    return try write(model, host)
  }

  /// Writes the recipe that a config is translated into to a file, runs that, and gives the output's directory.
  func runRecipe(ofConfig config: String, options: [Substring] = []) throws -> String {
    let recipe = try translate(config, options: options, host: makeHost()).translation.recipe
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
        threads: 2, seed: seed, tileSize: tileSize,
        output: OutputOptions(maximumShardBytes: maximumShardBytes)),
      messages: ScriptHost.Messages(report: { [unowned self] in
        if case .warning(let warning) = $0 { warnings.append(warning.description) }
      }))
  }

  private func translate(
    _ config: String, options: [Substring], host: ScriptHost
  ) throws -> ConfigRecipe {
    let recipe = try ConfigRecipe(
      path: "\(folder)/config.yml", bytes: Array(config.utf8), host: host,
      options: TranslationOptions(
        truncateEmbeddings: options.contains("unsafe-truncate-embeddings"),
        allowCrimes: options.contains("allow-crimes")))
    warnings += recipe.translation.warnings
    return recipe
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
