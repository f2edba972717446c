import Tensors
import TestSupport
import Testing

/// Masks of random numbers or ranks, which a sweep keeps for the sweeps after it.
@Suite struct KeptMaskTests {
  /// Enough elements that masks are kept; rows end within words.
  private static let shape = [71, 999]
  private let values = noise(71 * 999, seed: 5)
  private let others = noise(71 * 999, seed: 6)

  private func draw(_ bench: Bench) throws -> NodeID {
    try bench.graph.random(
      .uniform, shape: Shape(Self.shape), stream: RandomStream(seed: 3, name: "draw", ordinal: 0))
  }

  /// 1 where a draw is below the part of its row that an element's rank has passed.
  private func rankedMask(_ bench: Bench, _ x: NodeID) throws -> NodeID {
    let part = try bench.graph.binary(
      .divide, bench.graph.ranks(x, dimension: 1), bench.number(Double(Self.shape[1])))
    return try bench.graph.binary(.less, draw(bench), part)
  }

  /// The mask divided by its own sum, so that two sweeps need it.
  private func shares(_ bench: Bench, _ mask: NodeID, of y: NodeID) throws -> NodeID {
    let kept = try bench.graph.binary(.multiply, mask, y)
    let sum = try bench.graph.reduce(.sum, kept, operation: "sum")
    return try bench.graph.binary(.divide, kept, sum)
  }

  @Test func whatOnlyTheMaskNeedsIsReadOnce() throws {
    let bench = Bench()
    let source = RecordingSource(encode(values, .f32))
    let mask = try rankedMask(bench, bench.stored(source, Self.shape, .f32))
    _ = try bench.compute(shares(bench, mask, of: bench.stored(others, Self.shape, .f32)))
    // Rows of which two units have a part are ranked for both.
    let units = values.count / 65_536 + 1
    #expect(source.bytesRead <= 4 * (values.count + units * Self.shape[1]))
  }

  @Test(arguments: [1, 3], [nil, 7, 1000, 4096])
  func elementsAreThoseOfMasksComputedAgain(_ threads: Int, _ tile: Int?) throws {
    let bench = Bench(threads: threads, tileSize: tile)
    let x = try bench.stored(values, Self.shape, .f32)
    let y = try bench.stored(others, Self.shape, .f32)
    for mask in [try rankedMask(bench, x), try bench.graph.binary(.less, draw(bench), bench.number(0.3))] {
      // Put down by itself, the mask needs one sweep, and is not kept.
      let bits = try bench.compute(mask)
      #expect(Set(bits) == [0, 1])
      let again = try bench.stored(bits, Self.shape, .f32)
      expectSame(
        try bench.compute(shares(bench, mask, of: y)), try bench.compute(shares(bench, again, of: y)))
    }
  }

  /// Bits are read from within a word on.
  @Test func partsOfAMaskAreThoseOfItsElements() throws {
    let bench = Bench()
    let y = try bench.stored(others, Self.shape, .f32)
    let mask = try bench.graph.binary(.less, draw(bench), bench.number(0.5))
    let kept = try bench.graph.binary(.multiply, mask, y)
    let sum = try bench.graph.reduce(.sum, kept, operation: "sum")
    let part = try bench.graph.narrow(kept, dimension: 0, start: 3, length: 67)
    let whole = try bench.compute(bench.graph.binary(.divide, kept, sum))
    expectSame(
      try bench.compute(bench.graph.binary(.divide, part, sum)), Array(whole[(3 * 999)..<(70 * 999)]))
  }

  /// The first sweep that meets the mask is a sample, which sees few of its elements.
  @Test func selectionsOfMaskedElementsKeepTheMask() throws {
    let bench = Bench()
    let y = try bench.stored(others, Self.shape, .f32)
    let mask = try bench.graph.binary(.less, draw(bench), bench.number(0.5))
    let kept = try bench.graph.binary(.multiply, mask, y)
    let top = try bench.graph.topMask(kept, k: bench.number(1000))
    let result = try bench.compute(bench.graph.binary(.multiply, kept, top))
    let expected = zip(try bench.compute(mask), others).map { $0 * $1 }
    let threshold = expected.sorted(by: >)[999]
    expectSame(result.map { $0 + 0 }, expected.map { $0 >= threshold ? $0 : 0 })
  }
}
