import Tensors
import TestSupport
import Testing

/// Blocks of three elements: a scale, and three signed bytes.
private struct TestDecoder: BlockDecoder {
  let elementsPerBlock = 3
  let bytesPerBlock = 4

  func decode(_ blocks: UnsafeRawBufferPointer, into elements: UnsafeMutableBufferPointer<Float>) {
    for block in 0..<blocks.count / 4 {
      for i in 0..<3 {
        elements[3 * block + i] =
          Float(blocks[4 * block]) * Float(Int8(bitPattern: blocks[4 * block + 1 + i]))
      }
    }
  }
}

@Suite struct DecodedSourceTests {
  private let count = 100
  private let source: BlockDecodedSource<TestDecoder>
  private let expected: [Float]

  init() {
    let bytes = (0..<34 * 4).map { UInt8(truncatingIfNeeded: 37 * $0 + 11) }
    source = BlockDecodedSource(MemorySource(bytes), count: count, decoder: TestDecoder())
    expected = (0..<100).map { i -> Float in
      let block = i / 3 * 4
      let scale = Float(bytes[block])
      return scale * Float(Int8(bitPattern: bytes[block + 1 + i % 3]))
    }
  }

  /// The bytes that reading a range gives, and those that a plain tensor has there.
  private func bytes(_ range: Range<Int>) throws -> (found: [UInt8], expected: [UInt8]) {
    var found = [UInt8](repeating: 0, count: range.count)
    try found.withUnsafeMutableBytes { try source.read(into: $0, at: range.lowerBound) }
    return (found, expected.withUnsafeBytes { Array($0[range]) })
  }

  @Test func anyRangeOfBytes() throws {
    #expect(source.byteCount == 400)
    for range in [0..<400, 0..<12, 12..<24, 4..<8, 8..<20, 1..<2, 3..<399, 398..<400, 7..<7, 396..<400] {
      let (found, expected) = try bytes(range)
      #expect(found == expected, "\(range)")
    }
  }

  @Test(arguments: [1, 7, 64, 4096])
  func expressionsReadTiles(tileSize: Int) throws {
    let bench = Bench(tileSize: tileSize)
    let leaf = try bench.stored(source, [10, 10], .f32)
    let sum = try bench.graph.binary(.add, leaf, bench.graph.transpose(leaf, 0, 1))
    let bytes = try bench.bytes(sum, as: .f32)
    let found = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let sums = (0..<count).map { i -> Float in
      let (row, column) = (i / 10, i % 10)
      return expected[i] + expected[column * 10 + row]
    }
    #expect(found == sums)
    // A copy reads bytes, and not elements.
    let copy = try bench.bytes(leaf, as: .f32)
    #expect(copy == expected.withUnsafeBytes { Array($0) })
  }
}
