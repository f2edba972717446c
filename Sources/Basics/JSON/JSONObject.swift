/// The entries of a JSON object, in order; each key occurs once.
///
/// Keys are compared byte by byte. Looking a key up takes constant time, removing one linear time.
package struct JSONObject: Sendable {
  private var entries: [(key: String, value: JSON)] = []

  /// Where each key stands; empty for the many small objects, which are searched faster than hashed.
  private var positions: [ByteKey: Int] = [:]

  private static let largestSearched = 8

  /// An object without entries.
  package init() {}

  /// The keys, in order.
  package var keys: [String] { entries.map(\.key) }

  /// The value of a key.
  ///
  /// Setting changes the entry in its place or adds one at the end; setting `nil` removes it.
  package subscript(key: String) -> JSON? {
    get { position(of: key).map { entries[$0].value } }
    set {
      if let newValue {
        if let position = position(of: key) {
          entries[position].value = newValue
        } else {
          add(key, newValue)
        }
      } else {
        removeValue(forKey: key)
      }
    }
  }

  /// Removes an entry and returns its value; the others keep their order.
  @discardableResult
  package mutating func removeValue(forKey key: String) -> JSON? {
    guard let position = position(of: key) else { return nil }
    let value = entries.remove(at: position).value
    positions.removeAll()
    indexIfLarge()
    return value
  }

  /// Adds an entry at the end, unless the key is there: then returns false and changes nothing.
  mutating func append(_ key: String, _ value: JSON) -> Bool {
    if positions.isEmpty {
      guard position(of: key) == nil else { return false }
      add(key, value)
      return true
    }
    // A vocabulary has many keys: each is looked up once.
    let hashed = ByteKey(string: key)
    if let known = positions.updateValue(entries.count, forKey: hashed) {
      positions[hashed] = known
      return false
    }
    entries.append((key, value))
    return true
  }

  /// Makes room for entries to come.
  mutating func reserveCapacity(_ count: Int) {
    entries.reserveCapacity(count)
  }

  private func position(of key: String) -> Int? {
    if positions.isEmpty { return entries.firstIndex { $0.key.hasSameBytes(as: key) } }
    return positions[ByteKey(string: key)]
  }

  private mutating func add(_ key: String, _ value: JSON) {
    entries.append((key, value))
    if positions.isEmpty {
      indexIfLarge()
    } else {
      positions[ByteKey(string: key)] = entries.count - 1
    }
  }

  private mutating func indexIfLarge() {
    guard entries.count > Self.largestSearched else { return }
    for (position, entry) in entries.enumerated() { positions[ByteKey(string: entry.key)] = position }
  }
}

extension JSONObject: RandomAccessCollection {
  package var startIndex: Int { 0 }
  package var endIndex: Int { entries.count }
  /// The entry at a position, from 0.
  package subscript(position: Int) -> (key: String, value: JSON) { entries[position] }
}

extension JSONObject: Equatable {
  /// Same entries in the same order.
  package static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.entries.elementsEqual(right.entries) {
      $0.key.hasSameBytes(as: $1.key) && $0.value == $1.value
    }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// The entries in order; the last of equal keys wins.
  package init(dictionaryLiteral elements: (String, JSON)...) {
    for (key, value) in elements { self[key] = value }
  }
}
