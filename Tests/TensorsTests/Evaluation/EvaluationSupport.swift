import Tensors
import Testing

/// An expression graph with shorthand for building and computing in tests.
final class Bench {
  let graph = ExpressionGraph()
  var threads = 2
  var tileSize: Int?
  var makeScratch: @Sendable (Int) throws -> any ByteSource & ByteSink = { MemorySource(byteCount: $0) }

  init(threads: Int = 2, tileSize: Int? = nil) {
    self.threads = threads
    self.tileSize = tileSize
  }

  /// A float32 tensor.
  func tensor(_ elements: [Float], _ shape: [Int]) throws -> NodeID {
    try graph.values(elements, shape: Shape(shape))
  }

  /// A stored tensor of any dtype, from its elements as numbers.
  func stored(_ elements: [Float], _ shape: [Int], _ dtype: DType) throws -> NodeID {
    try stored(bytes: encode(elements, dtype), shape, dtype)
  }

  /// A stored tensor of any dtype.
  func stored(bytes: [UInt8], _ shape: [Int], _ dtype: DType, label: String = "a constant") throws -> NodeID {
    try stored(MemorySource(bytes, label: label), shape, dtype)
  }

  func stored(_ source: any ByteSource, _ shape: [Int], _ dtype: DType) throws -> NodeID {
    let leaf = StoredLeaf(source: source, dtype: dtype, count: shape.reduce(1, *))
    return try graph.stored(leaf, shape: Shape(shape))
  }

  func number(_ value: Double) throws -> NodeID { try graph.constant(value) }

  /// A number that is known only when a sweep has ended; rounded to float32.
  func lazyNumber(_ value: Double) throws -> NodeID {
    try graph.reduce(.sum, stored(bytes: encode([value], .f64), [1], .f64), operation: "sum")
  }

  func evaluator() -> Evaluator {
    Evaluator(
      graph: graph,
      options: Evaluator.Options(
        threads: threads, verifies: true, tileSize: tileSize, makeScratch: makeScratch)
    )
  }

  /// The node's bytes, stored as `dtype`.
  func bytes(_ node: NodeID, as dtype: DType) throws -> [UInt8] {
    let target = MemorySource(byteCount: dtype.byteCount(graph.shape(of: node).count)!)
    let evaluator = evaluator()
    var outcome: Result<Void, any Error>?
    try evaluator.store(node, as: dtype, to: target) { outcome = $0 }
    try evaluator.finish()
    try outcome!.get()
    return target.bytes
  }

  /// The node's elements, rounded to `dtype`.
  func compute(_ node: NodeID, as dtype: DType = .f32) throws -> [Float] {
    decode(try bytes(node, as: dtype), dtype).map { Float($0) }
  }

  func value(_ node: NodeID) throws -> Double { try evaluator().value(of: node) }
}

extension MemorySource {
  /// A copy of all bytes.
  var bytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    bytes.withUnsafeMutableBytes { read(into: $0, at: 0) }
    return bytes
  }
}

/// The bytes of elements stored as `dtype`, an arithmetic one.
func encode<Element: BinaryFloatingPoint>(_ elements: [Element], _ dtype: DType) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: elements.count * dtype.byteWidth!)
  bytes.withUnsafeMutableBytes { raw in
    for (index, element) in elements.enumerated() {
      Conversion.storeDouble(Double(element), to: raw.baseAddress! + index * dtype.byteWidth!, dtype: dtype)
    }
  }
  return bytes
}

/// The elements that bytes of `dtype` hold, exactly.
func decode(_ bytes: [UInt8], _ dtype: DType) -> [Double] {
  bytes.withUnsafeBytes { raw in
    (0..<bytes.count / dtype.byteWidth!).map {
      Conversion.loadDouble(from: raw.baseAddress! + $0 * dtype.byteWidth!, dtype: dtype)
    }
  }
}

/// Calls `body` with every value; a failure within it names the value.
func withEvery<Value>(
  _ label: String, in values: some Sequence<Value>, _ body: (Value) throws -> Void,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  for value in values {
    withKnownTrace("\(label) \(value)") {
      do { try body(value) } catch {
        Issue.record("\(error), with \(trace.joined(separator: ", "))", sourceLocation: sourceLocation)
      }
    }
  }
}

/// What `withEvery` is at, outermost first.
@TaskLocal var trace: [String] = []

private func withKnownTrace(_ entry: String, _ body: () -> Void) {
  $trace.withValue(trace + [entry], operation: body)
}

/// Expects two lists to be the same bit for bit, all NaNs being one, and says where `withEvery` is.
func expectSame(_ found: [Float], _ expected: [Float], sourceLocation: SourceLocation = #_sourceLocation) {
  guard found.count == expected.count else {
    Issue.record(
      "\(found.count) elements instead of \(expected.count), with \(trace.joined(separator: ", "))",
      sourceLocation: sourceLocation)
    return
  }
  guard let index = found.indices.first(where: { !isSame(found[$0], expected[$0]) }) else { return }
  Issue.record(
    "element \(index): expected \(expected[index]), found \(found[index]), with \(trace.joined(separator: ", "))",
    sourceLocation: sourceLocation)
}
