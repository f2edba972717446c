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

  @Test func ranksOfTiesFollowTheIndex() {
    #expect(ranks([3, 1, 2, 1]) == [4, 1, 3, 2])
    #expect(ranks([0, -0.0, .nan, -1, .infinity, 0]) == [2, 3, 6, 1, 5, 4])
    #expect(ranks([]) == [])
    #expect(ranks([.nan]) == [1])
  }

  @Test(arguments: [2, 40, 41, 100, 1000, 2048, 5000, 14_336], RankedRows.kinds)
  func ranksAreThePositionsAfterAStableSort(_ count: Int, _ kind: String) {
    var generator = TestGenerator(state: UInt64(count))
    let values = RankedRows.row(kind, count, &generator)
    #expect(ranks(values) == RankedRows.ranks(values))
  }

  /// Around the greatest count of which indices and counts have 16 bits.
  @Test(arguments: [65_535, 65_536, 65_537], ["equal", "differences", "few", "normal"])
  func longRowsAreRankedAlike(_ count: Int, _ kind: String) {
    var generator = TestGenerator(state: UInt64(count))
    let values = RankedRows.row(kind, count, &generator)
    #expect(ranks(values) == RankedRows.ranks(values))
  }

  /// A ranking begins with the way that suited the rows before: that changes time only.
  @Test func ranksDoNotDependOnTheRowsBefore() {
    var generator = TestGenerator(state: 1)
    var ranking = Ranks()
    for _ in 0..<6 {
      for kind in RankedRows.kinds.shuffled(using: &generator) {
        let values = RankedRows.row(kind, 700, &generator)
        #expect(ranks(values, by: &ranking) == RankedRows.ranks(values), "\(kind)")
      }
    }
  }
}
