/// Bytes of a tile, grown as tiles need it.
///
/// `@unchecked Sendable`: one thread at a time has it, and hands it over.
package final class TileBuffer: @unchecked Sendable {
  /// Where the bytes are, until `ensure` makes room for more.
  package private(set) var pointer = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
  private var capacity = 64

  /// A buffer without room.
  package init() {}

  deinit { pointer.deallocate() }

  /// The buffer, with room for `byteCount`; what it held may be gone.
  package func ensure(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if byteCount > capacity {
      pointer.deallocate()
      pointer = .allocate(byteCount: byteCount, alignment: 64)
      capacity = byteCount
    }
    return pointer
  }
}
