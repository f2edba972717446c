import Tensors
import Testing

@Suite struct RandomStreamTests {
  /// kat_vectors of Random123 (https://github.com/DEShawResearch/random123).
  @Test func philoxGivesTheKnownAnswers() {
    let ones = UInt32.max
    #expect(
      Philox.block(counter: (0, 0, 0, 0), key: (0, 0)) == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
    )
    #expect(
      Philox.block(counter: (ones, ones, ones, ones), key: (ones, ones))
        == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      Philox.block(
        counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: (0xa409_3822, 0x299f_31d0))
        == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  /// The vectors of SipHash's reference implementation: bytes 0, 1, 2, … under the key 0, 1, … 15.
  @Test(arguments: [(0, 0x726f_db47_dd0e_0e31), (8, 0x93f5_f579_9a93_2462), (15, 0xa129_ca61_49be_45e5)])
  func sipHashGivesTheKnownAnswers(_ count: UInt8, _ answer: UInt64) {
    let key: (UInt64, UInt64) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
    #expect(SipHash.hash(0..<count, key: key) == answer)
  }

  /// The layout of streams never changes: an independent implementation gives the same numbers.
  @Test func elementsAgreeWithTheFixture() throws {
    let rows = try NumericFixture.rows("random", of: Double.self)
    let stream = RandomStream(seed: 12_345_678_901_234_567_890, name: "model.layers.0.weight", ordinal: 3)
    for (index, row) in rows.enumerated() {
      #expect(Double(stream.uniform(at: 4096 + index)) == row[0])
      #expect(abs(Double(stream.normal(at: 4096 + index)) - row[1]) < 2e-6)
    }
  }

  /// Whole blocks come from loops compiled for several processors, of which this one takes the widest that it
  /// can; single elements come from the plain form.
  @Test func anyCutGivesTheSameBits() {
    let stream = RandomStream(seed: 7, name: "w", ordinal: 0)
    let count = 1500
    for start in [0, 2, (1 << 34) + 1, (1 << 34) - 700] {
      var whole = [Float](repeating: 0, count: count)
      var wholeNormal = whole
      stream.fillUniform(&whole, start: start, count: count)
      stream.fillNormal(&wholeNormal, start: start, count: count)
      #expect(whole.indices.allSatisfy { whole[$0] == stream.uniform(at: start + $0) })
      #expect(whole.indices.allSatisfy { wholeNormal[$0] == stream.normal(at: start + $0) })
      for run in [1, 2, 3, 5, 64, 255, 256, 257, 701] {
        var parts = [Float](repeating: 9, count: count + 1)
        var normalParts = parts
        for first in stride(from: 0, to: count, by: run) {
          let length = min(run, count - first)
          parts.withUnsafeMutableBufferPointer {
            stream.fillUniform($0.baseAddress! + first, start: start + first, count: length)
            // Nothing beyond the run is touched.
            #expect($0[first + length] == 9)
          }
          normalParts.withUnsafeMutableBufferPointer {
            stream.fillNormal($0.baseAddress! + first, start: start + first, count: length)
            #expect($0[first + length] == 9)
          }
        }
        #expect(parts.dropLast() == whole[...])
        #expect(normalParts.dropLast() == wholeNormal[...])
      }
    }
  }

  /// A draw is below a bound as its float is, wherever a run begins and ends.
  @Test(arguments: [0, 4, 6, (1 << 34) - 400])
  func bitsSayWhichElementsAreBelow(_ start: Int) {
    let stream = RandomStream(seed: 9, name: "w", ordinal: 1)
    for count in [1, 63, 64, 65, 191, 192, 193, 1344, 2003] {
      var numbers = [Float](repeating: 0, count: count)
      stream.fillUniform(&numbers, start: start, count: count)
      let drawn = numbers[count / 2]
      for bound in [0.5, drawn, drawn.nextUp, 0, -1, 1, 1.5, 0.9999999, .infinity, .nan] as [Float] {
        var words = [UInt64](repeating: 0, count: (count + 63) / 64 + 1)
        stream.fillBits(&words, below: bound, start: start, count: count)
        #expect(
          numbers.indices.allSatisfy { (words[$0 / 64] >> UInt64($0 % 64) & 1 == 1) == (numbers[$0] < bound) }
        )
        // Nothing beyond the last word is touched.
        #expect(words[(count + 63) / 64] == 0)
      }
    }
  }

  @Test func seedNameAndOrdinalEachChangeTheStream() {
    let streams = [
      RandomStream(seed: 0, name: "a", ordinal: 0), RandomStream(seed: 1, name: "a", ordinal: 0),
      RandomStream(seed: 1 << 32, name: "a", ordinal: 0), RandomStream(seed: 0, name: "b", ordinal: 0),
      RandomStream(seed: 0, name: "a", ordinal: 1), RandomStream(seed: 0, name: "", ordinal: 0),
      RandomStream(seed: 0, name: "a\0", ordinal: 0),
    ]
    let firsts = streams.map { stream in (0..<8).map { stream.uniform(at: $0) } }
    #expect(Set(firsts).count == streams.count)
    #expect(RandomStream(seed: 0, name: "a", ordinal: 0).uniform(at: 5) == firsts[0][5])
  }

  @Test func uniformNumbersAreUniform() {
    let count = 1 << 18
    var values = [Float](repeating: 0, count: count)
    RandomStream(seed: 1, name: "uniform", ordinal: 0).fillUniform(&values, start: 0, count: count)
    #expect(values.allSatisfy { $0 >= 0 && $0 < 1 && ($0 * 0x1p24).rounded() == $0 * 0x1p24 })
    var bins = [Int](repeating: 0, count: 64)
    for value in values { bins[Int(value * 64)] += 1 }
    let expected = Double(count / 64)
    let chiSquare = bins.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    // 63 degrees of freedom: one seed in a thousand lies above 104.
    #expect(chiSquare < 104)
    #expect(abs(correlation(values.map { Double($0) - 0.5 })) < 0.01)
  }

  @Test func normalNumbersHaveNormalMoments() {
    let count = 1 << 18
    var floats = [Float](repeating: 0, count: count)
    RandomStream(seed: 1, name: "normal", ordinal: 0).fillNormal(&floats, start: 0, count: count)
    let values = floats.map(Double.init)
    func moment(_ power: Double) -> Double {
      values.reduce(0) { $0 + ElementaryFunctions.pow($1, power) } / Double(count)
    }
    // Five standard errors each.
    #expect(abs(moment(1)) < 0.01)
    #expect(abs(moment(2) - 1) < 0.014)
    #expect(abs(moment(3)) < 0.038)
    #expect(abs(moment(4) - 3) < 0.096)
    #expect(abs(correlation(values)) < 0.01)
    let inside = Double(values.count { abs($0) < 1 }) / Double(count)
    #expect(abs(inside - 0.682689) < 0.005)
  }

  /// Of neighbours, relative to the variance; mean 0.
  private func correlation(_ values: [Double]) -> Double {
    zip(values, values.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / values.reduce(0) { $0 + $1 * $1 }
  }
}
