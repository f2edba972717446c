import Foundation
import Glibc
import TestSupport
import Testing

/// Runs the built `mergekit-lua` in a directory that goes with the object.
final class Tool: Sendable {
  private let directory: TemporaryDirectory
  var folder: String { directory.path }

  /// What a run ended with.
  struct Outcome: Equatable {
    var status: Int32
    var output: String
    var errors: String

    init(_ status: Int32, _ output: String = "", errors: String = "") {
      self.status = status
      self.output = output
      self.errors = errors
    }
  }

  /// The binary that was built with the tests, which lies beside them.
  static let binary: String = {
    let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("mergekit-lua").path
  }()

  static let repository: URL = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { url, _ in
    url.deletingLastPathComponent()
  }

  /// A directory with the tiny models of Tests/Fixtures below `models`.
  init() throws {
    directory = try TemporaryDirectory()
    try FileManager.default.copyItem(
      atPath: Self.repository.appendingPathComponent("Tests/Fixtures/models").resolvingSymlinksInPath().path,
      toPath: path("models"))
  }

  // MARK: Files

  func path(_ name: String) -> String { directory.path(name) }

  func write(_ text: String, to name: String) throws { try directory.write(text, to: name) }

  func write(_ bytes: [UInt8], to name: String) throws { try directory.write(bytes, to: name) }

  func text(_ name: String) -> String? { directory.text(name) }

  func bytes(_ name: String) -> [UInt8]? { try? directory.bytes(name) }

  /// All files and directories but the models, hidden ones included.
  func tree() -> [String] {
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
    return names.filter { !$0.hasPrefix("models") }.sorted()
  }

  // MARK: Running

  func process(_ arguments: [String], executable: String = binary) -> (Process, output: Pipe, errors: Pipe) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": folder, "TOOL": Self.binary]
    let (output, errors) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors
    return (process, output, errors)
  }

  @discardableResult
  func run(_ arguments: String...) throws -> Outcome { try run(arguments) }

  func run(_ arguments: [String], executable: String = binary) throws -> Outcome {
    let (process, output, errors) = process(arguments, executable: executable)
    try process.run()
    let outputText = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return Outcome(process.terminationStatus, outputText, errors: errorText)
  }

  /// Runs a recipe, in a file `recipe.lua` that begins with the API as `mk`, on its first line.
  @discardableResult
  func recipe(_ text: String, _ arguments: String...) throws -> Outcome {
    try write("local mk = require 'mergekit'; \(text)", to: "recipe.lua")
    return try run(["recipe.lua"] + (arguments.isEmpty ? ["out"] : arguments))
  }

  /// Runs a shell command; `$TOOL` is the binary.
  func shell(_ command: String) throws -> Outcome { try run(["-c", command], executable: "/bin/sh") }
}

/// A safetensors file of float32 vectors.
func safetensors(_ tensors: [(name: String, elements: [Float])]) -> [UInt8] {
  var entries: [String] = []
  var data: [UInt8] = []
  for (name, elements) in tensors {
    let start = data.count
    data += elements.withUnsafeBytes { Array($0) }
    entries.append(
      #""\#(name)":{"dtype":"F32","shape":[\#(elements.count)],"data_offsets":[\#(start),\#(data.count)]}"#)
  }
  return safetensors(header: "{\(entries.joined(separator: ","))}", data: data)
}
