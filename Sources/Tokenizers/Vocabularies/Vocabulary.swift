/// The tokens of a tokenizer in the order of their ids. Texts and ids occur once each; ids may leave gaps.
///
/// Texts are told apart by their bytes: a vocabulary may have both spellings of an accented letter.
package struct Vocabulary: Sendable {
  /// The ids by text, in ascending order of the ids.
  private var table = ByteTable(minimumCapacity: 0)
  /// The added ones, by id.
  package private(set) var added: [Int: AddedToken] = [:]

  /// A vocabulary without tokens.
  package init() {}

  /// The count of the tokens.
  package var count: Int { table.count }

  /// The id after the last.
  package var end: Int { count == 0 ? 0 : table.value(at: count - 1) + 1 }

  /// The texts in ascending order of the ids.
  package var texts: [String] { (0..<count).map(text(at:)) }

  /// The ids in ascending order.
  package var ids: [Int] { (0..<count).map(table.value(at:)) }

  /// Takes constant time.
  package func id(of text: String) -> Int? { table[text] }

  /// Takes constant time where the ids leave no gaps before, else logarithmic time.
  package func text(of id: Int) -> String? { position(of: id).map(text(at:)) }

  /// The added token of a text, if it is one.
  package func addedToken(_ text: String) -> AddedToken? { id(of: text).flatMap { added[$0] } }

  /// For each id from 0 on, the id of its token in another vocabulary; `lacking` where that lacks it, `gap`
  /// where no token has the id.
  package func ids(in other: Vocabulary, lacking: Int, gap: Int) -> [Int] {
    var ids = [Int](repeating: gap, count: end)
    table.forEach { text, id in ids[id] = other.table[text] ?? lacking }
    return ids
  }

  /// How many of another vocabulary's tokens are in this one.
  func sharedCount(with other: Vocabulary) -> Int {
    var count = 0
    other.table.forEach { text, _ in if table[text] != nil { count += 1 } }
    return count
  }

  /// Calls `body` with the texts that another vocabulary lacks, in the order of their ids.
  func forEachText(lackingIn other: Vocabulary, _ body: (UTF8Bytes) -> Void) {
    table.forEach { text, _ in if other.table[text] == nil { body(text) } }
  }

  // MARK: Making

  /// Tokens with ids, in any order; throws what `fail` makes of two tokens with one id.
  init(_ ids: ByteTable, fail: (_ first: String, _ second: String, _ id: Int) -> TokenizerError)
    throws(TokenizerError)
  {
    table = ids.sortedByValue()
    for position in 0..<max(1, count) - 1 where table.value(at: position) == table.value(at: position + 1) {
      throw fail(text(at: position), text(at: position + 1), table.value(at: position))
    }
  }

  /// Makes a token an added one. One that is not there is put at the id after the last.
  package mutating func add(_ token: AddedToken) {
    let id = id(of: token.content) ?? end
    if id == end { table.set(token.content, id) }
    added[id] = token
  }

  /// The tokens with ids below `limit`.
  func below(_ limit: Int) -> Vocabulary {
    guard end > limit else { return self }
    var result = Vocabulary()
    table.forEach { text, id in if id < limit { result.table.set(text, id) } }
    result.added = added.filter { $0.key < limit }
    return result
  }

  private func text(at position: Int) -> String { String(decoding: table.text(at: position), as: UTF8.self) }

  private func position(of id: Int) -> Int? {
    guard id >= 0 else { return nil }
    // An id is its own position, or after it.
    if id < count, table.value(at: id) == id { return id }
    var (low, high) = (0, min(count, id))
    while low < high {
      let middle = (low + high) / 2
      if table.value(at: middle) < id { low = middle + 1 } else { high = middle }
    }
    return low < count && table.value(at: low) == id ? low : nil
  }
}
