import Tensors

/// Numbers in memory, row by row, that workers fill and read.
///
/// `@unchecked Sendable`: workers write disjoint parts, and what they wrote is read after the wait for them.
final class FloatBuffer: ByteSink, @unchecked Sendable {
  private var floats: UnsafeMutableBufferPointer<Float>

  /// Room for `count` numbers, which are undefined.
  init(count: Int = 0) { floats = Self.room(count) }

  deinit { UnsafeMutableRawPointer(floats.baseAddress)?.deallocate() }

  /// Where the numbers are.
  var start: UnsafeMutablePointer<Float> { floats.baseAddress! }

  /// Makes room for at least `count` numbers; what was there is lost. Not while workers use it.
  func ensure(_ count: Int) {
    guard floats.count < count else { return }
    UnsafeMutableRawPointer(floats.baseAddress)?.deallocate()
    floats = Self.room(count)
  }

  /// A buffer with the first `count` numbers of this one.
  func copy(count: Int) -> FloatBuffer {
    let copy = FloatBuffer(count: count)
    copy.start.update(from: start, count: count)
    return copy
  }

  /// Takes over all numbers of another.
  func fill(from other: FloatBuffer) {
    ensure(other.floats.count)
    start.update(from: other.start, count: other.floats.count)
  }

  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) {
    let bytes = UnsafeMutableRawBufferPointer(floats)
    UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + buffer.count]).copyMemory(from: buffer)
  }

  private static func room(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let raw = UnsafeMutableRawPointer.allocate(byteCount: max(1, count) * 4, alignment: 64)
    return UnsafeMutableBufferPointer(
      start: raw.bindMemory(to: Float.self, capacity: max(1, count)), count: max(1, count))
  }
}
