/// Bytes that a stored tensor's elements are read from: little-endian, row-major, without gaps.
///
/// Workers read from several threads at once.
package protocol ByteSource: AnyObject, Sendable {
  /// Bytes that can be read.
  var byteCount: Int { get }

  /// What error messages call it, such as a file's path and a tensor's name.
  var label: String { get }

  /// Fills `buffer` with the bytes from `offset` on.
  ///
  /// Throws if the bytes cannot be read, or end before the buffer is full.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws

  /// Asks the system to read some of the bytes ahead of use. Only a hint, so nothing comes of a failure.
  func advise(_ range: Range<Int>)

  /// Which tensor of which file the bytes are from; `nil` where they are from none.
  var provenance: Provenance? { get }
}

extension ByteSource {
  package func advise(_ range: Range<Int>) {}
  package var provenance: Provenance? { nil }
}

/// A tensor of a file, as reports name it.
package struct Provenance: Hashable, Sendable {
  /// The file's path.
  package let file: String
  /// The tensor's name in the file.
  package let tensor: String
  /// The bytes that it takes in the file.
  package let byteCount: Int

  package init(file: String, tensor: String, byteCount: Int) {
    self.file = file
    self.tensor = tensor
    self.byteCount = byteCount
  }
}

/// Where a pass puts the elements of its result; the counterpart of `ByteSource`.
package protocol ByteSink: AnyObject, Sendable {
  /// Writes all of `buffer` from byte `offset` on. Called from several threads, for disjoint ranges.
  func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws

  /// Writes the first bytes of a tile from byte `offset` on, perhaps after it has returned, and gives a buffer for the
  /// next tile: this one or another. Called as `write` is. What is written late, and did not fail, is there once all
  /// calls have returned.
  func write(_ tile: TileBuffer, byteCount: Int, at offset: Int) throws -> TileBuffer
}

extension ByteSink {
  /// Writes at once.
  package func write(_ tile: TileBuffer, byteCount: Int, at offset: Int) throws -> TileBuffer {
    try write(UnsafeRawBufferPointer(start: tile.pointer, count: byteCount), at: offset)
    return tile
  }
}
