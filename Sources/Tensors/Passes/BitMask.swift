import CKernels
import Synchronization

/// A mask in memory, at one bit per element. What reads it as a source sees the bytes of BOOL: 1 or 0.
///
/// It takes pages as elements are stored, since many masks may wait for their sweep's turn.
///
/// `@unchecked Sendable`: each element is written once, by words that belong to one range or atomically, and
/// before any is read.
final class BitMask: ByteSource, @unchecked Sendable {
  private typealias Page = UnsafeMutablePointer<UInt64>

  /// Elements.
  let byteCount: Int
  private let memory: MaskPages
  private let pages: UnsafeMutableBufferPointer<Atomic<Page?>>

  var label: String { "a mask" }

  /// A mask of `count` zeros.
  init(count: Int, memory: MaskPages) {
    byteCount = count
    self.memory = memory
    pages = .allocate(capacity: (count + MaskPages.pageCount - 1) / MaskPages.pageCount)
    for index in pages.indices { pages.initializeElement(at: index, to: Atomic(nil)) }
  }

  deinit {
    for index in pages.indices {
      if let words = pages[index].load(ordering: .acquiring) { memory.give(words) }
    }
    pages.deinitialize()
    pages.deallocate()
  }

  /// The page of a number, which gets its memory now if it has none.
  private func page(_ index: Int) -> Page {
    if let page = pages[index].load(ordering: .acquiring) { return page }
    let new = memory.take()
    let (isNew, found) = pages[index].compareExchange(
      expected: nil, desired: new, ordering: .acquiringAndReleasing)
    if isNew { return new }
    memory.give(new)
    return found!
  }

  /// Stores the bits of elements from `start` on: 1 for those that are not zero.
  func store(_ elements: UnsafePointer<Float>, start: Int, count: Int) {
    forEachPage(start, count) { done, place, count, page in bits_store(elements + done, place, count, page) }
  }

  /// Stores bits of elements from `start` on, the first one lowest.
  func store(bits: UnsafePointer<UInt64>, start: Int, count: Int) {
    forEachPage(start, count) { done, place, count, page in
      if done % 64 == 0 { return bits_put(bits + done / 64, place, count, page) }
      for number in stride(from: 0, to: count, by: 64) {
        var word = Self.word(from: done + number, before: done + count) { bits[$0] }
        bits_put(&word, place + number, min(64, count - number), page)
      }
    }
  }

  /// Calls `body` for each page that a range touches: how many elements lie before, the place in the page, and how many
  /// elements there.
  @inline(__always)
  private func forEachPage(_ start: Int, _ count: Int, _ body: (_ done: Int, Int, Int, Page) -> Void) {
    var done = 0
    while done < count {
      let (index, place) = (start + done).quotientAndRemainder(dividingBy: MaskPages.pageCount)
      let part = min(count - done, MaskPages.pageCount - place)
      body(done, place, part, page(index))
      done += part
    }
  }

  /// 64 bits from number `bit` on, of words that `word` gives by number; those from `end` on are open.
  @inline(__always)
  private static func word(from bit: Int, before end: Int, _ word: (Int) -> UInt64) -> UInt64 {
    let (number, shift) = bit.quotientAndRemainder(dividingBy: 64)
    let low = word(number) >> UInt64(shift)
    return shift > 0 && (number + 1) * 64 < end ? low | word(number + 1) << UInt64(64 - shift) : low
  }

  /// The bits of elements from `start` on, the first one lowest, where they are or else in `scratch`, which has a word
  /// for each 64 of them. What the last word holds beyond them is open.
  func bits(start: Int, count: Int, scratch: UnsafeMutablePointer<UInt64>) -> UnsafePointer<UInt64> {
    let (index, place) = start.quotientAndRemainder(dividingBy: MaskPages.pageCount)
    if place % 64 == 0, place + count <= MaskPages.pageCount {
      return UnsafePointer(page(index) + place / 64)
    }
    for number in 0..<(count + 63) / 64 {
      scratch[number] = Self.word(from: start + 64 * number, before: start + count, word)
    }
    return UnsafePointer(scratch)
  }

  private func word(_ number: Int) -> UInt64 {
    let (index, place) = number.quotientAndRemainder(dividingBy: MaskPages.pageCount / 64)
    return page(index)[place]
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) {
    guard let bytes = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: (buffer.count + 63) / 64) { scratch in
      bits_expand(
        bits(start: offset, count: buffer.count, scratch: scratch.baseAddress!), bytes, buffer.count)
    }
  }
}
