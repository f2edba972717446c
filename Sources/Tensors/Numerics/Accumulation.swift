import CKernels

/// A float64 sum whose order of additions depends on element indices alone.
///
/// Sixteen sums run side by side: element i of the sequence goes to lane i % 16, in ascending order; the
/// total adds the lanes in pairs. So any cut of the sequence into consecutive runs gives the same bits.
/// Products of two Floats are exact in Double.
package struct LaneSum: Sendable {
  private var lanes: SIMD16<Double>

  /// A sum of nothing: 0.
  package init() { lanes = .zero }

  /// The lanes' sum: lane i with lane i + 8, then i + 4, i + 2, i + 1.
  package var total: Double {
    let eight = lanes.lowHalf + lanes.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// Adds `count` values, the first of which has index `startIndex` in the sequence.
  package mutating func addSum(_ x: UnsafePointer<Float>, count: Int, startIndex: Int) {
    withLanes { lanes_add_sum(x, $0, count, startIndex) }
  }

  /// Adds the squares of `count` values, the first of which has index `startIndex` in the sequence.
  package mutating func addSquares(_ x: UnsafePointer<Float>, count: Int, startIndex: Int) {
    withLanes { lanes_add_squares(x, $0, count, startIndex) }
  }

  /// Adds `count` products, the first of which has index `startIndex` in the sequence.
  package mutating func addDot(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int, startIndex: Int
  ) {
    withLanes { lanes_add_dot(x, y, $0, count, startIndex) }
  }

  /// Adds the products of `count` values and the bits from number `firstBit` on.
  package mutating func addDot(
    _ x: UnsafePointer<Float>, bits: UnsafePointer<UInt64>, firstBit: Int, count: Int, startIndex: Int
  ) {
    withLanes { lanes_add_dot_bits(x, bits, firstBit, $0, count, startIndex) }
  }

  /// Adds `count` values, the first of which has index `startIndex` in the sequence.
  package mutating func addSum(_ x: UnsafePointer<Double>, count: Int, startIndex: Int) {
    add(count, startIndex, { x[$0] }, vector: { Self.load(x + $0) })
  }

  /// Adds the squares of `count` values, the first of which has index `startIndex` in the sequence.
  package mutating func addSquares(_ x: UnsafePointer<Double>, count: Int, startIndex: Int) {
    add(count, startIndex, { Self.square(x[$0]) }, vector: { Self.square(Self.load(x + $0)) })
  }

  /// Adds `count` products, the first of which has index `startIndex` in the sequence.
  package mutating func addDot(
    _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, count: Int, startIndex: Int
  ) {
    add(count, startIndex, { x[$0] * y[$0] }, vector: { Self.load(x + $0) * Self.load(y + $0) })
  }

  @inline(__always)
  private mutating func withLanes(_ body: (UnsafeMutablePointer<Double>) -> Void) {
    withUnsafeMutableBytes(of: &lanes) { body($0.baseAddress!.assumingMemoryBound(to: Double.self)) }
  }

  @inline(__always)
  private mutating func add(
    _ count: Int, _ startIndex: Int, _ scalar: (Int) -> Double, vector: (Int) -> SIMD8<Double>
  ) {
    var index = 0
    let head = min(count, (0 &- startIndex) & 15)
    while index < head {
      lanes[(startIndex &+ index) & 15] += scalar(index)
      index &+= 1
    }
    // In halves, so that sums and operands fit the sixteen registers of SSE2.
    var (low, high) = (lanes.lowHalf, lanes.highHalf)
    while index &+ 16 <= count {
      low += vector(index)
      high += vector(index &+ 8)
      index &+= 16
    }
    lanes = SIMD16(lowHalf: low, highHalf: high)
    while index < count {
      lanes[(startIndex &+ index) & 15] += scalar(index)
      index &+= 1
    }
  }

  @inline(__always)
  private static func square(_ value: Double) -> Double { value * value }

  @inline(__always)
  private static func square(_ values: SIMD8<Double>) -> SIMD8<Double> { values * values }

  @inline(__always)
  private static func load(_ pointer: UnsafePointer<Double>) -> SIMD8<Double> {
    UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Double>.self)
  }
}
