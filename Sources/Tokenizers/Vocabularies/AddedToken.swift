import Basics

/// A token that a tokenizer looks for in the text before anything else cuts it.
package struct AddedToken: Sendable, Hashable {
  package var content: String
  /// Only where it is a word by itself.
  package var isSingleWord: Bool
  /// Whether it takes the spaces before it, and after it.
  package var stripsLeft: Bool
  package var stripsRight: Bool
  /// Whether it is looked for in the normalized text.
  package var isNormalized: Bool
  /// Whether decoding may leave it out.
  package var isSpecial: Bool

  /// A token as `add_tokens` of the package `tokenizers` makes it of a text.
  package init(_ content: String, isSpecial: Bool = false) {
    self.content = content
    isSingleWord = false
    stripsLeft = false
    stripsRight = false
    isNormalized = !isSpecial
    self.isSpecial = isSpecial
  }

  /// Reads an object of tokenizer.json's `added_tokens` or of `added_tokens_decoder`; `nil` without a text.
  init?(_ json: JSON) {
    guard let content = json["content"]?.stringValue else { return nil }
    self.init(content, isSpecial: json["special"]?.boolValue ?? false)
    isSingleWord = json["single_word"]?.boolValue ?? false
    stripsLeft = json["lstrip"]?.boolValue ?? false
    stripsRight = json["rstrip"]?.boolValue ?? false
    isNormalized = json["normalized"]?.boolValue ?? isNormalized
  }

  /// The object of tokenizer.json's `added_tokens`.
  func json(id: Int) -> JSON {
    var object: JSONObject = [
      "id": JSON(id), "content": .string(content), "single_word": .bool(isSingleWord),
    ]
    object["lstrip"] = .bool(stripsLeft)
    object["rstrip"] = .bool(stripsRight)
    object["normalized"] = .bool(isNormalized)
    object["special"] = .bool(isSpecial)
    return .object(object)
  }

  /// Adds the object of tokenizer.json's `added_tokens`, laid out as in a list of the outermost object: there
  /// may be a hundred thousand of them.
  func appendText(id: Int, to text: inout [UInt8]) {
    func line(_ key: String, _ value: Bool) {
      text.append(contentsOf: key.utf8)
      text.append(contentsOf: (value ? "true" : "false").utf8)
    }
    text.append(contentsOf: "{\n      \"id\": ".utf8)
    text.append(contentsOf: String(id).utf8)
    text.append(contentsOf: ",\n      \"content\": ".utf8)
    JSON.appendQuoted(content, to: &text)
    line(",\n      \"single_word\": ", isSingleWord)
    line(",\n      \"lstrip\": ", stripsLeft)
    line(",\n      \"rstrip\": ", stripsRight)
    line(",\n      \"normalized\": ", isNormalized)
    line(",\n      \"special\": ", isSpecial)
    text.append(contentsOf: "\n    }".utf8)
  }

  /// The value of tokenizer_config.json's `added_tokens_decoder`.
  var decoderJSON: JSON {
    .object([
      "content": .string(content), "lstrip": .bool(stripsLeft), "normalized": .bool(isNormalized),
      "rstrip": .bool(stripsRight), "single_word": .bool(isSingleWord), "special": .bool(isSpecial),
    ])
  }
}
