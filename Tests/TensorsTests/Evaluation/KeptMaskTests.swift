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

  /// Where a number less or greater than it is all that a line over ranks is for, not all ranks are found.
  @Test(arguments: [[71, 999], [1000, 64], [5000, 13], [1, 70_000]], [nil, 7, 1000])
  func linesOverRanksAreThoseOfRanksComputedFirst(_ shape: [Int], _ tile: Int?) throws {
    let bench = Bench(threads: 2, tileSize: tile)
    let graph = bench.graph
    let count = shape[0] * shape[1]
    let x = try bench.stored(noise(count, seed: 7).map { ($0 * 64).rounded() }, shape, .f32)
    let draw = try graph.random(
      .uniform, shape: Shape(shape), stream: RandomStream(seed: 4, name: "draw", ordinal: 0))
    let ranks = try bench.compute(graph.ranks(x, dimension: 1))
    let draws = try bench.compute(draw)
    for factor in [0.9, -0.9] {
      let (slope, start) = (factor / Double(shape[1]), factor < 0 ? 0.95 : 0.05)
      let line = try graph.binary(
        .add, bench.number(start),
        graph.binary(.multiply, graph.ranks(x, dimension: 1), bench.number(slope)))
      let expected: [Float] = zip(draws, ranks).map { $0 < $1 * Float(slope) + Float(start) ? 1 : 0 }
      #expect(expected.contains(0) && expected.contains(1))
      let again = try bench.stored(expected, shape, .f32)
      for mask in try [graph.binary(.less, draw, line), graph.binary(.greater, line, draw)] {
        expectSame(try bench.compute(mask), expected)
        let y = try bench.stored(noise(count, seed: 8), shape, .f32)
        expectSame(
          try bench.compute(shares(bench, mask, of: y)), try bench.compute(shares(bench, again, of: y)))
        // What wants numbers gets them.
        expectSame(
          try bench.compute(graph.binary(.subtract, mask, y)), zip(expected, noise(count, seed: 8)).map(-))
      }
    }
  }

  /// What multiplies a mask that is kept, and what a mask multiplies: floats, stored bfloat16, numbers, results of
  /// other operations, another mask.
  @Test(arguments: [nil, 1000]) func productsAreThoseOfFloats(_ tile: Int?) throws {
    let bench = Bench(tileSize: tile)
    let graph = bench.graph
    let y = try bench.stored(others, Self.shape, .f32)
    let (b, c) = (try bench.stored(others, Self.shape, .bf16), try bench.stored(values, Self.shape, .bf16))
    let number = try bench.number(-1.5)
    let sum = try graph.reduce(.sum, y, operation: "sum")
    func products(_ mask: NodeID, _ other: NodeID) throws -> [NodeID] {
      var factors = [y, b, number, other, sum]
      for operation in [BinaryOperation.add, .subtract, .multiply, .less] {
        factors += try [
          graph.binary(operation, y, c), graph.binary(operation, b, c), graph.binary(operation, y, sum),
        ]
      }
      return try factors.flatMap {
        try [graph.binary(.multiply, mask, $0), graph.binary(.multiply, $0, mask)]
      }
    }
    let bits = try [0.3, 0.7].enumerated().map { index, part in
      let stream = RandomStream(seed: 3, name: "draw", ordinal: index)
      return try graph.binary(
        .less, graph.random(.uniform, shape: Shape(Self.shape), stream: stream), bench.number(part))
    }
    let floats = try bits.map { try bench.stored(bench.compute($0), Self.shape, .f32) }
    // Two sweeps need the masks, so that the second reads them as bits.
    func twice(_ masks: [NodeID]) throws -> [[Float]] {
      let kept = try graph.reduce(.dot, graph.unary(.abs, y), with: masks[0], operation: "dot")
      let both = try graph.binary(.add, kept, graph.reduce(.sum, masks[1], operation: "sum"))
      return try products(masks[0], masks[1]).map { try bench.compute(graph.binary(.divide, $0, both)) }
    }
    for (found, expected) in zip(try twice(bits), try twice(floats)) { expectSame(found, expected) }
  }

  /// In one sweep, too, where bits are drawn and multiplied, or compared with what cannot take bits.
  @Test func drawsThatAreMultipliedAtOnceAreThoseOfFloats() throws {
    let bench = Bench(tileSize: 1000)
    let graph = bench.graph
    let y = try bench.stored(others, Self.shape, .f32)
    let mask = try graph.binary(.less, draw(bench), bench.number(0.4))
    let bits = try bench.compute(mask)
    #expect(bits.contains(0) && bits.contains(1))
    expectSame(try bench.compute(graph.binary(.multiply, mask, y)), zip(bits, others).map { $0 * $1 })
    let difference = try graph.binary(.subtract, y, bench.number(0.5))
    expectSame(
      try bench.compute(graph.binary(.multiply, difference, mask)), zip(bits, others).map { $0 * ($1 - 0.5) })
    expectSame(
      try bench.compute(graph.select(mask, y, difference)), zip(bits, others).map { $0 != 0 ? $1 : $1 - 0.5 })
    expectSame(
      try bench.compute(graph.binary(.add, mask, graph.binary(.multiply, mask, y))),
      zip(bits, others).map { $0 + $0 * $1 })
    let stored = try bench.stored(bits, Self.shape, .f32)
    for (x, y, expected) in [(y, mask, stored), (mask, y, stored), (mask, mask, stored)] {
      let dot = try graph.reduce(.dot, x, with: y, operation: "dot")
      let same = try graph.reduce(
        .dot, x == mask ? expected : x, with: y == mask ? expected : y, operation: "dot")
      #expect(try bench.value(dot) == bench.value(same))
    }
  }

  /// Memory of a mask that is gone is the next one's.
  @Test func masksBeginWithZeros() throws {
    let bench = Bench(threads: 1, tileSize: 1000)
    let y = try bench.stored(others, Self.shape, .f32)
    let results = try [0.9, 0.1].map { part in
      try shares(bench, bench.graph.binary(.less, draw(bench), bench.number(part)), of: y)
    }
    let evaluator = bench.evaluator()
    for result in results {
      let target = MemorySource(byteCount: 4 * values.count)
      try evaluator.store(result, as: .f32, to: target) { _ in }
      try evaluator.finish()
      expectSame(decode(target.bytes, .f32).map { Float($0) }, try bench.compute(result))
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
