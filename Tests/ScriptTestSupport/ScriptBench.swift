import Checkpoints
import Foundation
import Merging
import Scripting
import SystemPackage
import Tensors
import TestSupport

/// Runs Lua text through a `ScriptHost`, with models in a directory that goes with the object.
///
/// Scripts find the API as `mk` and the directory as `here`; both are set on line 1, so that a script's
/// own lines count from 1. Errors name the script `recipe.lua`.
package final class ScriptBench {
  private let directory: TemporaryDirectory
  package var folder: String { directory.path }
  package var options: ScriptHost.Options
  package private(set) var warnings: [String] = []
  package private(set) var printed: [String] = []
  private var latest: ScriptHost?

  package init(threads: Int = 2, tileSize: Int? = nil, seed: UInt64 = 42) throws {
    directory = try TemporaryDirectory()
    options = ScriptHost.Options(threads: threads, seed: seed, tileSize: tileSize)
    options.savesBelow = [directory.path]
    try makeModel("one", [TestTensor("x", .f32, [1], [0])])
  }

  deinit {
    latest = nil
  }

  // MARK: Files

  package func write(_ text: String, to name: String) throws { try directory.write(text, to: name) }

  /// Writes a checkpoint of one file.
  package func makeModel(_ name: String, _ tensors: [TestTensor], config: String? = nil) throws {
    try write(config ?? "{}", to: "\(name)/config.json")
    try directory.write(TestTensor.file(tensors), to: "\(name)/model.safetensors")
  }

  /// Writes a file of tensors.
  package func writeTensors(_ tensors: [TestTensor], to name: String) throws {
    try directory.write(TestTensor.file(tensors), to: name)
  }

  package func bytes(_ name: String) throws -> [UInt8] { try directory.bytes(name) }

  package func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  package func exists(_ name: String) -> Bool { directory.exists(name) }

  package func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
  }

  /// Forgets the warnings so far.
  package func forget() { warnings = [] }

  /// All names in the directory, hidden ones included, sorted.
  package func entries() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  package func checkpoint(_ name: String) throws -> Checkpoint {
    let path = FilePath("\(folder)/\(name)")
    // What is written may be an adapter.
    return try exists("\(name)/adapter_model.safetensors") && !exists("\(name)/merged.safetensors")
      ? Checkpoint(adapter: path) : Checkpoint(path: path)
  }

  // MARK: Running

  /// A host, which the bench keeps until it makes the next.
  package func makeHost() throws -> ScriptHost {
    printed = []
    let host = try ScriptHost(
      root: folder, options: options,
      messages: ScriptHost.Messages(
        report: { [unowned self] in
          if case .warning(let warning) = $0 { warnings.append(warning.description) }
        },
        output: { [unowned self] in printed.append($0) }))
    latest = host
    return host
  }

  private func text(of script: String) -> String {
    "local mk = require 'mergekit'; local here = '\(folder)/'; \(script)"
  }

  /// The model that a script returns; it may be used until the next one runs.
  package func model(_ script: String) throws -> any LazyModel {
    try makeHost().run(text(of: script).utf8, name: "recipe.lua")
  }

  /// Writes the model that a script returns to a folder of that name.
  package func writeModel(of script: String, to name: String) throws {
    let host = try makeHost()
    try host.write(host.run(text(of: script).utf8, name: "recipe.lua"), to: "\(folder)/\(name)")
  }

  /// Runs a script that returns no model, and gives the lines that it printed.
  @discardableResult
  package func lines(_ script: String) throws -> [String] {
    let host = try makeHost()
    _ = try host.run(text(of: script + "\nreturn mk.model(here .. 'one')").utf8, name: "recipe.lua")
    return printed
  }

  /// What `print` makes of an expression.
  package func shown(_ expression: String) throws -> String {
    try lines("print(\(expression))").joined(separator: "\n")
  }

  /// The number that an expression gives, lazy or not.
  package func number(_ expression: String) throws -> Double {
    let line = try shown(
      "('%a'):format((function(v) return mk.is_tensor(v) and v:item() or v end)(\(expression)))")
    return Double(line) ?? .nan
  }

  /// The elements of the tensor that an expression gives, as it would be stored in `dtype`.
  package func elements(_ expression: String, as dtype: DType = .f32, before: String = "") throws -> [Float] {
    try tensor(
      "\(before) return mk.model(here .. 'one'):map(function(x) return \(expression) end)", "x", as: dtype
    ).elements
  }

  /// A tensor of the model that a script returns, computed and written.
  package func tensor(_ script: String, _ name: String, as dtype: DType? = nil) throws -> TestTensor {
    try output(script, dtype: dtype).first { $0.name == name }!
  }

  /// The tensors of the model that a script returns, computed, written and read again.
  package func output(_ script: String, dtype: DType? = nil) throws -> [TestTensor] {
    options.output.dtype = dtype
    defer { options.output.dtype = nil }
    let host = try makeHost()
    let model = try host.run(text(of: script).utf8, name: "recipe.lua")
    let name = "out-" + UUID().uuidString
    try host.write(model, to: "\(folder)/\(name)")
    defer { try? FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
    return try tensors(name)
  }

  /// The tensors of a checkpoint in the directory.
  package func tensors(_ name: String) throws -> [TestTensor] {
    try checkpoint(name).tensors.map { try TestTensor($0) }
  }

  /// The message of the error that a script ends with, without the directory's path.
  package func error(_ script: String) -> String { message { try lines(script) } }

  /// The message of the error that computing what a script returns ends with.
  package func outputError(_ script: String) -> String { message { try output(script) } }

  private func message(_ body: () throws -> some Any) -> String {
    do {
      _ = try body()
      return "no error"
    } catch { return "\(error)".replacingOccurrences(of: folder + "/", with: "") }
  }
}
