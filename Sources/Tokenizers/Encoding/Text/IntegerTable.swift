/// A hash table from integers to integers, for the hundred thousands of merges and of trie edges.
///
/// Open addressing with linear probing: a look-up touches one or two cache lines, and building costs a third
/// of what Swift's dictionary takes.
struct IntegerTable: Sendable {
  private var slots: [(key: UInt64, value: UInt64)]
  private var mask: Int
  private(set) var count = 0

  /// Keys have their top bit clear.
  private static let empty = UInt64.max

  init(minimumCapacity: Int) {
    var size = 16
    while size * 3 < minimumCapacity * 4 { size *= 2 }
    slots = Array(repeating: (Self.empty, 0), count: size)
    mask = size - 1
  }

  subscript(key: UInt64) -> UInt64? {
    @inline(__always)
    get {
      slots.withUnsafeBufferPointer { slots in
        var index = Self.hash(key) & mask
        while true {
          let slot = slots[index]
          if slot.key == key { return slot.value }
          if slot.key == Self.empty { return nil }
          index = (index + 1) & mask
        }
      }
    }
  }

  /// Sets a key's value, in place of the one that it had.
  mutating func set(_ key: UInt64, _ value: UInt64) {
    if (count + 1) * 4 > slots.count * 3 { grow() }
    var index = Self.hash(key) & mask
    while slots[index].key != Self.empty, slots[index].key != key { index = (index + 1) & mask }
    if slots[index].key == Self.empty { count += 1 }
    slots[index] = (key, value)
  }

  private mutating func grow() {
    let old = slots
    slots = Array(repeating: (Self.empty, 0), count: old.count * 2)
    mask = slots.count - 1
    count = 0
    for slot in old where slot.key != Self.empty { set(slot.key, slot.value) }
  }

  @inline(__always)
  private static func hash(_ key: UInt64) -> Int {
    let mixed = key &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed ^ mixed >> 32)
  }
}
