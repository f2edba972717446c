// The same as for Float, with wider keys.
extension Extrema {
  /// The smaller of two values; NaN if either is NaN.
  @inline(__always)
  package static func minimum(_ a: Double, _ b: Double) -> Double {
    let (first, second) = (ordered(a), ordered(b))
    let smaller = value(first < second ? first : second)
    return a == a ? (b == b ? smaller : .nan) : .nan
  }

  /// The larger of two values; NaN if either is NaN.
  @inline(__always)
  package static func maximum(_ a: Double, _ b: Double) -> Double {
    let (first, second) = (ordered(a), ordered(b))
    let larger = value(first > second ? first : second)
    return a == a ? (b == b ? larger : .nan) : .nan
  }

  /// The smallest of `start` (infinity to begin with) and `count` values.
  package static func minimum(
    of x: UnsafePointer<Double>, count: Int, startingFrom start: Double = .infinity
  ) -> Double {
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
    of x: UnsafePointer<Double>, count: Int, startingFrom start: Double = -.infinity
  ) -> Double {
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
  private static func ordered(_ value: Double) -> Int64 {
    let bits = Int64(bitPattern: value.bitPattern)
    return bits ^ ((bits &>> 63) & 0x7fff_ffff_ffff_ffff)
  }

  /// The inverse of `ordered`.
  @inline(__always)
  private static func value(_ key: Int64) -> Double {
    Double(bitPattern: UInt64(bitPattern: key ^ ((key &>> 63) & 0x7fff_ffff_ffff_ffff)))
  }

  /// Below zero for NaN. Gathered by `|`: a NaN that replaced the result would be a way out of the loop,
  /// which then does not vectorise.
  @inline(__always)
  private static func signOfNaN(_ value: Double) -> Int64 {
    0x7ff0_0000_0000_0000 &- Int64(bitPattern: value.bitPattern & 0x7fff_ffff_ffff_ffff)
  }
}
