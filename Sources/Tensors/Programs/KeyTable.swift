/// Small numbers by keys: what is looked up several times for every node of an expression, where a
/// `Dictionary` would spend most of the planning on hashing.
///
/// Open addressing with linear probing, at most half full; nothing is ever removed.
struct KeyTable {
  /// Keys with their highest bit set; 0 is an empty place.
  private var keys: [UInt64]
  private var values: [Int32]
  private var count = 0
  private var mask: Int

  init() {
    keys = [UInt64](repeating: 0, count: 64)
    values = [Int32](repeating: 0, count: 64)
    mask = 63
  }

  /// The value of a key below 2^63. Setting `nil` does nothing.
  subscript(_ key: UInt64) -> Int32? {
    get {
      let stored = key | 1 << 63
      let place = self.place(of: stored)
      return keys[place] == stored ? values[place] : nil
    }
    set {
      guard let newValue else { return }
      let stored = key | 1 << 63
      var place = self.place(of: stored)
      if keys[place] != stored {
        count += 1
        if count > keys.count / 2 {
          grow()
          place = self.place(of: stored)
        }
        keys[place] = stored
      }
      values[place] = newValue
    }
  }

  subscript(_ node: NodeID) -> Int? {
    get { self[UInt64(UInt32(bitPattern: node.index))].map(Int.init) }
    set { self[UInt64(UInt32(bitPattern: node.index))] = newValue.map { Int32(clamping: $0) } }
  }

  /// Where a stored key is, or would be put.
  private func place(of stored: UInt64) -> Int {
    // Fibonacci hashing: neighbouring keys, which are the usual ones, end up far apart.
    var place = Int(truncatingIfNeeded: (stored &* 0x9e37_79b9_7f4a_7c15) &>> 24) & mask
    while keys[place] != 0, keys[place] != stored { place = (place &+ 1) & mask }
    return place
  }

  private mutating func grow() {
    let (oldKeys, oldValues) = (keys, values)
    keys = [UInt64](repeating: 0, count: 4 * oldKeys.count)
    values = [Int32](repeating: 0, count: 4 * oldKeys.count)
    mask = keys.count - 1
    for (index, stored) in oldKeys.enumerated() where stored != 0 {
      let place = self.place(of: stored)
      keys[place] = stored
      values[place] = oldValues[index]
    }
  }
}
