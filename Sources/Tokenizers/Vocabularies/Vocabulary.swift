import Checkpoints

/// The tokens of a tokenizer in the order of their ids. Texts and ids occur once each; ids may leave gaps.
///
/// Texts are told apart by their bytes: a vocabulary may have both spellings of an accented letter.
package struct Vocabulary: Sendable {
  /// In ascending order of the ids.
  package private(set) var texts: [String] = []
  package private(set) var ids: [Int] = []
  /// The added ones, by id.
  package private(set) var added: [Int: AddedToken] = [:]
  /// Where each text stands.
  private var positions: [ByteKey: Int32] = [:]

  /// A vocabulary without tokens.
  package init() {}

  /// The count of the tokens.
  package var count: Int { ids.count }

  /// The id after the last.
  package var end: Int { ids.last.map { $0 + 1 } ?? 0 }

  /// Takes constant time.
  package func id(of text: String) -> Int? {
    positions[ByteKey(string: text)].map { ids[Int($0)] }
  }

  /// Takes constant time where the ids leave no gaps before, else logarithmic time.
  package func text(of id: Int) -> String? {
    position(of: id).map { texts[$0] }
  }

  /// The added token of a text, if it is one.
  package func addedToken(_ text: String) -> AddedToken? { id(of: text).flatMap { added[$0] } }

  // MARK: Making

  /// Sets tokens at ids, in any order. `fail` makes the error of two tokens with one id, or a token with two.
  init(_ tokens: [(text: String, id: Int)], fail: (Conflict) -> TokenizerError) throws(TokenizerError) {
    var tokens = tokens
    var isSorted = true
    for index in tokens.indices.dropFirst() where tokens[index].id <= tokens[index - 1].id {
      isSorted = false
      break
    }
    if !isSorted { tokens.sort { $0.id < $1.id } }
    texts.reserveCapacity(tokens.count)
    ids.reserveCapacity(tokens.count)
    positions.reserveCapacity(tokens.count)
    for (text, id) in tokens {
      if let last = ids.last, last == id { throw fail(.sameID(texts[texts.count - 1], text, id)) }
      let previous = positions.updateValue(Int32(ids.count), forKey: ByteKey(string: text))
      if let previous { throw fail(.twoIDs(text, ids[Int(previous)], id)) }
      texts.append(text)
      ids.append(id)
    }
  }

  /// What two tokens cannot share.
  enum Conflict {
    case sameID(String, String, Int)
    case twoIDs(String, Int, Int)
  }

  /// Makes a token an added one. One that is not there is put at the id after the last.
  mutating func add(_ token: AddedToken) {
    let id = id(of: token.content) ?? end
    if id == end {
      positions[ByteKey(string: token.content)] = Int32(ids.count)
      texts.append(token.content)
      ids.append(id)
    }
    added[id] = token
  }

  /// The tokens with ids below `limit`.
  func below(_ limit: Int) -> Vocabulary {
    guard end > limit else { return self }
    var result = self
    while let id = result.ids.last, id >= limit {
      result.ids.removeLast()
      result.positions[ByteKey(string: result.texts.removeLast())] = nil
      result.added[id] = nil
    }
    return result
  }

  private func position(of id: Int) -> Int? {
    guard id >= 0 else { return nil }
    // An id is its own position, or after it.
    if id < ids.count, ids[id] == id { return id }
    var (low, high) = (0, min(ids.count, id))
    while low < high {
      let middle = (low + high) / 2
      if ids[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low < ids.count && ids[low] == id ? low : nil
  }
}
