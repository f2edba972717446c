import Tensors

/// An expression graph with shorthand for building and computing in tests.
final class Bench {
  let graph = ExpressionGraph()
  var threads = 2
  var tileSize: Int?

  /// A float32 tensor.
  func tensor(_ elements: [Float], _ shape: [Int]) throws -> NodeID {
    try graph.values(elements, shape: Shape(shape))
  }

  /// A stored tensor of any dtype, from its elements as numbers.
  func stored(_ elements: [Float], _ shape: [Int], _ dtype: DType) throws -> NodeID {
    let width = dtype.byteWidth!
    var bytes = [UInt8](repeating: 0, count: elements.count * width)
    bytes.withUnsafeMutableBytes { raw in
      guard let base = raw.baseAddress else { return }
      Conversion.storeFloats(elements, to: base, dtype: dtype, count: elements.count)
    }
    let leaf = StoredLeaf(source: MemorySource(bytes), dtype: dtype, count: elements.count)
    return try graph.stored(leaf, shape: Shape(shape))
  }

  func number(_ value: Double) throws -> NodeID { try graph.constant(value) }

  func evaluator() -> Evaluator {
    Evaluator(graph: graph, options: Evaluator.Options(threads: threads, tileSize: tileSize))
  }

  /// The node's elements, rounded to `dtype`.
  func compute(_ node: NodeID, as dtype: DType = .f32) throws -> [Float] {
    let count = graph.shape(of: node).count
    let target = MemorySource(byteCount: count * dtype.byteWidth!)
    let evaluator = evaluator()
    var outcome: Result<Void, any Error>?
    try evaluator.store(node, as: dtype, to: target) { outcome = $0 }
    try evaluator.finish()
    try outcome!.get()
    var bytes = [UInt8](repeating: 0, count: target.byteCount)
    bytes.withUnsafeMutableBytes { target.read(into: $0, at: 0) }
    var elements = [Float](repeating: 0, count: count)
    bytes.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return }
      Conversion.loadFloats(from: base, dtype: dtype, into: &elements, count: count)
    }
    return elements
  }

  func value(_ node: NodeID) throws -> Double { try evaluator().value(of: node) }
}

/// Deterministic pseudo-random floats in [-1, 1), independent of the code under test.
func noise(_ count: Int, seed: UInt64 = 1) -> [Float] {
  var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
  return (0..<count).map { _ in
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Float(Int32(truncatingIfNeeded: state >> 32)) / 0x1p31
  }
}

/// Whether two lists are the same bit for bit, all NaNs being one.
func identical(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count
    && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
}
