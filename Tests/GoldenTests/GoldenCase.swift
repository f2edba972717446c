import Basics
import Checkpoints
import Foundation
import SystemPackage
import Tensors
import Testing

/// A config of Tests/Fixtures/goldens, and what mergekit 0.1.5 made of it: see scripts/make-goldens.
struct GoldenCase: Sendable, CustomTestStringConvertible {
  let name: String
  /// The config, with absolute paths of its models.
  let text: String

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/goldens").path

  /// Every config in the folder, sorted by name.
  static let all: [GoldenCase] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/cases")) ?? []
    return names.filter { $0.hasSuffix(".yml") }.sorted().compactMap {
      guard let text = try? String(contentsOfFile: "\(folder)/cases/\($0)", encoding: .utf8) else {
        return nil
      }
      return GoldenCase(name: String($0.dropLast(4)), text: absolute(text))
    }
  }()

  /// A config with absolute paths of its models: tests share one working directory.
  static func absolute(_ text: String) -> String {
    text.replacingOccurrences(of: "models/", with: "\(folder)/models/")
  }

  var testDescription: String { name }

  /// The method that the config names.
  var method: String? {
    text.firstMatch(of: /(?m)^merge_method: (\w+)$/).map { String($0.1) }
  }

  /// The options of mergekit-yaml that the first line names.
  var options: [Substring] {
    text.firstMatch(of: /^# options: (.*)\n/)?.1.split(separator: " ") ?? []
  }

  /// What mergekit wrote.
  func expected() throws -> [GoldenTensor] {
    try GoldenTensor.read("\(Self.folder)/expected/\(name).safetensors")
  }

  /// The tokens of what mergekit wrote, if the config says something of a tokenizer: rows of embeddings and
  /// heads are in this order there, those without a token last.
  func tokens() throws -> [String]? {
    let path = "\(Self.folder)/expected/\(name).tokens.json"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    return try JSON(contentsOf: FilePath(path)).arrayValue?.compactMap(\.stringValue)
  }

  /// What float64 gives, if mergekit computed in 16 bits.
  func truth() throws -> [GoldenTensor]? {
    let path = "\(Self.folder)/truth/\(name).safetensors"
    return FileManager.default.fileExists(atPath: path) ? try GoldenTensor.read(path) : nil
  }
}

/// A tensor with its elements, all of which are floats.
struct GoldenTensor: Equatable {
  var name: String
  var dtype: DType
  var shape: [Int]
  var bytes: [UInt8]

  init(_ stored: StoredTensor) throws {
    var bytes = [UInt8](repeating: 0, count: stored.source.byteCount)
    try bytes.withUnsafeMutableBytes { try stored.source.read(into: $0, at: 0) }
    self.bytes = bytes
    name = stored.name
    dtype = stored.dtype
    shape = stored.shape
  }

  /// The tensors of a file or of a model's directory, sorted by name.
  static func read(_ path: String) throws -> [GoldenTensor] {
    try Checkpoint(path: FilePath(path)).tensors.map { try GoldenTensor($0) }.sorted { $0.name < $1.name }
  }

  /// Whether there is a row for each token.
  var hasTokenRows: Bool { name.contains("embed_tokens") || name.contains("lm_head") }

  /// Puts rows first in the order of `ids`, and then those that it does not name.
  mutating func reorder(_ ids: [Int]) {
    let rest = Set(0..<shape[0]).subtracting(ids).sorted()
    let width = bytes.count / shape[0]
    bytes = (ids + rest).flatMap { bytes[$0 * width..<($0 + 1) * width] }
  }

  var elements: [Double] {
    var elements = [Double](repeating: 0, count: shape.reduce(1, *))
    bytes.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return }
      Conversion.loadDoubles(from: base, dtype: dtype, into: &elements, count: elements.count)
    }
    return elements
  }
}
