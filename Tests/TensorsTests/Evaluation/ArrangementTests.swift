import Tensors
import TestSupport
import Testing

/// A tensor as a plain list of elements: what the engine's index maps are checked against.
private struct PlainTensor {
  var elements: [Float]
  var shape: [Int]

  /// The element at a position along each dimension.
  subscript(_ position: [Int]) -> Float {
    elements[zip(position, shape).reduce(0) { $0 * $1.1 + $1.0 }]
  }

  /// The tensor of a shape whose elements `element` gives by their positions.
  init(_ shape: [Int], _ element: ([Int]) -> Float) {
    self.shape = shape
    elements = (0..<shape.reduce(1, *)).map { index in
      var rest = index
      var position = [Int](repeating: 0, count: shape.count)
      for dimension in shape.indices.reversed() {
        position[dimension] = rest % shape[dimension]
        rest /= shape[dimension]
      }
      return element(position)
    }
  }

  func arranged(_ shape: [Int], _ source: ([Int]) -> [Int]) -> PlainTensor {
    PlainTensor(shape) { self[source($0)] }
  }
}

/// An expression beside what it should be, grown at random.
private struct Arrangement {
  let bench: Bench
  var generator: TestGenerator
  var node: NodeID
  var plain: PlainTensor
  var history = ""

  mutating func grow() throws {
    let graph = bench.graph
    let old = plain
    let rank = old.shape.count
    let dimension = rank > 0 ? Int.random(in: 0..<rank, using: &generator) : 0
    let size = rank > 0 ? old.shape[dimension] : 0
    let next: NodeID
    switch Int.random(in: rank > 0 ? 0...8 : 6...7, using: &generator) {
    case 0:
      let start = Int.random(in: 0...size, using: &generator)
      let length = Int.random(in: min(1, size - start)...size - start, using: &generator)
      history += " narrow(\(dimension), \(start), \(length))"
      next = try graph.narrow(node, dimension: dimension, start: start, length: length)
      var shape = old.shape
      shape[dimension] = length
      plain = old.arranged(shape) { position in
        var position = position
        position[dimension] += start
        return position
      }
    case 1, 2:
      let other = Int.random(in: 0..<rank, using: &generator)
      history += " transpose(\(dimension), \(other))"
      next = try graph.transpose(node, dimension, other)
      var shape = old.shape
      shape.swapAt(dimension, other)
      plain = old.arranged(shape) { position in
        var position = position
        position.swapAt(dimension, other)
        return position
      }
    case 3:
      // Broadcasting stretches a dimension of size one, or adds one in front.
      let times = Int.random(in: 1...5, using: &generator)
      var shape = old.shape
      if shape[dimension] == 1 { shape[dimension] = times } else { shape.insert(times, at: 0) }
      history += " broadcast\(shape)"
      let zeros = try graph.filled(Shape(shape), with: 0)
      defer { graph.release(zeros) }
      next = try graph.binary(.add, node, zeros)
      let missing = shape.count - rank
      plain = old.arranged(shape) { position in
        zip(position.dropFirst(missing), old.shape).map { $1 == 1 ? 0 : $0 }
      }
    case 4:
      let indices = (0..<Int.random(in: 0...4, using: &generator)).map { _ in
        size > 0 ? Int.random(in: 0..<size, using: &generator) : 0
      }
      guard size > 0 else { return }
      history += " gather(\(dimension), \(indices))"
      next = try graph.gather(node, dimension: dimension, indices: indices)
      var shape = old.shape
      shape[dimension] = indices.count
      plain = old.arranged(shape) { position in
        var position = position
        position[dimension] = indices[position[dimension]]
        return position
      }
    case 5:
      history += " cat(\(dimension))"
      let negated = try graph.unary(.negate, node)
      defer { graph.release(negated) }
      next = try graph.concatenate([node, negated], dimension: dimension)
      var shape = old.shape
      shape[dimension] *= 2
      plain = PlainTensor(shape) { position in
        var position = position
        let isSecond = position[dimension] >= size
        if isSecond { position[dimension] -= size }
        return isSecond ? -old[position] : old[position]
      }
    case 6:
      // The same count in other sizes.
      var rest = old.elements.count
      var shape: [Int] = []
      for divisor in [2, 3, 5, 2, 3] where rest > 0 && rest % divisor == 0 && Bool.random(using: &generator) {
        shape.append(divisor)
        rest /= divisor
      }
      shape.insert(rest, at: Int.random(in: 0...shape.count, using: &generator))
      history += " reshape\(shape)"
      next = try graph.reshape(node, shape)
      plain.shape = shape
    case 7:
      history += " + 1"
      let one = try bench.number(1)
      defer { graph.release(one) }
      next = try graph.binary(.add, node, one)
      plain.elements = old.elements.map { $0 + 1 }
    default:
      guard size > 0, size < 50 else { return }
      history += " rank(\(dimension))"
      next = try graph.ranks(node, dimension: dimension)
      plain = PlainTensor(old.shape) { position in
        var other = position
        return Float(
          1
            + (0..<size).count { index in
              other[dimension] = index
              return old[other] < old[position]
                || (old[other] == old[position] && index < position[dimension])
            })
      }
    }
    graph.release(node)
    node = next
  }
}

@Suite struct ArrangementTests {
  /// Random nests of everything that moves elements, against moving them one by one.
  @Test(arguments: 0..<400)
  func nestsMoveElementsAsOneByOne(_ seed: Int) throws {
    let bench = Bench(threads: 1 + seed % 3, tileSize: [nil, 1, 7, 64][seed % 4])
    var generator = TestGenerator(state: UInt64(seed))
    let shape = [[30], [4, 6], [3, 4, 5], [2, 3, 1, 4], [5, 12], [1]][seed % 6]
    let count = shape.reduce(1, *)
    let elements = noise(count, seed: UInt64(seed + 1))
    let depth = Int.random(in: 1...9, using: &generator)
    var nest = Arrangement(
      bench: bench, generator: generator, node: try bench.tensor(elements, shape),
      plain: PlainTensor(shape) { position in elements[zip(position, shape).reduce(0) { $0 * $1.1 + $1.0 }] })
    for _ in 0..<depth where nest.plain.elements.count <= 4000 { try nest.grow() }
    #expect(bench.graph.shape(of: nest.node).dimensions == nest.plain.shape, "\(shape)\(nest.history)")
    withEvery("nest", in: ["\(shape)\(nest.history)"]) { _ in
      expectSame(try bench.compute(nest.node), nest.plain.elements)
    }
    bench.graph.release(nest.node)
    #expect(bench.graph.liveCount == 0)
  }

  @Test(arguments: [nil, 7, 1000])
  func transposesOfLargeTensorsReadRuns(tile: Int?) throws {
    let bench = Bench(tileSize: tile)
    let elements = noise(300 * 257)
    let source = RecordingSource(encode(elements, .bf16))
    let x = try bench.stored(source, [300, 257], .bf16)
    let turned = try bench.compute(bench.graph.transpose(x, 0, 1))
    let stored = decode(encode(elements, .bf16), .bf16).map { Float($0) }
    expectSame(turned, (0..<257).flatMap { column in (0..<300).map { stored[$0 * 257 + column] } })
  }

  @Test(arguments: [nil, 64])
  func piecesOfManyTensors(tile: Int?) throws {
    let bench = Bench(tileSize: tile)
    let parts = try (0..<300).map { try bench.tensor([Float($0), Float(-$0)], [1, 2]) }
    expectSame(
      try bench.compute(bench.graph.concatenate(parts, dimension: 0)),
      (0..<300).flatMap { [Float($0), Float(-$0)] })
    let wide = try bench.graph.concatenate(parts, dimension: 1)
    expectSame(try bench.compute(wide), (0..<300).flatMap { [Float($0), Float(-$0)] })
    let part = try bench.graph.narrow(wide, dimension: 1, start: 401, length: 2)
    expectSame(try bench.compute(part), [-200, 201])
  }

  /// Each tile needs other pieces than the one before.
  @Test(arguments: [2, 16, 17, 40], [nil, 6, 64])
  func rowsGatheredFromManyTensors(pieces: Int, tile: Int?) throws {
    let bench = Bench(tileSize: tile)
    let parts = try (0..<pieces).map { piece in
      try bench.stored((0..<10).map { Float(piece * 10 + $0) }, [5, 2], .bf16)
    }
    let rows = (0..<pieces * 10).map { $0 * 7919 % (pieces * 5) }
    let gathered = try bench.graph.gather(
      bench.graph.concatenate(parts, dimension: 0), dimension: 0, indices: rows)
    let stored = decode(encode((0..<pieces * 10).map { Float($0) }, .bf16), .bf16).map { Float($0) }
    expectSame(try bench.compute(gathered), rows.flatMap { [stored[2 * $0], stored[2 * $0 + 1]] })
  }

  @Test func vectorsOfResultsAreViewedLikeTensors() throws {
    let bench = Bench()
    let graph = bench.graph
    let x = try bench.tensor([1, 2, 3, 4, 5, 6], [2, 3])
    let sums = try graph.reduce(.sum, x, dimension: 0, operation: "sum")
    expectSame(try bench.compute(graph.transpose(sums, 0, 1)), [5, 7, 9])
    let last = try graph.narrow(sums, dimension: 1, start: 2, length: 1)
    #expect(try bench.value(last) == 9)
    let number = try graph.reshape(last, [])
    #expect(graph.isScalar(number))
    #expect(try bench.value(number) == 9)
    let list = try graph.reshape(bench.lazyNumber(0.25), [1, 1])
    #expect(try bench.value(list) == 0.25)
    expectSame(try bench.compute(graph.concatenate([sums, sums], dimension: 1)), [5, 7, 9, 5, 7, 9])
    expectSame(try bench.compute(graph.gather(sums, dimension: 1, indices: [2, 2, 0])), [9, 9, 5])
    // Arithmetic among results stays in float64, and meets tensors as float32.
    let thirds = try graph.binary(.divide, sums, bench.number(3))
    #expect(decode(try bench.bytes(thirds, as: .f64), .f64) == [5.0 / 3, 7.0 / 3, 3])
    expectSame(try bench.compute(graph.binary(.multiply, x, thirds))[..<1].map { $0 }, [Float(5.0 / 3)])
  }
}
