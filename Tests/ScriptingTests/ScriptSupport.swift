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
final class ScriptBench {
  private let directory: TemporaryDirectory
  var folder: String { directory.path }
  var options: ScriptHost.Options
  private(set) var warnings: [String] = []
  private(set) var printed: [String] = []
  private var latest: ScriptHost?

  init(threads: Int = 2, tileSize: Int? = nil, seed: UInt64 = 42) throws {
    directory = try TemporaryDirectory()
    options = ScriptHost.Options(threads: threads, seed: seed, tileSize: tileSize)
    try makeModel("one", [TestTensor("x", .f32, [1], [0])])
  }

  deinit {
    latest = nil
  }

  // MARK: Files

  func write(_ text: String, to name: String) throws { try directory.write(text, to: name) }

  /// Writes a checkpoint of one file.
  func makeModel(_ name: String, _ tensors: [TestTensor], config: String? = nil) throws {
    try write(config ?? "{}", to: "\(name)/config.json")
    try directory.write(TestTensor.file(tensors), to: "\(name)/model.safetensors")
  }

  func bytes(_ name: String) throws -> [UInt8] { try directory.bytes(name) }

  func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  func exists(_ name: String) -> Bool { directory.exists(name) }

  /// All names in the directory, hidden ones included, sorted.
  func entries() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }

  func checkpoint(_ name: String) throws -> Checkpoint { try Checkpoint(path: FilePath("\(folder)/\(name)")) }

  // MARK: Running

  /// A host, which the bench keeps until it makes the next.
  func makeHost() throws -> ScriptHost {
    printed = []
    let host = try ScriptHost(
      root: folder, options: options,
      messages: ScriptHost.Messages(
        warn: { [unowned self] in warnings.append($0) }, output: { [unowned self] in printed.append($0) }))
    latest = host
    return host
  }

  private func text(of script: String) -> String {
    "local mk = require 'mergekit'; local here = '\(folder)/'; \(script)"
  }

  /// The model that a script returns; it may be used until the next one runs.
  func model(_ script: String) throws -> any LazyModel {
    try makeHost().run(text(of: script).utf8, name: "recipe.lua")
  }

  /// Runs a script that returns no model, and gives the lines that it printed.
  @discardableResult
  func lines(_ script: String) throws -> [String] {
    let host = try makeHost()
    _ = try host.run(text(of: script + "\nreturn mk.model(here .. 'one')").utf8, name: "recipe.lua")
    return printed
  }

  /// What `print` makes of an expression.
  func shown(_ expression: String) throws -> String {
    try lines("print(\(expression))").joined(separator: "\n")
  }

  /// The number that an expression gives, lazy or not.
  func number(_ expression: String) throws -> Double {
    let line = try shown(
      "('%a'):format((function(v) return mk.is_tensor(v) and v:item() or v end)(\(expression)))")
    return Double(line) ?? .nan
  }

  /// The elements of the tensor that an expression gives, as it would be stored in `dtype`.
  func elements(_ expression: String, as dtype: DType = .f32, before: String = "") throws -> [Float] {
    try tensor(
      "\(before) return mk.model(here .. 'one'):map(function(x) return \(expression) end)", "x", as: dtype
    ).elements
  }

  /// A tensor of the model that a script returns, computed and written.
  func tensor(_ script: String, _ name: String, as dtype: DType? = nil) throws -> TestTensor {
    try output(script, dtype: dtype).first { $0.name == name }!
  }

  /// The tensors of the model that a script returns, computed, written and read again.
  func output(_ script: String, dtype: DType? = nil) throws -> [TestTensor] {
    options.dtype = dtype
    defer { options.dtype = nil }
    let host = try makeHost()
    let model = try host.run(text(of: script).utf8, name: "recipe.lua")
    let name = "out-" + UUID().uuidString
    try host.write(model, to: "\(folder)/\(name)")
    defer { try? FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
    return try tensors(name)
  }

  /// The tensors of a checkpoint in the directory.
  func tensors(_ name: String) throws -> [TestTensor] {
    try checkpoint(name).tensors.map { try TestTensor($0) }
  }

  /// The message of the error that a script ends with, without the directory's path.
  func error(_ script: String) -> String { message { try lines(script) } }

  /// The message of the error that computing what a script returns ends with.
  func outputError(_ script: String) -> String { message { try output(script) } }

  private func message(_ body: () throws -> some Any) -> String {
    do {
      _ = try body()
      return "no error"
    } catch { return "\(error)".replacingOccurrences(of: folder + "/", with: "") }
  }
}

/// A tensor with its elements: of any dtype from bytes, of floating-point ones from numbers too.
struct TestTensor: Equatable {
  var name: String
  var dtype: DType
  var shape: [Int]
  var bytes: [UInt8]

  init(_ name: String, _ dtype: DType, _ shape: [Int], bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  init(_ name: String, _ dtype: DType, _ shape: [Int], _ elements: [Float]) {
    var bytes = [UInt8](repeating: 0, count: elements.count * dtype.byteWidth!)
    bytes.withUnsafeMutableBytes { raw in
      guard let base = raw.baseAddress else { return }
      Conversion.storeFloats(elements, to: base, dtype: dtype, count: elements.count)
    }
    self.init(name, dtype, shape, bytes: bytes)
  }

  init(_ stored: StoredTensor) throws {
    var bytes = [UInt8](repeating: 0, count: stored.byteCount)
    try bytes.withUnsafeMutableBytes { try stored.read(into: $0, at: 0) }
    self.init(stored.name, stored.dtype, stored.shape, bytes: bytes)
  }

  /// 64-bit integers.
  init(_ name: String, integers: [Int64]) {
    self.init(name, .i64, [integers.count], bytes: integers.withUnsafeBytes { Array($0) })
  }

  var elements: [Float] {
    let count = shape.reduce(1, *)
    var elements = [Float](repeating: 0, count: count)
    bytes.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return }
      Conversion.loadFloats(from: base, dtype: dtype, into: &elements, count: count)
    }
    return elements
  }

  /// The bytes of a safetensors file.
  static func file(_ tensors: [TestTensor]) -> [UInt8] {
    var entries: [String] = []
    var offset = 0
    for tensor in tensors {
      let end = offset + tensor.bytes.count
      entries.append(
        #""\#(tensor.name)":{"dtype":"\#(tensor.dtype.rawValue)","shape":\#(tensor.shape),"data_offsets":[\#(offset),\#(end)]}"#
      )
      offset = end
    }
    return safetensors(header: "{\(entries.joined(separator: ","))}", data: tensors.flatMap(\.bytes))
  }
}

/// A path below Tests/Fixtures.
func fixture(_ name: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures").appendingPathComponent(name).path
}

/// Whether two lists of elements are as near as float32 arithmetic allows.
func isClose(_ found: [Float], _ expected: [Double], relative: Double = 2e-6, absolute: Double = 1e-7) -> Bool
{
  found.count == expected.count
    && zip(found, expected).allSatisfy { found, expected in
      found.isNaN && expected.isNaN
        || abs(Double(found) - expected) <= absolute + relative * abs(expected)
        || Double(found) == expected
    }
}
