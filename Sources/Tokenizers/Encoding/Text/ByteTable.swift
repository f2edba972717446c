import Glibc

/// A hash table from texts, as bytes, to numbers: a vocabulary, and the words that were encoded before.
struct ByteTable: Sendable {
  private var bytes: [UInt8] = []
  private var entries: [(start: Int, count: Int32, value: Int32)] = []
  /// Places in `entries`, -1 where empty.
  private var slots: [Int32]
  private var mask: Int

  init(minimumCapacity: Int) {
    var size = 16
    while size * 2 < minimumCapacity * 3 { size *= 2 }
    slots = Array(repeating: -1, count: size)
    mask = size - 1
    entries.reserveCapacity(minimumCapacity)
    bytes.reserveCapacity(minimumCapacity * 8)
  }

  /// How many texts there are.
  var count: Int { entries.count }

  /// A text's number.
  @inline(__always)
  subscript(text: UTF8Bytes) -> Int? {
    let slot = slot(of: text)
    let entry = slots[slot]
    return entry < 0 ? nil : Int(entries[Int(entry)].value)
  }

  subscript(text: [UInt8]) -> Int? { text.withUnsafeBufferPointer { self[$0] } }

  subscript(text: String) -> Int? {
    var text = text
    return text.withUTF8 { self[$0] }
  }

  /// Sets a text's number, in place of the one that it had, and returns the text's place in the order in
  /// which they came.
  @discardableResult
  mutating func set(_ text: UTF8Bytes, _ value: Int) -> Int {
    if (entries.count + 1) * 3 > slots.count * 2 { grow() }
    let slot = slot(of: text)
    if slots[slot] >= 0 {
      entries[Int(slots[slot])].value = Int32(value)
    } else {
      slots[slot] = Int32(entries.count)
      entries.append((bytes.count, Int32(text.count), Int32(value)))
      bytes.append(contentsOf: text)
    }
    return Int(slots[slot])
  }

  @discardableResult
  mutating func set(_ text: String, _ value: Int) -> Int {
    var text = text
    return text.withUTF8 { set($0, value) }
  }

  /// Calls `body` with each text and its number, in the order in which they came.
  func forEach(_ body: (UTF8Bytes, Int) throws -> Void) rethrows {
    try bytes.withUnsafeBufferPointer { bytes in
      for entry in entries {
        try body(bytes[part: entry.start..<entry.start + Int(entry.count)], Int(entry.value))
      }
    }
  }

  /// The text at a place in the order in which they came.
  func text(at place: Int) -> ArraySlice<UInt8> {
    let entry = entries[place]
    return bytes[entry.start..<entry.start + Int(entry.count)]
  }

  /// The number of the text at a place in the order in which they came.
  func value(at place: Int) -> Int { Int(entries[place].value) }

  /// The same texts in the order of their numbers; those of equal numbers in the order in which they came.
  func sortedByValue() -> ByteTable {
    guard !zip(entries, entries.dropFirst()).allSatisfy({ $0.value < $1.value }) else { return self }
    var result = ByteTable(minimumCapacity: count)
    bytes.withUnsafeBufferPointer { bytes in
      for entry in entries.sorted(by: { $0.value < $1.value }) {
        result.set(bytes[part: entry.start..<entry.start + Int(entry.count)], Int(entry.value))
      }
    }
    return result
  }

  /// Where a text stands, or would.
  @inline(__always)
  private func slot(of text: UTF8Bytes) -> Int {
    var index = Self.hash(text) & mask
    return slots.withUnsafeBufferPointer { slots in
      bytes.withUnsafeBufferPointer { bytes in
        while true {
          let place = slots[index]
          if place < 0 { return index }
          let entry = entries[Int(place)]
          if Int(entry.count) == text.count,
            text.isEmpty || memcmp(bytes.baseAddress! + entry.start, text.baseAddress!, text.count) == 0
          {
            return index
          }
          index = (index + 1) & mask
        }
      }
    }
  }

  private mutating func grow() {
    slots = Array(repeating: -1, count: slots.count * 2)
    mask = slots.count - 1
    bytes.withUnsafeBufferPointer { bytes in
      for (place, entry) in entries.enumerated() {
        var index = Self.hash(bytes[part: entry.start..<entry.start + Int(entry.count)]) & mask
        while slots[index] >= 0 { index = (index + 1) & mask }
        slots[index] = Int32(place)
      }
    }
  }

  @inline(__always)
  private static func hash(_ text: UTF8Bytes) -> Int {
    var hash = UInt64(truncatingIfNeeded: text.count) &* 0x9E37_79B9_7F4A_7C15
    var rest = UnsafeRawBufferPointer(text)
    while rest.count >= 8 {
      hash = (hash ^ rest.loadUnaligned(as: UInt64.self)) &* 0xFF51_AFD7_ED55_8CCD
      hash ^= hash >> 32
      rest = UnsafeRawBufferPointer(rebasing: rest[8...])
    }
    var tail: UInt64 = 0
    for byte in rest { tail = tail << 8 | UInt64(byte) }
    hash = (hash ^ tail) &* 0xC4CE_B9FE_1A85_EC53
    return Int(truncatingIfNeeded: hash ^ hash >> 29)
  }
}
