import Synchronization

/// Memory for masks, in pages that go from one mask to the next: memory that is new to a process costs more than what a
/// mask saves, and what is free here stays for the masks to come.
final class MaskPages: Sendable {
  /// Elements that a page has bits for.
  static let pageCount = Partition.chunk

  private struct Page: @unchecked Sendable {
    var words: UnsafeMutablePointer<UInt64>
  }

  private static let wordCount = pageCount / 64
  private let free = Mutex<[Page]>([])

  deinit { for page in free.withLock({ $0 }) { page.words.deallocate() } }

  /// A page of zeros.
  func take() -> UnsafeMutablePointer<UInt64> {
    let words = free.withLock { $0.popLast() }?.words ?? .allocate(capacity: Self.wordCount)
    words.initialize(repeating: 0, count: Self.wordCount)
    return words
  }

  func give(_ words: UnsafeMutablePointer<UInt64>) { free.withLock { $0.append(Page(words: words)) } }
}
