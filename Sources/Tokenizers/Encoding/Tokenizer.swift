import Basics
import SystemPackage

/// A model's tokenizer: text to ids and back, as the Hugging Face package `tokenizers` does it.
///
/// A text passes through the stages of tokenizer.json: added tokens are cut out of it, the rest is
/// normalized, split, and encoded by the model piece by piece, and special tokens are put around the ids.
/// What the file says of truncation and padding is left out, as transformers' `AutoTokenizer` does unless it
/// is told otherwise.
package final class Tokenizer: Sendable {
  private let normalizer: Normalizer?
  private let preTokenizer: PreTokenizer?
  private let model: TokenModel
  private let postProcessor: PostProcessor?
  private let decoder: Decoder?
  private let added: AddedTokens

  /// The special tokens that the model's files name.
  package let specialTokens: SpecialTokens

  /// Reads the tokenizer of a model's directory, or a tokenizer.json.
  ///
  /// A directory without tokenizer.json may have the vocabulary files of the classes that
  /// `TokenizerDirectory` knows. Throws what is wrong with the files.
  package convenience init(contentsOf path: FilePath) throws {
    try self.init(TokenizerDirectory(path))
  }

  /// Reads the tokenizer among a model's files, as that of a directory.
  package convenience init(contentsOf files: any ModelFiles) throws {
    try self.init(TokenizerDirectory(files))
  }

  /// The tokenizer that a model is written with, of the changes and what its directory has beside them.
  package convenience init(_ files: TokenizerFiles) throws {
    try self.init(TokenizerDirectory(files))
  }

  private convenience init(_ directory: TokenizerDirectory) throws {
    try self.init(
      json: directory.definition(), file: directory.definitionFile.string,
      specialTokens: directory.specialTokens())
  }

  /// Makes the tokenizer that the JSON of a tokenizer.json describes; errors name `file`.
  package init(json: JSON, file: String, specialTokens: SpecialTokens = SpecialTokens()) throws {
    let top = Component(json: json, file: file, place: "")
    guard json.objectValue != nil else {
      throw TokenizationError.badValue(file: file, place: "the file", expected: "an object", found: json.kind)
    }
    if let version = try top.optionalString("version"), version != "1.0" {
      throw TokenizationError.badValue(file: file, place: "version", expected: "'1.0'", found: "'\(version)'")
    }
    normalizer = try top.field("normalizer").map(Normalizer.init)
    preTokenizer = try top.field("pre_tokenizer").map(PreTokenizer.init)
    model = try TokenModel(top.required("model", "an object"))
    postProcessor = try top.field("post_processor").map(PostProcessor.init)
    decoder = try top.field("decoder").map(Decoder.init)
    added = try AddedTokens(
      top.field("added_tokens")?.elements() ?? [], model: model.vocabulary, normalizer: normalizer)
    self.specialTokens = specialTokens
  }

  // MARK: Encoding

  /// The ids of a text, with those that the post-processor puts around it if `addsSpecialTokens`.
  package func encode(_ text: String, addSpecialTokens addsSpecialTokens: Bool = false) throws -> [Int] {
    var ids: [Int] = []
    var text = text
    var pieces = try text.withUTF8 { try added.split($0, normalizer: normalizer) }
    try preTokenizer?.apply(to: &pieces)
    try model.encode(pieces, to: &ids)
    return postProcessor?.apply(to: ids, addsSpecialTokens: addsSpecialTokens) ?? ids
  }

  /// The text of ids; those that no token has are left out, and special tokens if `skipsSpecialTokens`.
  package func decode(_ ids: some Sequence<Int>, skipSpecialTokens skipsSpecialTokens: Bool = false) throws
    -> String
  {
    let tokens = ids.compactMap { id -> [UInt8]? in
      guard let text = text(of: id), !(skipsSpecialTokens && added.isSpecial(text)) else { return nil }
      return text
    }
    guard let decoder else { return String(decoding: Array(tokens.joined(separator: [0x20])), as: UTF8.self) }
    return String(decoding: Array(try decoder.apply(to: tokens).joined()), as: UTF8.self)
  }

  // MARK: The vocabulary

  /// How many tokens there are, added ones included.
  package var count: Int {
    model.vocabulary.count + added.tokens.count { model.vocabulary[Array($0.content.utf8)] == nil }
  }

  /// All tokens, added ones included, in the order of their ids.
  package var vocabulary: [(token: String, id: Int)] {
    var result: [(token: String, id: Int)] = []
    result.reserveCapacity(count)
    model.vocabulary.forEach { token, id in result.append((String(decoding: token, as: UTF8.self), id)) }
    for token in added.tokens where model.vocabulary[Array(token.content.utf8)] == nil {
      result.append((token.content, token.id))
    }
    return result.sorted { $0.id < $1.id }
  }

  /// The id of a token.
  package func tokenToID(_ token: String) -> Int? {
    let bytes = Array(token.utf8)
    return added.id(of: bytes) ?? model.vocabulary[bytes]
  }

  /// The token of an id; an added token that is looked for in normalized text comes as normalized.
  package func idToToken(_ id: Int) -> String? {
    text(of: id).map { String(decoding: $0, as: UTF8.self) }
  }

  private func text(of id: Int) -> [UInt8]? {
    added.text(of: id) ?? model.vocabulary.token(of: id).map { Array($0) }
  }
}
