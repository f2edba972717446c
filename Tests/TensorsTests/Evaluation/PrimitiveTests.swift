import Tensors
import Testing

@Suite struct PrimitiveTests {
  /// Against numpy, with every way to cut and to share the work giving the same bits.
  @Test(arguments: PrimitiveFixture.shared.cases)
  func agreesWithNumpy(_ primitive: PrimitiveFixture.Case) throws {
    let dtype = DType(rawValue: primitive.result.dtype)!
    var results: [[UInt8]] = []
    for (tile, threads) in [(nil, 1), (1, 2), (7, 3), (16, 7)] {
      let bench = Bench()
      bench.tileSize = tile
      bench.threads = threads
      let node = try primitive.build(in: bench)
      #expect(bench.graph.shape(of: node).dimensions == primitive.result.shape)
      results.append(try bench.bytes(node, as: dtype))
      bench.graph.release(node)
      #expect(bench.graph.liveCount == 0, "nodes are left")
    }
    for (index, result) in results.enumerated() {
      #expect(result == results[0], "cut \(index) gives other bits")
    }
    let found = decode(results[0], dtype)
    let expected = decode(PrimitiveFixture.shared.bytes(primitive.result), dtype)
    try #require(found.count == expected.count)
    for index in expected.indices where !primitive.accepts(found[index], for: expected[index]) {
      Issue.record("element \(index): expected \(expected[index]), found \(found[index])")
    }
  }
}
