import Tensors
import TestSupport
import Testing

/// Equal nodes are one node, as long as one of them is alive.
@Suite struct SharingTests {
  @Test func whatIsBuiltTwiceIsComputedOnce() throws {
    let bench = Bench()
    let graph = bench.graph
    let source = RecordingSource(encode(noise(10_000), .f32))
    let leaf = StoredLeaf(source: source, dtype: .f32, count: 10_000)
    let evaluator = bench.evaluator()
    let targets = (1...6).map { _ in MemorySource(byteCount: 40_000) }
    // As six outputs would ask for it, each with a factor of its own.
    for (factor, target) in zip(1..., targets) {
      let x = try graph.stored(leaf, shape: Shape([100, 100]))
      let norm = try graph.norm(graph.topMask(graph.unary(.abs, x), k: bench.number(500)), dimension: nil)
      let scaled = try graph.binary(.multiply, norm, bench.number(Double(factor)))
      let node = try graph.binary(.multiply, graph.filled(Shape([100, 100]), with: 1), scaled)
      try evaluator.store(node, as: .f32, to: target) { _ in }
    }
    let read = source.bytesRead
    try evaluator.finish()
    let alone = RecordingSource(encode(noise(10_000), .f32))
    let x = try bench.stored(alone, [100, 100], .f32)
    _ = try bench.value(graph.norm(graph.topMask(graph.unary(.abs, x), k: bench.number(500)), dimension: nil))
    #expect(read <= source.bytesRead && source.bytesRead == alone.bytesRead)
    #expect(decode(targets[2].bytes, .f32)[7] == 3 * decode(targets[0].bytes, .f32)[7])
  }

  @Test func oneDecompositionForAll() throws {
    let bench = Bench()
    let graph = bench.graph
    let x = try bench.tensor(noise(200), [20, 10])
    let stream = RandomStream(seed: 1, name: "x", ordinal: 0)
    let first = try graph.svd(x, rank: nil, iterations: 2, stream: stream)
    let count = graph.liveCount
    #expect(try graph.svd(x, rank: nil, iterations: 2, stream: stream) == first)
    #expect(graph.liveCount == count)
    #expect(try graph.svd(x, rank: 6, iterations: 2, stream: stream) != first)
  }

  /// What has been computed is found as long as what it was computed from is there, and only then.
  @Test func whatIsKnownIsFound() throws {
    let bench = Bench()
    let graph = bench.graph
    let source = RecordingSource(encode(noise(10_000), .f32))
    let x = try bench.stored(source, [100, 100], .f32)
    let norm = try graph.norm(x, dimension: nil)
    let value = try bench.value(norm)
    let columns = try graph.reduce(.sum, x, dimension: 0, operation: "sum")
    let sums = try bench.compute(columns)
    let read = source.bytesRead
    #expect(try graph.reduce(.sum, x, dimension: 0, operation: "sum") == columns)
    #expect(try bench.value(graph.norm(x, dimension: nil)) == value)
    #expect(try bench.compute(graph.reduce(.sum, x, dimension: 0, operation: "sum")) == sums)
    #expect(source.bytesRead == read)
    // An input that has taken the place of one that is gone is another.
    let first = try bench.graph.stored(
      StoredLeaf(source: MemorySource(encode([1, 2], .f32)), dtype: .f32, count: 2), shape: Shape([2]))
    let known = try graph.reduce(.sum, first, operation: "sum")
    #expect(try bench.value(known) == 3)
    graph.release(first)
    let second = try bench.graph.stored(
      StoredLeaf(source: MemorySource(encode([3, 4], .f32)), dtype: .f32, count: 2), shape: Shape([2]))
    #expect(second == first)
    let other = try graph.reduce(.sum, second, operation: "sum")
    #expect(other != known)
    #expect(try bench.value(other) == 7)
    try graph.verify()
  }

  /// Bits and kinds that are not the same are not taken for it.
  @Test func whatDiffersIsKeptApart() throws {
    let bench = Bench()
    let graph = bench.graph
    let x = try bench.tensor(noise(12), [3, 4])
    let streams = (0..<2).map { RandomStream(seed: 1, name: "x", ordinal: $0) }
    let nodes: [NodeID] = try [
      graph.constant(0), graph.constant(-0.0), graph.filled(.scalar, with: 0),
      graph.filled(Shape([1]), with: 0), graph.filled(Shape([1]), with: 0, dtype: .bf16),
      graph.random(.normal, shape: Shape([3]), stream: streams[0]),
      graph.random(.normal, shape: Shape([3]), stream: streams[1]),
      graph.random(.uniform, shape: Shape([3]), stream: streams[0]),
      graph.random(.uniform, shape: Shape([4]), stream: streams[0]),
      graph.unary(.exp, x), graph.unary(.log, x), graph.convert(x, to: .bf16), graph.convert(x, to: .f16),
      graph.reduce(.sum, x, dimension: 0, operation: "sum"), graph.reduce(.sum, x, operation: "sum"),
      graph.reduce(.squares, x, operation: "sum"), graph.transpose(x, 0, 1), graph.reshape(x, [4, 3]),
      graph.gather(x, dimension: 0, indices: [0, 1, 0]), graph.gather(x, dimension: 0, indices: [0, 2, 0]),
      graph.gram(x, dimension: 0), graph.gram(x, dimension: 1),
    ]
    #expect(Set(nodes).count == nodes.count)
    // Calls of the host are never shared.
    let call = DeferredCall(outputs: 1) { _ in [1] }
    #expect(try graph.deferred([], call) != graph.deferred([], call))
  }

  /// A loop that builds the same again and lets it go leaves nothing, and finds nothing that is gone.
  @Test func whatIsGoneIsNotFound() throws {
    let bench = Bench()
    let graph = bench.graph
    let x = try bench.tensor(noise(12), [3, 4])
    let before = graph.liveCount
    for round in 0..<300 {
      let number = try graph.constant(Double(round % 7))
      let node = try graph.scope { try graph.unary(.exp, graph.binary(.add, x, number)) }
      let other = try graph.scope { try graph.unary(.exp, graph.binary(.add, x, number)) }
      #expect(node == other)
      [node, other, number].forEach(graph.release)
      #expect(graph.liveCount == before)
    }
    try graph.verify()
  }
}
