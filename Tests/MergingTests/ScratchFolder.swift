import Checkpoints
import Foundation
import SystemPackage
import TestSupport

/// An empty directory that is removed with all that is in it at the end of a test.
final class ScratchFolder: Sendable {
  fileprivate let directory: TemporaryDirectory
  var root: FilePath { FilePath(directory.path) }

  init() { directory = try! TemporaryDirectory() }

  func path(_ name: String) -> FilePath { root.pushing(FilePath(name)) }

  func exists(_ name: String) -> Bool { directory.exists(name) }

  func makeDirectory(_ name: String) {
    try? FileManager.default.createDirectory(atPath: path(name).string, withIntermediateDirectories: true)
  }

  /// Writes a file, and the directories above it within the folder.
  func write(_ text: String, at path: FilePath) {
    try? FileManager.default.createDirectory(
      atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
    _ = FileManager.default.createFile(atPath: path.string, contents: Data(text.utf8))
  }

  func read(_ name: String) -> String? { directory.text(name) }

  /// The files, links (`name -> target`) and empty directories (`name/`), sorted.
  func tree() -> [String] {
    let manager = FileManager.default
    let names = (try? manager.subpathsOfDirectory(atPath: root.string)) ?? []
    return names.compactMap { name in
      let full = path(name).string
      if let target = try? manager.destinationOfSymbolicLink(atPath: full) { return "\(name) -> \(target)" }
      guard let contents = try? manager.contentsOfDirectory(atPath: full) else { return name }
      return contents.isEmpty ? "\(name)/" : nil
    }.sorted()
  }
}

extension ScratchFolder {
  /// Writes a checkpoint of one file: float32 vectors, by name, in the names' order.
  func makeModel(_ name: String, _ tensors: [String: [Float]], config: String? = nil) throws {
    var entries: [String] = []
    var data: [UInt8] = []
    for (name, elements) in tensors.sorted(by: { $0.key < $1.key }) {
      let start = data.count
      elements.withUnsafeBytes { data += $0 }
      entries.append(
        #""\#(name)":{"dtype":"F32","shape":[\#(elements.count)],"data_offsets":[\#(start),\#(data.count)]}"#)
    }
    let file = safetensors(header: "{\(entries.joined(separator: ","))}", data: data)
    try directory.write(file, to: "\(name)/model.safetensors")
    if let config { write(config, at: path("\(name)/config.json")) }
  }

  /// The float32 tensors of a checkpoint.
  func readModel(_ name: String) throws -> [String: [Float]] {
    var found: [String: [Float]] = [:]
    for tensor in try Checkpoint(path: path(name)).tensors {
      var elements = [Float](repeating: 0, count: tensor.source.byteCount / 4)
      try elements.withUnsafeMutableBytes { try tensor.source.read(into: $0, at: 0) }
      found[tensor.name] = elements
    }
    return found
  }
}
