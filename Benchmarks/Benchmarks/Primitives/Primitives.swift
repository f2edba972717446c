import Benchmark
import Glibc
import Tensors

/// What the evaluator's primitives reach on one thread, beside `memcpy`.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [bandwidth], units: [bandwidth: .count], warmupIterations: 2, maxDuration: .seconds(1),
    maxIterations: 200)
  memory()
  conversions()
  chains()
  reductions()
  selections()
  draws()
  rows()
}

private func memory() {
  let bytes = DType.f32.byteCount(shape.count)!
  Benchmark("memcpy") { benchmark in
    let source = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096)
    let target = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096)
    memset(source, 1, bytes)
    memset(target, 0, bytes)
    timed(benchmark, bytes: 2 * bytes) { memcpy(target, source, bytes) }
    blackHole(target.load(as: UInt8.self))
    source.deallocate()
    target.deallocate()
  }
}

private func conversions() {
  for dtype in [DType.bf16, .f16, .f8e4m3, .f8e5m2, .f64] {
    benchmark("convert \(dtype.torchName) to float32", of: [dtype], stored: .f32) { $1[0] }
    benchmark("convert float32 to \(dtype.torchName)", of: [.f32], stored: dtype) { $1[0] }
  }
}

private func chains() {
  benchmark("chain 1: a + b", of: [.bf16, .bf16], stored: .bf16) { graph, inputs in
    try graph.binary(.add, inputs[0], inputs[1])
  }
  benchmark("chain 3: a + 0.6 (b - a)", of: [.bf16, .bf16], stored: .bf16) { graph, inputs in
    let delta = try graph.binary(.subtract, inputs[1], inputs[0])
    return try graph.binary(.add, inputs[0], graph.binary(.multiply, delta, graph.constant(0.6)))
  }
  benchmark("chain 20: multiply and add", of: [.bf16, .bf16], stored: .bf16) { graph, inputs in
    try (1...10).reduce(inputs[0]) { sum, step in
      try graph.binary(.add, graph.binary(.multiply, sum, graph.constant(0.9)), inputs[step % 2])
    }
  }
  for operation in [UnaryOperation.abs, .sign, .sqrt, .exp, .log, .cos, .acos, .round] {
    benchmark("unary \(operation)", of: [.f32], stored: .f32) { graph, inputs in
      try graph.unary(operation, inputs[0])
    }
  }
  for operation in [BinaryOperation.divide, .power, .minimum, .greater] {
    benchmark("binary \(operation)", of: [.f32, .f32], stored: .f32) { graph, inputs in
      try graph.binary(operation, inputs[0], inputs[1])
    }
  }
  benchmark("where", of: [.f32, .f32, .f32], stored: .f32) { graph, inputs in
    try graph.select(inputs[0], inputs[1], inputs[2])
  }
}

private func reductions() {
  for reduction in [Reduction.sum, .squares, .minimum] {
    benchmark("reduce \(reduction)", of: [.bf16]) { graph, inputs in
      try graph.reduce(reduction, inputs[0], operation: "\(reduction)")
    }
  }
  benchmark("reduce dot", of: [.bf16, .bf16]) { graph, inputs in
    try graph.reduce(.dot, inputs[0], with: inputs[1], operation: "dot")
  }
}

private func selections() {
  func half(_ graph: ExpressionGraph) throws -> NodeID { try graph.constant(Double(shape.count / 2)) }
  benchmark("select kth_largest", of: [.bf16]) { graph, inputs in
    try graph.kthLargest(graph.unary(.abs, inputs[0]), k: half(graph))
  }
  benchmark("select kth_largest of float32", of: [.f32]) { graph, inputs in
    try graph.kthLargest(graph.unary(.abs, inputs[0]), k: half(graph))
  }
  benchmark("select topk_mask", of: [.bf16], stored: .bf16) { graph, inputs in
    try graph.topMask(graph.unary(.abs, inputs[0]), k: half(graph))
  }
}

private func draws() {
  let stream = RandomStream(seed: 42, name: "draws", ordinal: 0)
  benchmark("draw rand", of: [], stored: .f32) { graph, _ in
    try graph.random(.uniform, shape: shape, stream: stream)
  }
  benchmark("draw randn", of: [], stored: .f32) { graph, _ in
    try graph.random(.normal, shape: shape, stream: stream)
  }
  benchmark("draw bernoulli", of: [], stored: .f32) { graph, _ in
    try graph.binary(.less, graph.random(.uniform, shape: shape, stream: stream), graph.constant(0.5))
  }
}

private func rows() {
  for dimension in 0...1 {
    benchmark("rows sum over dimension \(dimension + 1)", of: [.bf16], stored: .bf16) { graph, inputs in
      let sums = try graph.reduce(.sum, inputs[0], dimension: dimension, operation: "sum")
      return try graph.binary(.subtract, inputs[0], sums)
    }
  }
  benchmark("rows softmax", of: [.bf16], stored: .bf16) { try $0.softmax($1[0], dimension: 1) }
  benchmark("rows rank", of: [.bf16], stored: .f32) { try $0.ranks($1[0], dimension: 1) }
  benchmark("rows transpose", of: [.bf16], stored: .bf16) { try $0.transpose($1[0], 0, 1) }
}
