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
  func blocksAreCountedByTheirKeys(_ count: Int) {
    var generator = TestGenerator(state: 31)
    let values = generator.floats(count)
    let keys = values.map(SelectionKey.key)
    var blockKeys = [UInt32](repeating: 0, count: count)
    SelectionKey.keys(values, &blockKeys, count)
    #expect(blockKeys == keys)

    let bounds = SelectionKey.key(-1)...SelectionKey.key(2)
    for bound in [0, bounds.lowerBound, keys.first ?? 1, .max] {
      #expect(SelectionKey.countAbove(bound, keys, count) == keys.count { $0 > bound })
      #expect(SelectionKey.countEqual(bound, keys, count) == keys.count { $0 == bound })
    }
    for bounds in [bounds, 0...(.max), 0...0] {
      var collected = keys
      let length = SelectionKey.collect(bounds, keys, count, into: &collected)
      #expect(collected.prefix(length) == keys.filter(bounds.contains)[...])
    }

    var bins = [UInt32](repeating: 0, count: 1 << 16)
    let shift: UInt32 = 15
    SelectionKey.histogram(bounds, shift: shift, keys, count, into: &bins)
    // Adds to what is there.
    SelectionKey.histogram(bounds, shift: shift, keys, count, into: &bins)
    for bin in bins.indices where bin <= (bounds.upperBound - bounds.lowerBound) >> shift {
      let inBin = SelectionKey.binBounds(bin, of: bounds, shift: shift)
      #expect(Int(bins[bin]) == 2 * keys.count(where: inBin.contains))
    }
    #expect(bins.reduce(0) { $0 + Int($1) } == 2 * keys.count(where: bounds.contains))
  }

  @Test(arguments: [1, 2, 100, 5000])
  func selectsByRank(_ count: Int) {
    var generator = TestGenerator(state: 37)
    let random = generator.floats(count).map(SelectionKey.key)
    let close = random.map { 0x8000_0000 | $0 & 0xf }
    let extremes: [UInt32] = random.map { $0 & 1 == 0 ? 0 : .max }
    for keys in [random, close, extremes] {
      let sorted = keys.sorted(by: >)
      for rank in [1, (count + 1) / 2, count] {
        var disordered = keys
        #expect(SelectionKey.select(rank: rank, from: &disordered, count) == sorted[rank - 1])
      }
    }
  }
}
