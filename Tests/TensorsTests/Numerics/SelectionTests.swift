import Tensors
import Testing

@Suite struct SelectionTests {
  @Test func keysAreInTheOrderOfValues() {
    var generator = TestGenerator(state: 23)
    let values: [Float] = [
      -.infinity, -.greatestFiniteMagnitude, -1, -0x1p-126, -0x1p-149, 0, 0x1p-149, 1, .infinity, .nan,
    ]
    let keys = values.map(SelectionKey.key)
    #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 })
    #expect(SelectionKey.key(-0.0) == SelectionKey.key(0))
    for bits: UInt32 in [0x7f80_0001, 0x7fff_ffff, 0xffc0_0000, 0xff80_0001] {
      #expect(SelectionKey.key(Float(bitPattern: bits)) == .max)
    }
    let random = generator.floats(400)
    for a in random {
      for b in random.prefix(50) where !a.isNaN && !b.isNaN {
        #expect((SelectionKey.key(a) < SelectionKey.key(b)) == (a < b))
      }
    }
  }

  @Test func valueIsTheInverseOfKey() {
    var generator = TestGenerator(state: 29)
    for value in generator.floats(1000) {
      #expect(isSame(SelectionKey.value(SelectionKey.key(value)), value == 0 ? 0 : value))
    }
  }

  @Test(arguments: [0, 1, 255, 256, 257, 1000])
  func histogramsCountTheHalvesOfKeys(_ count: Int) {
    var generator = TestGenerator(state: 31)
    let values = generator.floats(count)
    let keys = values.map(SelectionKey.key)
    var blockKeys = [UInt32](repeating: 0, count: count)
    SelectionKey.keys(values, &blockKeys, count)
    #expect(blockKeys == keys)

    var high = [UInt32](repeating: 0, count: SelectionKey.binCount)
    SelectionKey.histogramHigh(values, count, into: &high)
    // Adds to what is there.
    SelectionKey.histogramHigh(values, count, into: &high)
    var expectedHigh = high.map { _ in UInt32(0) }
    for key in keys { expectedHigh[Int(key >> 16)] += 2 }
    #expect(high == expectedHigh)

    let prefix = SelectionKey.key(1) >> 16
    var low = [UInt32](repeating: 0, count: SelectionKey.binCount)
    SelectionKey.histogramLow(values, count, prefix: prefix, into: &low)
    var expectedLow = low.map { _ in UInt32(0) }
    for key in keys where key >> 16 == prefix { expectedLow[Int(key & 0xffff)] += 1 }
    #expect(low == expectedLow)
  }

  private func ranks(_ values: [Float]) -> [Float] {
    var scratch = [UInt64](repeating: 0, count: Ranks.scratchCount(values.count))
    var result = [Float](repeating: 0, count: values.count)
    Ranks.ranks(of: values, count: values.count, into: &result, scratch: &scratch)
    return result
  }

  @Test func ranksOfTiesFollowTheIndex() {
    #expect(ranks([3, 1, 2, 1]) == [4, 1, 3, 2])
    #expect(ranks([0, -0.0, .nan, -1, .infinity, 0]) == [2, 3, 6, 1, 5, 4])
    #expect(ranks([]) == [])
    #expect(ranks([.nan]) == [1])
  }

  @Test(arguments: [2, 40, 41, 100, 1000, 5000], ["mixed", "equal", "bfloat16", "descending", "few"])
  func ranksAreThePositionsAfterAStableSort(_ count: Int, _ kind: String) {
    var generator = TestGenerator(state: UInt64(count))
    let values: [Float] =
      switch kind {
      case "mixed": generator.floats(count)
      case "equal": [Float](repeating: -2.5, count: count)
      case "bfloat16": generator.floats(count).map { Float(bitPattern: $0.bitPattern & 0xffff_0000) }
      case "descending": (0..<count).map { Float(-$0) }
      default: (0..<count).map { _ in Float(Int.random(in: 0...2, using: &generator)) }
      }
    let order = values.indices.sorted {
      (SelectionKey.key(values[$0]), $0) < (SelectionKey.key(values[$1]), $1)
    }
    var expected = [Float](repeating: 0, count: count)
    for (position, index) in order.enumerated() { expected[index] = Float(position + 1) }
    #expect(ranks(values) == expected)
  }

  @Test func ranksReplaceTheirInput() {
    var values = (0..<100).map { Float(($0 * 37) % 100) }
    let expected = values.map { $0 + 1 }
    var scratch = [UInt64](repeating: 0, count: Ranks.scratchCount(100))
    values.withUnsafeMutableBufferPointer {
      Ranks.ranks(of: $0.baseAddress!, count: 100, into: $0.baseAddress!, scratch: &scratch)
    }
    #expect(values == expected)
  }
}
