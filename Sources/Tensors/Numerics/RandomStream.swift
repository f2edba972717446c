/// An endless sequence of random numbers in which each element is a function of its index alone, so that
/// any part can be computed anywhere, in any order.
///
/// Element i comes from word i % 4 of Philox block i / 4. The key is the seed, the counter's upper half a
/// hash of name and ordinal, its lower half the block's number. This layout is part of what seeded
/// results depend on and must never change.
package struct RandomStream: Sendable, Hashable {
  private let seed: UInt64
  private let stream: UInt64

  /// The stream of the draw `ordinal` (0, 1, …) for what `name` names.
  package init(seed: UInt64, name: String, ordinal: Int) {
    self.seed = seed
    let number = UInt64(bitPattern: Int64(ordinal))
    // A suffix of fixed length keeps names and ordinals apart.
    let suffix = (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    // The letters of "mergekitPhilox v", little-endian.
    stream = SipHash.hash(
      Array(name.utf8) + suffix, key: (0x7469_6b65_6772_656d, 0x7620_786f_6c69_6850))
  }

  /// Fills `destination` with elements `start ..< start + count`: uniform in [0, 1), multiples of 2^-24.
  package func fillUniform(_ destination: UnsafeMutablePointer<Float>, start: Int, count: Int) {
    fill(destination, start: start, count: count) { words, blocks in
      for index in 0..<blocks &* 4 { words[index] = Self.unit(words[index]).bitPattern }
    }
  }

  /// Fills `destination` with elements `start ..< start + count`: normal, mean 0, variance 1, at most 6.7
  /// in magnitude.
  ///
  /// Box and Muller, "A note on the generation of random normal deviates" (1958), over the pairs of
  /// elements 2j and 2j + 1.
  package func fillNormal(_ destination: UnsafeMutablePointer<Float>, start: Int, count: Int) {
    fill(destination, start: start, count: count) { words, blocks in
      Self.replaceByNormalPairs(words, words + blocks, blocks)
      Self.replaceByNormalPairs(words + 2 &* blocks, words + 3 &* blocks, blocks)
    }
  }

  /// Element `index` of `fillUniform`.
  package func uniform(at index: Int) -> Float {
    let (first, second) = pair(at: index)
    return Self.unit(index & 1 == 0 ? first : second)
  }

  /// Element `index` of `fillNormal`.
  package func normal(at index: Int) -> Float {
    let (first, second) = pair(at: index)
    let values = Self.normalPair(first, second)
    return index & 1 == 0 ? values.0 : values.1
  }

  /// The words of elements 2j and 2j + 1, one of which is `index`.
  @inline(__always)
  private func pair(at index: Int) -> (UInt32, UInt32) {
    let block = UInt64(bitPattern: Int64(index)) &>> 2
    let (a, b, c, d) = Philox.wideBlock(block, block &>> 32, stream, stream &>> 32, key: key)
    let pair = index & 2 == 0 ? (a, b) : (c, d)
    return (UInt32(truncatingIfNeeded: pair.0), UInt32(truncatingIfNeeded: pair.1))
  }

  private var key: (UInt32, UInt32) {
    (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed &>> 32))
  }

  /// Philox blocks at a time: scratch of 1 KiB, which stays on the stack.
  private static let chunk = 64

  /// Computes the blocks of words that cover the range; `convert` turns `blocks` first words, then as many
  /// second, third and fourth words in place into the bit patterns of Floats.
  @inline(__always)
  private func fill(
    _ destination: UnsafeMutablePointer<Float>, start: Int, count: Int,
    _ convert: (_ words: UnsafeMutablePointer<UInt32>, _ blocks: Int) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4 &* Self.chunk) { scratch in
      let words = scratch.baseAddress.unsafelyUnwrapped
      var position = start
      let end = start &+ count
      while position < end {
        let block = position &>> 2
        let last = min((end &- 1) &>> 2, block &+ Self.chunk &- 1)
        let blocks = last &- block &+ 1
        computeWords(words, firstBlock: UInt64(bitPattern: Int64(block)), blocks)
        convert(words, blocks)
        let stop = min(end, (last &+ 1) &<< 2)
        Self.interleave(words, blocks, destination + (position &- start), position & 3, stop &- position)
        position = stop
      }
    }
  }

  @inline(__always)
  private func computeWords(_ words: UnsafeMutablePointer<UInt32>, firstBlock: UInt64, _ blocks: Int) {
    let (key, stream) = (key, stream)
    for index in 0..<blocks {
      let block = firstBlock &+ UInt64(truncatingIfNeeded: index)
      let (a, b, c, d) = Philox.wideBlock(block, block &>> 32, stream, stream &>> 32, key: key)
      words[index] = UInt32(truncatingIfNeeded: a)
      words[index &+ blocks] = UInt32(truncatingIfNeeded: b)
      words[index &+ 2 &* blocks] = UInt32(truncatingIfNeeded: c)
      words[index &+ 3 &* blocks] = UInt32(truncatingIfNeeded: d)
    }
  }

  /// Writes elements `skip ..< skip + count` of the blocks, whose words are kept by lane.
  @inline(__always)
  private static func interleave(
    _ words: UnsafeMutablePointer<UInt32>, _ blocks: Int, _ destination: UnsafeMutablePointer<Float>,
    _ skip: Int, _ count: Int
  ) {
    @inline(__always)
    func element(_ lane: Int, _ block: Int) -> Float { Float(bitPattern: words[lane &* blocks &+ block]) }
    var written = 0
    var first = 0
    if skip != 0 || count < 4 {
      while written < count && skip &+ written < 4 {
        destination[written] = element(skip &+ written, 0)
        written &+= 1
      }
      first = 1
    }
    let whole = (count &- written) &>> 2
    let target = destination + written
    for index in 0..<whole {
      target[4 &* index] = element(0, first &+ index)
      target[4 &* index &+ 1] = element(1, first &+ index)
      target[4 &* index &+ 2] = element(2, first &+ index)
      target[4 &* index &+ 3] = element(3, first &+ index)
    }
    written &+= 4 &* whole
    var lane = 0
    while written < count {
      destination[written] = element(lane, first &+ whole)
      written &+= 1
      lane &+= 1
    }
  }

  /// The upper 24 bits as a number in [0, 1).
  @inline(__always)
  private static func unit(_ word: UInt32) -> Float {
    Float(Int32(bitPattern: word &>> 8)) * 0x1p-24
  }

  /// Replaces uniform words by the bit patterns of normal numbers.
  @inline(__always)
  private static func replaceByNormalPairs(
    _ first: UnsafeMutablePointer<UInt32>, _ second: UnsafeMutablePointer<UInt32>, _ count: Int
  ) {
    for index in 0..<count {
      let values = normalPair(first[index], second[index])
      first[index] = values.0.bitPattern
      second[index] = values.1.bitPattern
    }
  }

  /// Two normal numbers: radius √(-2 ln u) with u in (0, 1], angle 2πv.
  @inline(__always)
  private static func normalPair(_ first: UInt32, _ second: UInt32) -> (Float, Float) {
    // The middle of one of 2^31 intervals, so never 0; few bits would cut the numbers' tail short.
    let u = Float(Int32(bitPattern: first &>> 1)) * 0x1p-31 + 0x1p-32
    let radius = (2 * ElementaryFunctions.log(u)).magnitude.squareRoot()
    // Counted in quadrants, an angle reduces exactly: rounding leaves at most half a quadrant.
    let quarters = unit(second) * 4
    let anchored = quarters + 0x1.8p23
    let angle = (quarters - (anchored - 0x1.8p23)) * 1.57079637
    let quadrant = anchored.bitPattern
    return (
      radius * ElementaryFunctions.sinOfQuadrant(quadrant &+ 1, angle),
      radius * ElementaryFunctions.sinOfQuadrant(quadrant, angle)
    )
  }
}
