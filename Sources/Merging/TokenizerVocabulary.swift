import Checkpoints
import SystemPackage

/// Which id each token has, by a tokenizer's files: tokenizer.json (its `model.vocab` and `added_tokens`), else
/// vocab.json with added_tokens.json, else vocab.txt. A SentencePiece `tokenizer.model` is compared as bytes.
package struct TokenizerVocabulary {
  private let ids: [String: Int]
  /// The file where that is not read.
  private let bytes: [UInt8]

  /// Reads the vocabulary of a model's directory; `nil` if it has no file with one.
  ///
  /// Throws what is wrong with the file.
  package init?(in directory: FilePath) throws {
    func isThere(_ name: String) -> Bool { (try? directory.appending(name).stat())?.type == .regular }
    var ids: [String: Int] = [:]
    var bytes: [UInt8] = []
    if isThere("tokenizer.json") {
      let json = try JSON(contentsOf: directory.appending("tokenizer.json"))
      Self.add(json["model"]?["vocab"], to: &ids)
      for token in json["added_tokens"]?.arrayValue ?? [] {
        if let text = token["content"]?.stringValue, let id = token["id"]?.intValue { ids[text] = id }
      }
    } else if isThere("vocab.json") {
      Self.add(try JSON(contentsOf: directory.appending("vocab.json")), to: &ids)
      if isThere("added_tokens.json") {
        Self.add(try JSON(contentsOf: directory.appending("added_tokens.json")), to: &ids)
      }
    } else if isThere("vocab.txt") {
      let lines = try fileContents(directory.appending("vocab.txt")).split(
        separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      for (id, line) in lines.enumerated() where !line.isEmpty {
        ids[String(decoding: line, as: UTF8.self)] = id
      }
    } else if isThere("tokenizer.model") {
      bytes = try fileContents(directory.appending("tokenizer.model"))
    } else {
      return nil
    }
    self.ids = ids
    self.bytes = bytes
  }

  /// How another vocabulary differs from this one, in words about `theirs` and `ours`; `nil` if it does not.
  package func difference(from other: TokenizerVocabulary, ours: String, theirs: String) -> String? {
    if bytes != other.bytes { return "their tokenizer files differ" }
    // The token with the lowest id, so that the words are the same each time.
    let differing = ids.filter { other.ids[$0.key] != $0.value }
    if let (token, id) = differing.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }) {
      let found = other.ids[token].map { "\($0) in '\(theirs)'" } ?? "unknown to '\(theirs)'"
      return "token '\(token)' is \(id) in '\(ours)' and \(found)"
    }
    let added = other.ids.filter { ids[$0.key] == nil }
    return added.min { ($0.value, $0.key) < ($1.value, $1.key) }.map { token, id in
      "token '\(token)' is \(id) in '\(theirs)' and unknown to '\(ours)'"
    }
  }

  /// Adds tokens of an object of ids, or of a list of `[token, score]` (Unigram), whose places are the ids.
  private static func add(_ vocabulary: JSON?, to ids: inout [String: Int]) {
    for (token, id) in vocabulary?.objectValue ?? JSONObject() {
      if let id = id.intValue { ids[token] = id }
    }
    for (id, entry) in (vocabulary?.arrayValue ?? []).enumerated() {
      if let token = entry[0]?.stringValue { ids[token] = id }
    }
  }
}
