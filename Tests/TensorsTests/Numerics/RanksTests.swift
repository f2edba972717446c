import Tensors
import Testing

@Suite struct RanksTests {
  private func ranks(_ values: [Float], by ranking: inout Ranks) -> [Float] {
    var scratch = [UInt64](repeating: .max, count: Ranks.scratchCount(values.count))
    var result = [Float](repeating: 0, count: values.count)
    ranking.rank(values, count: values.count, into: &result, scratch: &scratch)
    return result
  }

  private func ranks(_ values: [Float]) -> [Float] {
    var ranking = Ranks()
    return ranks(values, by: &ranking)
  }

  /// Positions after a stable sort.
  private func expectedRanks(_ values: [Float]) -> [Float] {
    let order = values.indices.sorted {
      (SelectionKey.key(values[$0]), $0) < (SelectionKey.key(values[$1]), $1)
    }
    var expected = [Float](repeating: 0, count: values.count)
    for (position, index) in order.enumerated() { expected[index] = Float(position + 1) }
    return expected
  }

  @Test func ranksOfTiesFollowTheIndex() {
    #expect(ranks([3, 1, 2, 1]) == [4, 1, 3, 2])
    #expect(ranks([0, -0.0, .nan, -1, .infinity, 0]) == [2, 3, 6, 1, 5, 4])
    #expect(ranks([]) == [])
    #expect(ranks([.nan]) == [1])
  }

  private static let kinds = [
    "mixed", "equal", "NaN", "bfloat16", "differences", "normal", "descending", "few", "zeros", "outliers",
    "infinite", "widest", "subnormal", "nearly equal", "narrow", "narrow but one",
  ]

  private func row(_ kind: String, _ count: Int, _ generator: inout TestGenerator) -> [Float] {
    func bfloat16(_ value: Float) -> Float { Float(bitPattern: value.bitPattern & 0xffff_0000) }
    func random(_ value: (Float, Float) -> Float) -> [Float] {
      (0..<count).map { _ in
        value(.random(in: -1...1, using: &generator), .random(in: -1...1, using: &generator))
      }
    }
    switch kind {
    case "mixed": return generator.floats(count)
    case "equal": return [Float](repeating: -2.5, count: count)
    case "NaN": return (0..<count).map { $0 % 3 == 0 ? -.nan : .nan }
    case "bfloat16": return generator.floats(count).map(bfloat16)
    case "differences": return random { bfloat16(bfloat16($0) + $1 / 64) - bfloat16($0) }.map(\.magnitude)
    case "normal": return random { $0 * $0 * $1 }
    case "descending": return (0..<count).map { Float(-$0) }
    case "few": return random { x, _ in (x * 1.4).rounded() }
    case "zeros": return random { x, y in x < 0.9 ? (y < 0 ? -0.0 : 0) : y }
    case "outliers": return random { x, y in x > 0.99 ? y * 1000 : y }
    case "infinite": return random { x, y in x > 0.99 ? .infinity : y }
    case "widest": return random { x, y in x > 0.9 ? Float.greatestFiniteMagnitude * (y < 0 ? -1 : 1) : y }
    case "subnormal": return random { x, _ in x * 0x1p-140 }
    case "narrow": return random { x, _ in 3 + x * 0x1p-12 }
    case "narrow but one":
      return random { x, _ in 3 + x * 0x1p-12 }.enumerated().map { $0.offset == 7 ? 0 : $0.element }
    default: return random { x, _ in 1 + x * 0x1p-20 }
    }
  }

  @Test(arguments: [2, 40, 41, 100, 1000, 2048, 5000, 14_336], kinds)
  func ranksAreThePositionsAfterAStableSort(_ count: Int, _ kind: String) {
    var generator = TestGenerator(state: UInt64(count))
    let values = row(kind, count, &generator)
    #expect(ranks(values) == expectedRanks(values))
  }

  /// Around the greatest count of which indices and counts have 16 bits.
  @Test(arguments: [65_535, 65_536, 65_537], ["equal", "differences", "few", "normal"])
  func longRowsAreRankedAlike(_ count: Int, _ kind: String) {
    var generator = TestGenerator(state: UInt64(count))
    let values = row(kind, count, &generator)
    #expect(ranks(values) == expectedRanks(values))
  }

  /// A ranking begins with the way that suited the rows before: that changes time only.
  @Test func ranksDoNotDependOnTheRowsBefore() {
    var generator = TestGenerator(state: 1)
    var ranking = Ranks()
    for _ in 0..<6 {
      for kind in Self.kinds.shuffled(using: &generator) {
        let values = row(kind, 700, &generator)
        #expect(ranks(values, by: &ranking) == expectedRanks(values), "\(kind)")
      }
    }
  }
}
