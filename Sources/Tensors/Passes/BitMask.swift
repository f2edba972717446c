import CKernels
import Glibc

/// A mask in memory, at a bit an element. What reads it as a source sees the bytes of BOOL: 1 or 0.
///
/// `@unchecked Sendable`: each element is written once, by words that belong to one range or atomically, and
/// before any is read.
final class BitMask: ByteSource, @unchecked Sendable {
  let words: UnsafeMutablePointer<UInt64>
  /// Elements.
  let byteCount: Int

  var label: String { "a mask" }

  /// A mask of `count` zeros, one at least. Its pages take no memory until they are written, since many sweeps may
  /// wait for their turn, and none once it is gone: allocated memory would be kept, and zeroed at once.
  init(count: Int) {
    byteCount = count
    let pages = mmap(nil, (count + 63) / 64 * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let pages, pages != MAP_FAILED else { fatalError("No memory for a mask of \(count) elements") }
    words = pages.assumingMemoryBound(to: UInt64.self)
  }

  deinit { munmap(words, (byteCount + 63) / 64 * 8) }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) {
    guard let bytes = buffer.baseAddress else { return }
    bits_expand(words, offset, buffer.count, bytes.assumingMemoryBound(to: UInt8.self))
  }

  /// Stores the bits of elements from `start` on: 1 for those that are not zero.
  func store(_ elements: UnsafePointer<Float>, start: Int, count: Int) {
    bits_store(elements, start, count, words)
  }
}
