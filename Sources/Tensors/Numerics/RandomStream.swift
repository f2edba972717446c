import CKernels

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
    fill(destination, start: start, count: count, element: uniform) { target, first, blocks in
      philox_uniform(self.blocks(first, blocks), target)
    }
  }

  /// Sets a bit for each of the elements `start ..< start + count` of `fillUniform`, the first one lowest: whether it
  /// is below `bound`. Words are written whole; what the last one holds beyond the elements is open.
  package func fillBits(_ words: UnsafeMutablePointer<UInt64>, below bound: Float, start: Int, count: Int) {
    if start & 3 == 0 { return philox_below(blocks(start &>> 2, (count &+ 3) &>> 2), bound, words) }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { numbers in
      let numbers = numbers.baseAddress!
      fillUniform(numbers, start: start, count: count)
      for index in 0..<count { numbers[index] = numbers[index] < bound ? 1 : 0 }
      words.update(repeating: 0, count: (count &+ 63) &>> 6)
      bits_store(numbers, 0, count, words)
    }
  }

  /// Fills `destination` with elements `start ..< start + count`: normal, mean 0, variance 1, at most 6.7
  /// in magnitude.
  ///
  /// Box and Muller, "A note on the generation of random normal deviates" (1958), over the pairs of
  /// elements 2j and 2j + 1.
  package func fillNormal(_ destination: UnsafeMutablePointer<Float>, start: Int, count: Int) {
    fill(destination, start: start, count: count, element: normal) { target, first, blocks in
      normalBlocks(target, first, blocks)
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

  private func blocks(_ first: Int, _ count: Int) -> philox_blocks {
    philox_blocks(first: UInt64(bitPattern: Int64(first)), count: count, stream: stream, key: seed)
  }

  /// Fills a range: whole blocks by `whole`, which takes their first number and their count, and what the
  /// range has of a block at either end by `element`.
  @inline(__always)
  private func fill(
    _ destination: UnsafeMutablePointer<Float>, start: Int, count: Int, element: (Int) -> Float,
    whole: (_ target: UnsafeMutablePointer<Float>, _ first: Int, _ blocks: Int) -> Void
  ) {
    let end = start &+ count
    let first = (start &+ 3) &>> 2
    let blocks = max(0, (end &>> 2) &- first)
    let wholeStart = min(end, first &<< 2)
    let wholeEnd = wholeStart &+ 4 &* blocks
    for index in start..<wholeStart { destination[index &- start] = element(index) }
    if blocks > 0 { whole(destination + (wholeStart &- start), first, blocks) }
    for index in wholeEnd..<end { destination[index &- start] = element(index) }
  }

  /// Philox blocks of normal numbers at a time: scratch of 1 KiB, which stays on the stack.
  private static let chunk = 64

  private func normalBlocks(_ target: UnsafeMutablePointer<Float>, _ first: Int, _ blocks: Int) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4 &* Self.chunk) { scratch in
      let words = scratch.baseAddress.unsafelyUnwrapped
      for start in stride(from: 0, to: blocks, by: Self.chunk) {
        // Of the last chunk too all words, which is faster.
        philox_words(self.blocks(first &+ start, Self.chunk), words)
        let count = min(Self.chunk, blocks &- start)
        Self.replaceByNormalPairs(words, words + Self.chunk, count)
        Self.replaceByNormalPairs(words + 2 &* Self.chunk, words + 3 &* Self.chunk, count)
        Self.interleave(words, count, target + 4 &* start)
      }
    }
  }

  /// Turns the words of a chunk's first blocks into their elements, block after block.
  private static func interleave(
    _ words: UnsafePointer<UInt32>, _ blocks: Int, _ target: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<blocks {
      target[4 &* index] = Float(bitPattern: words[index])
      target[4 &* index &+ 1] = Float(bitPattern: words[chunk &+ index])
      target[4 &* index &+ 2] = Float(bitPattern: words[2 &* chunk &+ index])
      target[4 &* index &+ 3] = Float(bitPattern: words[3 &* chunk &+ index])
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
