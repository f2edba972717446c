import Basics

/// The tokenizer of a model's directory, and what an output's is to have otherwise. It never changes; what
/// makes another one of it reads nothing but the normalizer.
package final class TokenizerFiles: Sendable {
  /// The files that it is like.
  package let files: any ModelFiles
  /// What messages call the model of these files.
  package let label: String
  /// All tokens, with the changes.
  package let vocabulary: Vocabulary

  let form: VocabularyReader.Form
  /// The ids from this one on are none of the files' any more.
  let limit: Int?
  /// The texts of tokens that the files do not have as added ones, in the order of their ids.
  let additions: [String]
  /// Whether it is otherwise than loading the files gives it.
  let isChanged: Bool

  /// Reads the tokenizer among a model's files; `nil` if there is none.
  ///
  /// Throws `TokenizerError`, or a `FileError` of a file that cannot be read or is not JSON.
  package init?(in files: any ModelFiles, label: String) throws {
    guard var reader = try VocabularyReader(in: files) else { return nil }
    self.files = files
    self.label = label
    form = reader.form
    let (vocabulary, implied) = try reader.read()
    self.vocabulary = vocabulary
    limit = nil
    additions = implied.map(\.content)
    isChanged = false
  }

  /// Whether two models have tokenizers of a form that is not read, in equal files: then they are one tokenizer.
  package static func areEqualUnread(_ first: any ModelFiles, _ second: any ModelFiles) -> Bool {
    guard let name = VocabularyReader.unreadFile(in: first), name == VocabularyReader.unreadFile(in: second)
    else {
      return false
    }
    return [name, "added_tokens.json"].allSatisfy { name in
      (try? first.contents(name)) == (try? second.contents(name))
    }
  }

  private init(_ other: TokenizerFiles, vocabulary: Vocabulary, limit: Int?, additions: [String]) {
    files = other.files
    label = other.label
    form = other.form
    self.vocabulary = vocabulary
    self.limit = limit
    self.additions = additions
    isChanged = true
  }

  /// Without the tokens whose ids are not below `limit`, which have no row in an embedding of so many.
  package func stripped(to limit: Int) -> TokenizerFiles {
    guard vocabulary.end > limit else { return self }
    let left = vocabulary.below(limit)
    return TokenizerFiles(
      self, vocabulary: left, limit: min(limit, self.limit ?? limit),
      additions: additions.filter { left.id(of: $0) != nil })
  }

  /// With added tokens: those that are there keep their ids, others follow the last one.
  ///
  /// A token that the normalizer would change into something else is looked for in the text as it stands:
  /// `The` would be found wherever a text has `the`, and a token of which nothing is left everywhere.
  package func adding(_ tokens: [AddedToken]) -> TokenizerFiles {
    guard !tokens.isEmpty else { return self }
    var vocabulary = vocabulary
    let normalizer = TokenizerDirectory.normalizer(of: files)
    for var token in tokens {
      if token.isNormalized, let normalizer {
        token.isNormalized = normalizer.keeps(Array(token.content.utf8))
      }
      vocabulary.add(token)
    }
    return TokenizerFiles(
      self, vocabulary: vocabulary, limit: limit, additions: additions + tokens.map(\.content))
  }

  /// With the tokens of others, in their order: first what they have in their vocabularies, then what they
  /// have added. A text that any of them has as an added token is one in the result, as the first has it. The
  /// rules of mergekit 0.1.5.
  ///
  /// - Returns: The union, and the texts of added tokens that several have with different settings.
  package func union(with others: [TokenizerFiles]) -> (files: TokenizerFiles, differing: [String]) {
    // The places in `order` of what is added anywhere.
    var settings = ByteTable(minimumCapacity: 0)
    var order: [AddedToken] = []
    var differing = ByteTable(minimumCapacity: 0)
    for files in [self] + others {
      for id in files.vocabulary.added.keys.sorted() {
        let token = files.vocabulary.added[id]!
        if let first = settings[token.content] {
          if order[first] != token { differing.set(token.content, first) }
        } else {
          settings.set(token.content, order.count)
          order.append(token)
        }
      }
    }
    var new: [AddedToken] = []
    var seen = ByteTable(minimumCapacity: 0)
    for files in others {
      files.vocabulary.forEachText(lackingIn: vocabulary) { text in
        guard settings[text] == nil, seen[text] == nil else { return }
        seen.set(text, new.count)
        new.append(AddedToken(String(decoding: text, as: UTF8.self)))
      }
    }
    new += order.filter { vocabulary.addedToken($0.content) == nil }
    return (adding(new), (0..<differing.count).map { order[differing.value(at: $0)].content })
  }

  /// How many of another vocabulary's tokens are in this one.
  package func sharedCount(with other: TokenizerFiles) -> Int {
    vocabulary.sharedCount(with: other.vocabulary)
  }
}
