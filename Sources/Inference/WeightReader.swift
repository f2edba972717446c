import Basics
import Checkpoints
import Merging
import Tensors

/// Puts tensors of a lazy model into memory as float32, one at a time.
final class WeightReader {
  private let model: any LazyModel
  private let graph: ExpressionGraph
  private let evaluator: Evaluator
  private let operation: String
  /// Expressions that were built ahead of their use.
  private var ahead: [String: NodeID] = [:]

  init(model: any LazyModel, graph: ExpressionGraph, evaluator: Evaluator, operation: String) {
    self.model = model
    self.graph = graph
    self.evaluator = evaluator
    self.operation = operation
  }

  deinit { ahead.values.forEach(graph.release) }

  /// The model's own name of a tensor that must be there.
  func ownName(of name: String) throws -> String {
    if let own = model.resolve(name) { return own }
    throw InferenceError.missingTensor(
      name, model: model.label, nearest: nearestName(to: name, among: model.names))
  }

  func has(_ name: String) -> Bool { model.resolve(name) != nil }

  /// The sizes of a tensor that must be there.
  func shape(of name: String) throws -> Shape {
    try model.requireSpecification(of: ownName(of: name)).shape
  }

  /// Throws unless the tensor is there and has the shape.
  func check(_ parameter: DecoderTensors.Parameter) throws {
    let (found, expected) = (try shape(of: parameter.name), Shape(parameter.shape))
    guard found == expected else {
      throw InferenceError.badShape(
        tensor: parameter.name, found: found, expected: expected, model: model.label)
    }
  }

  /// Builds expressions that are needed soon, and asks the system for the bytes that they read.
  func prepare(_ parameters: [DecoderTensors.Parameter]) throws {
    for parameter in parameters where ahead[parameter.name] == nil {
      let node = try expression(for: parameter.name)
      ahead[parameter.name] = node
      for leaf in graph.storedLeaves(below: node) { leaf.source.advise(0..<leaf.source.byteCount) }
    }
  }

  private func expression(for name: String) throws -> NodeID {
    if let node = ahead.removeValue(forKey: name) { return node }
    return try model.expression(for: ownName(of: name))
  }

  /// A tensor's elements; `buffer` grows to hold them.
  func read(_ parameter: DecoderTensors.Parameter, into buffer: FloatBuffer) throws {
    let node = try expression(for: parameter.name)
    defer { graph.release(node) }
    try read(node, of: parameter.name, into: buffer)
  }

  /// Some rows of a matrix, in the order of `rows`, which may repeat.
  func read(rows: [Int], of name: String, into buffer: FloatBuffer) throws {
    try locating(name) {
      let node = try expression(for: name)
      defer { graph.release(node) }
      let chosen = try graph.gather(node, dimension: 0, indices: rows)
      defer { graph.release(chosen) }
      try read(chosen, of: name, into: buffer)
    }
  }

  /// Rows of a matrix that stand together.
  func read(rows: Range<Int>, of name: String, into buffer: FloatBuffer) throws {
    try locating(name) {
      let node = try expression(for: name)
      defer { graph.release(node) }
      let part = try graph.narrow(node, dimension: 0, start: rows.lowerBound, length: rows.count)
      defer { graph.release(part) }
      try read(part, of: name, into: buffer)
    }
  }

  private func read(_ node: NodeID, of name: String, into buffer: FloatBuffer) throws {
    buffer.ensure(graph.shape(of: node).count)
    try locating(name) { try evaluator.write(node, as: .f32, to: buffer, for: operation) }
  }

  private func locating<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as TensorError where error == .cancelled || error == .inDeferred(operation: operation) {
      throw error
    } catch { throw MergeError.locate(error, inTensor: name) }
  }
}
