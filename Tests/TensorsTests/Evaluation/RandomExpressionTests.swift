import Tensors
import Testing

@Suite struct RandomExpressionTests {
  @Test(arguments: [nil, 7, 333], [Distribution.uniform, .normal])
  func elementsAreTheStreams(_ tile: Int?, _ distribution: Distribution) throws {
    let stream = RandomStream(seed: 3, name: "a", ordinal: 1)
    var expected = [Float](repeating: 0, count: 3000)
    switch distribution {
    case .uniform: stream.fillUniform(&expected, start: 0, count: 3000)
    case .normal: stream.fillNormal(&expected, start: 0, count: 3000)
    }
    let bench = Bench(threads: 3, tileSize: tile)
    let draw = try bench.graph.random(distribution, shape: Shape([50, 60]), stream: stream)
    #expect(try bench.compute(draw) == expected)
    let turned = try bench.graph.transpose(draw, 0, 1)
    #expect(try bench.compute(turned) == (0..<60).flatMap { c in (0..<50).map { expected[$0 * 60 + c] } })
    let part = try bench.graph.narrow(draw, dimension: 0, start: 49, length: 1)
    #expect(try bench.compute(part) == expected[2940...].map { $0 })
    let nothing = try bench.graph.random(distribution, shape: Shape([0, 3]), stream: stream)
    #expect(try bench.compute(nothing) == [])
  }

  @Test func bernoulliIsADrawBelowItsProbability() throws {
    let bench = Bench()
    let stream = RandomStream(seed: 9, name: "b", ordinal: 0)
    let draw = try bench.graph.random(.uniform, shape: Shape([100_000]), stream: stream)
    for (probability, mean) in [(0.0, 0.0), (1.0, 1.0), (0.3, 0.3)] {
      let hits = try bench.graph.binary(.less, draw, bench.number(probability))
      #expect(abs(try bench.value(bench.graph.mean(hits, dimension: nil)) - mean) <= 0.005)
    }
  }
}
