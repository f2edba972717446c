import Benchmark
import Tensors

/// Megabytes (10⁶) that are read and written in a second.
let bandwidth = BenchmarkMetric.custom("MB/s", polarity: .prefersLarger, useScalingFactor: false)

/// The tensors that are computed with: a matrix of 8 million elements, more than a cache holds.
let shape = Shape([4096, 2048])

/// Adds a benchmark of what one worker does with the bytes of `inputs` and, if it stores its result, of that.
///
/// `build` makes an expression of the inputs, all matrices of `shape`, in a graph of this run alone. With
/// `stored`, its elements are stored as that dtype; without, it is a scalar that is asked for.
func benchmark(
  _ name: String, of inputs: [DType], stored: DType? = nil,
  build: @escaping (ExpressionGraph, [NodeID]) throws -> NodeID
) {
  let bytes = (inputs + (stored.map { [$0] } ?? [])).reduce(0) { $0 + $1.byteCount(shape.count)! }
  Benchmark(name) { benchmark in
    let graph = ExpressionGraph()
    let evaluator = Evaluator(graph: graph, options: .init(threads: 1))
    let leaves = try inputs.enumerated().map { number, dtype in
      try graph.stored(
        StoredLeaf(source: samples(dtype, number), dtype: dtype, count: shape.count), shape: shape)
    }
    let node = try build(graph, leaves)
    let target = MemorySource(byteCount: stored?.byteCount(shape.count) ?? 0)
    try timed(benchmark, bytes: bytes) {
      guard let stored else { return blackHole(try evaluator.value(of: node)) }
      try evaluator.store(node, as: stored, to: target) { result in
        if case .failure(let error) = result { fatalError("\(error)") }
      }
      try evaluator.finish()
    }
  }
}

/// Runs `body` as the measured part, and puts down how many of `bytes` it took in a second.
func timed(_ benchmark: Benchmark, bytes: Int, _ body: () throws -> Void) rethrows {
  let clock = ContinuousClock()
  benchmark.startMeasurement()
  let start = clock.now
  try body()
  let elapsed = start.duration(to: clock.now) / .seconds(1)
  benchmark.stopMeasurement()
  benchmark.measurement(bandwidth, Int(Double(bytes) / elapsed / 1e6))
}

/// Numbers as weights have them, with a spread of 0.02; others for each `number`.
private func samples(_ dtype: DType, _ number: Int) throws -> MemorySource {
  if let made = made["\(dtype) \(number)"] { return made }
  let graph = ExpressionGraph()
  let stream = RandomStream(seed: 1, name: "weights", ordinal: number)
  let normal = try graph.random(.normal, shape: shape, stream: stream)
  let evaluator = Evaluator(graph: graph, options: .init(threads: 1))
  let target = MemorySource(byteCount: dtype.byteCount(shape.count)!)
  try evaluator.store(graph.binary(.multiply, normal, graph.constant(0.02)), as: dtype, to: target) { _ in }
  try evaluator.finish()
  made["\(dtype) \(number)"] = target
  return target
}

// Benchmarks run one after the other.
nonisolated(unsafe) private var made: [String: MemorySource] = [:]
