/// Elements held in memory: small constants and reductions' results.
///
/// `@unchecked Sendable`: written only through `write`, for disjoint ranges, before it is read.
package final class MemorySource: ByteSource, ByteSink, @unchecked Sendable {
  private let bytes: UnsafeMutableRawBufferPointer
  /// What error messages call it.
  package let label: String

  /// `byteCount` bytes of zeros.
  package init(byteCount: Int, label: String = "a computed tensor") {
    bytes = .allocate(byteCount: byteCount, alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    self.label = label
  }

  /// A copy of the elements.
  package convenience init<Element: BitwiseCopyable>(_ elements: [Element], label: String = "a constant") {
    self.init(byteCount: elements.count * MemoryLayout<Element>.stride, label: label)
    elements.withUnsafeBytes { bytes.copyMemory(from: $0) }
  }

  deinit { bytes.deallocate() }

  /// Bytes that it holds.
  package var byteCount: Int { bytes.count }

  /// Copies bytes that are within it.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) {
    buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + buffer.count]))
  }

  /// Overwrites bytes that are within it.
  package func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) {
    UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + buffer.count]).copyMemory(from: buffer)
  }

  /// The elements, for a caller that knows that nothing writes any more.
  func withElements<Element, Result>(
    of type: Element.Type, _ body: (UnsafeBufferPointer<Element>) throws -> Result
  ) rethrows -> Result {
    try body(UnsafeBufferPointer(bytes.bindMemory(to: type)))
  }
}
