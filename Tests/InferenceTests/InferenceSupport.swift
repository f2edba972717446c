import Basics
import Foundation
import Inference
import Merging
import SystemPackage
import Tensors
import TestSupport

/// What transformers computes of a small model: see scripts/make-inference-fixtures.py.
struct InferenceCase: CustomStringConvertible, Sendable {
  let name: String
  let weights: String
  let config: JSON
  /// By layer: rows of the hidden size, a prompt each.
  let last: [[Float]]
  let mean: [[Float]]
  let logits: [Float]

  var description: String { name }

  static let folder = FilePath(#filePath).removingLastComponent().removingLastComponent()
    .appending("Fixtures").appending("inference")
  private static let file = try! JSON(
    parsing: Array(FileManager.default.contents(atPath: folder.appending("cases.json").string)!))

  static let prompts: [[Int]] = file["prompts"]!.arrayValue!.map { $0.arrayValue!.map { $0.intValue! } }
  static let all: [InferenceCase] = file["cases"]!.arrayValue!.map { json in
    func floats(_ json: JSON?) -> [Float] { json!.arrayValue!.map { Float($0.doubleValue!) } }
    return InferenceCase(
      name: json["name"]!.stringValue!, weights: json["weights"]!.stringValue!, config: json["config"]!,
      last: json["last"]!.arrayValue!.map(floats), mean: json["mean"]!.arrayValue!.map(floats),
      logits: floats(json["logits"]))
  }

  static func named(_ name: String) -> InferenceCase { all.first { $0.name == name }! }
}

/// Models of the cases' weights with configs of any kind, in a directory that goes with the object.
final class InferenceBench {
  let folder: TemporaryDirectory
  let graph = ExpressionGraph()

  init() throws { folder = try TemporaryDirectory() }

  func evaluator(threads: Int = 2) -> Evaluator {
    Evaluator(graph: graph, options: Evaluator.Options(threads: threads))
  }

  /// A checkpoint of the case's weights, with some of its settings changed; `nil` takes one away.
  func model(_ item: InferenceCase, _ changes: [String: JSON?] = [:]) throws -> CheckpointModel {
    var config = item.config.objectValue!
    for (key, value) in changes { config[key] = value }
    try folder.write(JSON.object(config).utf8(), to: "config.json")
    let weights = InferenceCase.folder.appending("\(item.weights).safetensors").string
    try folder.write(Array(FileManager.default.contents(atPath: weights)!), to: "model.safetensors")
    return try CheckpointModel(reference: folder.path, graph: graph)
  }

  func pass(
    _ item: InferenceCase, _ changes: [String: JSON?] = [:], threads: Int = 2
  ) throws -> ForwardPass {
    try ForwardPass(model: model(item, changes), graph: graph, evaluator: evaluator(threads: threads))
  }

  /// The message of the error that a body ends with, without the directory's path.
  func message(_ body: () throws -> some Any) -> String {
    do {
      _ = try body()
      return "no error"
    } catch { return "\(error)".replacingOccurrences(of: folder.path, with: "DIR") }
  }
}

/// The length of the difference over the length of what was expected.
func relativeError(_ found: [Float], _ expected: [Float]) -> Double {
  guard found.count == expected.count else { return .infinity }
  let difference = zip(found, expected).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
  return (difference / expected.reduce(0.0) { $0 + pow(Double($1), 2) }).squareRoot()
}
