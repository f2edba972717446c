/// Elements that lie in a file in a storage format of its own, such as quantised blocks, and are decoded to float32
/// where a tile is read.
///
/// A format is this one function; whoever reads sees the bytes of a plain F32 tensor.
package protocol DecodedSource: ByteSource {
  /// The elements.
  var count: Int { get }

  /// Decodes the elements of a range into a buffer of as many. Called from several threads at once.
  func decode(_ range: Range<Int>, into elements: UnsafeMutableBufferPointer<Float>) throws
}

extension DecodedSource {
  package var byteCount: Int { count * MemoryLayout<Float>.stride }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    let width = MemoryLayout<Float>.stride
    guard buffer.count > 0 else { return }
    let range = offset / width..<(offset + buffer.count + width - 1) / width
    let isWhole = offset % width == 0 && buffer.count % width == 0
    if isWhole, Int(bitPattern: buffer.baseAddress) % MemoryLayout<Float>.alignment == 0 {
      return try decode(range, into: buffer.bindMemory(to: Float.self))
    }
    // A copy may be cut anywhere.
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count) { elements in
      try decode(range, into: elements)
      let bytes = UnsafeRawBufferPointer(elements)
      let first = offset - range.lowerBound * width
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[first..<first + buffer.count]))
    }
  }
}

/// Decodes blocks that each hold as many elements in as many bytes, one after the other.
package protocol BlockDecoder: Sendable {
  /// The elements of a block.
  var elementsPerBlock: Int { get }
  /// The bytes of a block.
  var bytesPerBlock: Int { get }

  /// Decodes whole blocks.
  func decode(_ blocks: UnsafeRawBufferPointer, into elements: UnsafeMutableBufferPointer<Float>)
}

/// A tensor of equal blocks: reads those that a tile touches, and decodes them.
package final class BlockDecodedSource<Decoder: BlockDecoder>: DecodedSource {
  package let count: Int
  private let blocks: any ByteSource
  private let decoder: Decoder

  /// The elements of the blocks that `blocks` has the bytes of; the last block may hold fewer.
  package init(_ blocks: any ByteSource, count: Int, decoder: Decoder) {
    self.blocks = blocks
    self.count = count
    self.decoder = decoder
  }

  package var label: String { blocks.label }
  package var provenance: Provenance? { blocks.provenance }

  package func advise(_ range: Range<Int>) {
    let width = MemoryLayout<Float>.stride
    let touched = touched(by: range.lowerBound / width..<(range.upperBound + width - 1) / width)
    blocks.advise(touched.lowerBound * decoder.bytesPerBlock..<touched.upperBound * decoder.bytesPerBlock)
  }

  package func decode(_ range: Range<Int>, into elements: UnsafeMutableBufferPointer<Float>) throws {
    let (size, bytes) = (decoder.elementsPerBlock, decoder.bytesPerBlock)
    let touched = touched(by: range)
    try withUnsafeTemporaryAllocation(byteCount: touched.count * bytes, alignment: 64) { encoded in
      try blocks.read(into: encoded, at: touched.lowerBound * bytes)
      if range.lowerBound % size == 0, range.count % size == 0 {
        return decoder.decode(UnsafeRawBufferPointer(encoded), into: elements)
      }
      withUnsafeTemporaryAllocation(of: Float.self, capacity: touched.count * size) { whole in
        decoder.decode(UnsafeRawBufferPointer(encoded), into: whole)
        let first = range.lowerBound - touched.lowerBound * size
        _ = elements.update(fromContentsOf: whole[first..<first + range.count])
      }
    }
  }

  /// The blocks that hold the elements of a range.
  private func touched(by range: Range<Int>) -> Range<Int> {
    let size = decoder.elementsPerBlock
    return range.lowerBound / size..<(range.upperBound + size - 1) / size
  }
}
