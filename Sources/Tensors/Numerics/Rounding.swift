import CKernels

// At the x86-64 baseline `rounded` is a library call. Adding and taking off a power of two rounds to
// nearest even in the same way, and vectorises.
extension ElementaryFunctions {
  /// The nearest whole number, ties to even. Signed zeros, infinities and NaN are kept.
  @inline(__always)
  package static func roundToEven(_ x: Float) -> Float {
    let magnitude = x.magnitude
    let rounded = (magnitude + 0x1p23) - 0x1p23
    let signed = Float(bitPattern: rounded.bitPattern | (x.bitPattern & 0x8000_0000))
    // From 2^23 on all are whole; NaN compares false.
    return magnitude < 0x1p23 ? signed : x
  }

  /// The largest whole number that is not above `x`. Signed zeros, infinities and NaN are kept.
  @inline(__always)
  package static func floor(_ x: Float) -> Float {
    let nearest = roundToEven(x)
    return nearest > x ? nearest - 1 : nearest
  }

  /// The nearest whole number, ties to even. Signed zeros, infinities and NaN are kept.
  @inline(__always)
  package static func roundToEven(_ x: Double) -> Double {
    let magnitude = x.magnitude
    let rounded = (magnitude + 0x1p52) - 0x1p52
    let signed = Double(bitPattern: rounded.bitPattern | (x.bitPattern & 0x8000_0000_0000_0000))
    return magnitude < 0x1p52 ? signed : x
  }

  /// The largest whole number that is not above `x`. Signed zeros, infinities and NaN are kept.
  @inline(__always)
  package static func floor(_ x: Double) -> Double {
    let nearest = roundToEven(x)
    return nearest > x ? nearest - 1 : nearest
  }

  /// `roundToEven` of a block.
  package static func roundToEven(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) { block_round(source, destination, count) }

  /// `floor` of a block.
  package static func floor(
    _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ count: Int
  ) { block_floor(source, destination, count) }

  /// `roundToEven` of a block.
  package static func roundToEven(
    _ source: UnsafePointer<Double>, _ destination: UnsafeMutablePointer<Double>, _ count: Int
  ) { mapBlock(source, destination, count) { roundToEven($0) } }

  /// `floor` of a block.
  package static func floor(
    _ source: UnsafePointer<Double>, _ destination: UnsafeMutablePointer<Double>, _ count: Int
  ) { mapBlock(source, destination, count) { floor($0) } }
}
