/// The tokens of a model and their ids, both ways.
struct ModelVocabulary: Sendable {
  private var table: ByteTable
  /// The place of each id in the table, -1 where an id has no token.
  private var places: [Int32] = []

  /// More ids than this are no vocabulary's.
  private static let largestID = 1 << 24

  /// `vocab` of BPE, WordPiece and WordLevel: an object of ids.
  init(_ component: Component) throws {
    guard let object = component.json.objectValue else { throw component.bad("an object of ids") }
    table = ByteTable(minimumCapacity: object.count)
    for (token, value) in object {
      guard let id = value.intValue, 0..<Self.largestID ~= id else {
        throw TokenizationError.badValue(
          file: component.file, place: "\(component.place)['\(token)']",
          expected: "an id from 0 to \(Self.largestID - 1)", found: value.text(.compact))
      }
      if let other = add(token, id) {
        throw component.unusable("'\(other)' and '\(token)' both have the id \(id)")
      }
    }
  }

  /// Tokens whose ids are their places; of two equal ones the last counts.
  init(listed tokens: [String]) {
    table = ByteTable(minimumCapacity: tokens.count)
    for (id, token) in tokens.enumerated() { _ = add(token, id) }
  }

  /// Adds a token, and returns the one that has its id already.
  private mutating func add(_ token: String, _ id: Int) -> String? {
    var token = token
    let place = token.withUTF8 { table.set($0, id) }
    if id >= places.count {
      places.append(contentsOf: repeatElement(-1, count: max(id + 1, places.count * 2) - places.count))
    }
    if places[id] >= 0 { return String(decoding: table.text(at: Int(places[id])), as: UTF8.self) }
    places[id] = Int32(place)
    return nil
  }

  /// How many tokens there are.
  var count: Int { table.count }

  subscript(token: UTF8Bytes) -> Int? {
    @inline(__always)
    get { table[token] }
  }
  subscript(token: [UInt8]) -> Int? { table[token] }

  /// The token of an id.
  func token(of id: Int) -> ArraySlice<UInt8>? {
    guard places.indices.contains(id), places[id] >= 0 else { return nil }
    return table.text(at: Int(places[id]))
  }

  /// Calls `body` with each token and its id.
  func forEach(_ body: (UTF8Bytes, Int) -> Void) { table.forEach(body) }

  /// The ids of the tokens `<0x00>` to `<0xFF>`, -1 where there is none.
  var byteIDs: [Int32] {
    let digits = Array("0123456789ABCDEF".utf8)
    return (0..<256).map { byte in
      Int32(self[Array("<0x".utf8) + [digits[byte >> 4], digits[byte & 15], UInt8(ascii: ">")]] ?? -1)
    }
  }
}
