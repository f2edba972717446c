/// Minimum and maximum in an order in which -0 lies below +0 and one NaN makes the result NaN, so that the
/// result depends on the values alone, not on their order or the cut into runs.
package enum Extrema {
  /// The smaller of two values; NaN if either is NaN.
  @inline(__always)
  package static func minimum(_ a: Float, _ b: Float) -> Float {
    let (first, second) = (ordered(a), ordered(b))
    let smaller = value(first < second ? first : second)
    return a == a ? (b == b ? smaller : .nan) : .nan
  }

  /// The larger of two values; NaN if either is NaN.
  @inline(__always)
  package static func maximum(_ a: Float, _ b: Float) -> Float {
    let (first, second) = (ordered(a), ordered(b))
    let larger = value(first > second ? first : second)
    return a == a ? (b == b ? larger : .nan) : .nan
  }

  /// The smallest of `start` (infinity to begin with) and `count` values.
  package static func minimum(
    of x: UnsafePointer<Float>, count: Int, startingFrom start: Float = .infinity
  ) -> Float {
    var best = ordered(start)
    var nanSign = signOfNaN(start)
    for index in 0..<count {
      let next = ordered(x[index])
      best = next < best ? next : best
      nanSign |= signOfNaN(x[index])
    }
    return nanSign < 0 ? .nan : value(best)
  }

  /// The largest of `start` (-infinity to begin with) and `count` values.
  package static func maximum(
    of x: UnsafePointer<Float>, count: Int, startingFrom start: Float = -.infinity
  ) -> Float {
    var best = ordered(start)
    var nanSign = signOfNaN(start)
    for index in 0..<count {
      let next = ordered(x[index])
      best = next > best ? next : best
      nanSign |= signOfNaN(x[index])
    }
    return nanSign < 0 ? .nan : value(best)
  }

  /// A whole number in the order of the values. Negative values have the bits below the sign turned round.
  @inline(__always)
  private static func ordered(_ value: Float) -> Int32 {
    let bits = Int32(bitPattern: value.bitPattern)
    return bits ^ ((bits &>> 31) & 0x7fff_ffff)
  }

  /// The inverse of `ordered`.
  @inline(__always)
  private static func value(_ key: Int32) -> Float {
    Float(bitPattern: UInt32(bitPattern: key ^ ((key &>> 31) & 0x7fff_ffff)))
  }

  /// Below zero for NaN. Gathered by `|`: a NaN that replaced the result would be a way out of the loop,
  /// which then does not vectorise.
  @inline(__always)
  private static func signOfNaN(_ value: Float) -> Int32 {
    0x7f80_0000 &- Int32(bitPattern: value.bitPattern & 0x7fff_ffff)
  }
}
