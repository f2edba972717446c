import Basics

/// Token ids of config.json and generation_config.json, written for one vocabulary, in the terms of another: a token
/// keeps its meaning, and with it its key.
package struct TokenIDMap: Sendable {
  private let old: Vocabulary
  private let new: Vocabulary

  /// From the ids of `old` to those of `new`.
  package init(from old: Vocabulary, to new: Vocabulary) {
    self.old = old
    self.new = new
  }

  /// A value whose token the new vocabulary lacks.
  package struct Loss: Equatable, Sendable {
    package let key: String
    package let token: String
    /// What stands there now; `nil` if the key is gone.
    package let replacement: String?

    package init(key: String, token: String, replacement: String?) {
      self.key = key
      self.token = token
      self.replacement = replacement
    }
  }

  /// A file's values with the new ids.
  ///
  /// - Parameter donor: The same file of the model whose tokenizer the new one is: it has a value for a key whose token
  ///   is not there any more.
  /// - Returns: The values, and which of them could not be kept.
  package func mapped(_ json: JSON, donor: JSON? = nil) -> (json: JSON, losses: [Loss]) {
    var losses: [Loss] = []
    return (map(json, donor, [], &losses), losses)
  }

  private func map(_ json: JSON, _ donor: JSON?, _ path: [String], _ losses: inout [Loss]) -> JSON {
    guard case .object(let object) = json else { return json }
    var result = JSONObject()
    for (key, value) in object {
      let path = path + [key]
      if value.objectValue != nil {
        result[key] = map(value, donor?[key], path, &losses)
      } else if Self.holdsIDs(key) {
        switch ids(value) {
        case .success(let mapped): result[key] = mapped
        case .failure(let lost):
          let replacement = donor?[key].flatMap { isKnown($0) ? $0 : nil }
          result[key] = replacement
          losses.append(
            Loss(
              key: path.joined(separator: "."), token: lost.token,
              replacement: replacement.map { String(decoding: $0.utf8(.compact), as: UTF8.self) }))
        }
      } else {
        result[key] = value
      }
    }
    return .object(result)
  }

  private static let lists: Set = ["suppress_tokens", "begin_suppress_tokens", "bad_words_ids"]

  private static func holdsIDs(_ key: String) -> Bool {
    lists.contains(key)
      || ["token_id", "token_ids", "token_index"].contains { key == $0 || key.hasSuffix("_\($0)") }
  }

  private struct Lost: Error { let token: String }

  /// A number, or lists of numbers. An id without a token (a row of padding, -1) is left as it is.
  private func ids(_ value: JSON) -> Result<JSON, Lost> {
    if let list = value.arrayValue {
      // Of a list, what is left is enough.
      var kept: [JSON] = []
      var lost: Lost?
      for element in list {
        switch ids(element) {
        case .success(let mapped): kept.append(mapped)
        case .failure(let failure): lost = lost ?? failure
        }
      }
      if let lost, kept.isEmpty { return .failure(lost) }
      return .success(.array(kept))
    }
    guard let id = value.intValue, let token = old.text(of: id) else { return .success(value) }
    guard let mapped = new.id(of: token) else { return .failure(Lost(token: token)) }
    return .success(JSON(mapped))
  }

  private func isKnown(_ value: JSON) -> Bool {
    if let list = value.arrayValue { return !list.isEmpty && list.allSatisfy(isKnown) }
    return value.intValue.map { new.text(of: $0) != nil } ?? false
  }
}
