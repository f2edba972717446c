/// A view of a source's elements as a plain tensor: element i, in row-major order, is the one that offset and strides
/// find.
///
/// What lies close together in the source is read at once, as `StridedRead` does it.
package final class StridedSource: ByteSource {
  package let byteCount: Int
  private let source: any ByteSource
  private let map: IndexMap
  private let width: Int

  /// A view of elements of `width` bytes: 1, 2, 4 or 8. All of them must lie in the source.
  package init(_ source: any ByteSource, width: Int, offset: Int, shape: [Int], strides: [Int]) {
    self.source = source
    self.width = width
    map = IndexMap(offset: offset, axes: zip(shape, strides).map { IndexMap.Axis(size: $0, stride: $1) })
    byteCount = map.count * width
  }

  package var label: String { source.label }

  package var provenance: Provenance? {
    source.provenance.map { Provenance(file: $0.file, tensor: $0.tensor, byteCount: byteCount) }
  }

  /// Asks for the whole source, as any part of the view may lie all over it.
  package func advise(_ range: Range<Int>) { source.advise(0..<source.byteCount) }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard let target = buffer.baseAddress, buffer.count > 0 else { return }
    let range = offset / width..<(offset + buffer.count + width - 1) / width
    if offset % width == 0, buffer.count % width == 0 { return try read(range, into: target) }
    // A copy may be cut anywhere.
    try withUnsafeTemporaryAllocation(byteCount: range.count * width, alignment: 8) { whole in
      try read(range, into: whole.baseAddress!)
      let first = offset - range.lowerBound * width
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: whole[first..<first + buffer.count]))
    }
  }

  private func read(_ range: Range<Int>, into target: UnsafeMutableRawPointer) throws {
    let scratch = TileBuffer()
    let reading = StridedRead(source: source, width: width)
    try map.forEachBox(in: range) { start, element, axes in
      try reading.read(element, axes, into: target + (start - range.lowerBound) * width, scratch: scratch)
    }
  }
}
