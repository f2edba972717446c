import Tensors
import Testing

@Suite struct RankThresholdsTests {
  /// Whether each number is below the threshold of its value's rank; the row is compared in parts.
  private func compare(
    _ numbers: [Float], _ values: [Float], by thresholds: RankThresholds, parts: Int, from place: Int = 0
  ) -> [Bool] {
    var words = [UInt64](repeating: 0, count: (place + numbers.count) / 64 + 2)
    values.withUnsafeBufferPointer { values in
      thresholds.begin(row: values.baseAddress!)
      for start in stride(from: 0, to: numbers.count, by: parts) {
        numbers[start...].withUnsafeBufferPointer {
          thresholds.compare(
            $0.baseAddress!, first: start, count: min(parts, numbers.count - start), into: &words,
            place: place + start)
        }
      }
    }
    let bits = (0..<64 * words.count).map { words[$0 / 64] >> UInt64($0 % 64) & 1 != 0 }
    #expect(!bits[..<place].contains(true) && !bits[(place + numbers.count)...].contains(true))
    return Array(bits[place..<(place + numbers.count)])
  }

  private func expected(_ numbers: [Float], _ values: [Float], _ factor: Float, _ addend: Float) -> [Bool] {
    zip(numbers, RankedRows.ranks(values)).map { $0 < $1 * factor + addend }
  }

  @Test(arguments: [1, 2, 40, 41, 100, 1000, 2048, 5003, 65_535, 65_536], RankedRows.kinds)
  func comparisonsAreThoseWithRanks(_ count: Int, _ kind: String) {
    var generator = TestGenerator(state: UInt64(count))
    let values = RankedRows.row(kind, count, &generator)
    let numbers = (0..<count).map { _ in Float.random(in: 0..<1, using: &generator) }
    // Of all numbers, of few, and of none the rank decides.
    for (factor, addend) in [(1 / Float(count), 0), (-0.3 / Float(count), 0.65), (0, 0.5)] as [(Float, Float)]
    {
      let thresholds = RankThresholds(count: count, factor: factor, addend: addend)
      #expect(
        compare(numbers, values, by: thresholds, parts: count) == expected(numbers, values, factor, addend))
    }
  }

  @Test(arguments: [1, 16, 37, 512], [0, 16, 61])
  func rowsAreComparedInParts(_ parts: Int, _ place: Int) {
    var generator = TestGenerator(state: 1)
    for kind in ["differences", "few", "normal", "outliers"] {
      let values = RankedRows.row(kind, 1100, &generator)
      let numbers = (0..<1100).map { _ in Float.random(in: 0..<1, using: &generator) }
      let thresholds = RankThresholds(count: 1100, factor: 1 / 1100, addend: 0.1)
      #expect(
        compare(numbers, values, by: thresholds, parts: parts, from: place)
          == expected(numbers, values, 1 / 1100, 0.1), "\(kind)")
    }
  }

  /// Whether rows are counted or ranked depends on those before: that changes time only.
  @Test func comparisonsDoNotDependOnTheRowsBefore() {
    var generator = TestGenerator(state: 2)
    let thresholds = RankThresholds(count: 700, factor: 1 / 700, addend: 0)
    for _ in 0..<6 {
      for kind in RankedRows.kinds.shuffled(using: &generator) {
        let values = RankedRows.row(kind, 700, &generator)
        let numbers = (0..<700).map { _ in Float.random(in: 0..<1, using: &generator) }
        #expect(
          compare(numbers, values, by: thresholds, parts: 256) == expected(numbers, values, 1 / 700, 0),
          "\(kind)")
      }
    }
  }
}
