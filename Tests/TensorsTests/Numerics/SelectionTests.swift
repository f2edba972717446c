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
}
