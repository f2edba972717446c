import Basics
import SystemPackage
import TestSupport
import Testing
import Tokenizers

/// Tokenizer files that cannot be used, and what is said of them.
@Suite struct BadTokenizerTests {
  private static let words =
    #""model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "<unk>"}"#

  private func message(_ text: String) throws -> String {
    let json = try JSON(parsing: text)
    do {
      _ = try Tokenizer(json: json, file: "t.json")
      return "none"
    } catch { return "\(error)" }
  }

  @Test(arguments: [
    ("[]", "t.json: the file: expected an object, found an array"),
    ("{}", "t.json: model: expected an object, found nothing"),
    (#"{"version": "2.0"}"#, "t.json: version: expected '1.0', found '2.0'"),
    (#"{"model": {"type": "BPF"}}"#, "t.json: model: unknown type 'BPF' (did you mean 'BPE'?)"),
    (#"{"model": {"type": "BPE", "vocab": {}}}"#, "t.json: model.merges: expected an array, found nothing"),
    (
      #"{"model": {"type": "BPE", "vocab": {}, "merges": [], "dropout": 0.1}}"#,
      "t.json: model.dropout: dropout gives other ids each time; 0 or null was expected"
    ),
    (
      #"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}}"#,
      "t.json: model.merges[0]: 'ab' is not in the vocabulary"
    ),
    (
      #"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a"]]}}"#,
      #"t.json: model.merges[0]: expected two tokens, in an array or with a space between, found ["a"]"#
    ),
    (
      #"{"model": {"type": "BPE", "vocab": {"a": 1, "b": 1}, "merges": []}}"#,
      "t.json: model.vocab: 'a' and 'b' both have the id 1"
    ),
    (
      #"{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}"#,
      "t.json: model.vocab['a']: expected an id from 0 to 16777215, found -1"
    ),
    (
      #"{"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 1}}"#,
      "t.json: model.unk_id: the id 1 is beyond the 1 tokens of the vocabulary"
    ),
    (
      #"{"model": {"type": "Unigram", "vocab": [["a"]]}}"#,
      #"t.json: model.vocab[0]: expected a token and its score, found ["a"]"#
    ),
  ])
  func models(_ text: String, _ expected: String) throws {
    #expect(try message(text) == expected)
  }

  @Test(arguments: [
    (
      #""pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, {"type": "Digit"}]}"#,
      "t.json: pre_tokenizer.pretokenizers[1]: unknown type 'Digit' (did you mean 'Digits'?)"
    ),
    (
      #""normalizer": {"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": 1}]}"#,
      "t.json: normalizer.normalizers[0].strip_left: expected a boolean, found a number"
    ),
    (
      #""normalizer": {"type": "Replace", "pattern": {"Regex": "(a"}, "content": ""}"#,
      "t.json: normalizer.pattern: (a is no regular expression: a ( is not closed"
    ),
    (
      #""pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?~a)"}, "behavior": "Removed", "invert": false}"#,
      "t.json: pre_tokenizer.pattern: the regular expression (?~a) has (?~, which is not supported"
    ),
    (
      #""normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}"#,
      "t.json: normalizer.precompiled_charsmap: is no table of replacements: 3 bytes that begin with the length 0"
    ),
    (
      #""pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Remove", "invert": false}"#,
      "t.json: pre_tokenizer.behavior: expected one of Removed, Isolated, MergedWithPrevious, MergedWithNext, "
        + "Contiguous, found 'Remove'"
    ),
    (
      #""pre_tokenizer": {"type": "Metaspace", "replacement": "__", "split": true}"#,
      "t.json: pre_tokenizer.replacement: expected one character, found '__'"
    ),
    (
      #""post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}}], "#
        + #""special_tokens": {}}"#,
      "t.json: post_processor.single[0]: the special token 'x' is not in special_tokens"
    ),
    (
      #""decoder": {"type": "Wordpiece"}"#,
      "t.json: decoder: unknown type 'Wordpiece' (did you mean 'WordPiece'?)"
    ),
    (
      #""added_tokens": [{"id": 5, "content": "c"}]"#,
      "t.json: added_tokens[0]: 'c' has the id 5, where it must be 2: ids count on from the vocabulary's"
    ),
    (
      #""added_tokens": [{"id": 1, "content": "a"}]"#,
      "t.json: added_tokens[0]: 'a' has the id 1, where it must be 0: so has the vocabulary"
    ),
  ])
  func components(_ component: String, _ expected: String) throws {
    #expect(try message("{\(component), \(Self.words)}") == expected)
  }

  @Test func textThatTheVocabularyLacks() throws {
    let tokenizer = try Tokenizer(json: JSON(parsing: "{\(Self.words)}"), file: "t.json")
    #expect(try tokenizer.encode("a") == [0])
    #expect(throws: TokenizationError.unknownText(text: "c", token: "<unk>")) { try tokenizer.encode("c") }
  }

  // MARK: Directories

  private func directory(_ files: [String: String], _ body: (FilePath) throws -> Void) throws {
    let folder = try TemporaryDirectory()
    for (name, text) in files { _ = try folder.write(text, to: name) }
    try body(FilePath(folder.path))
  }

  @Test func directoriesWithoutATokenizer() throws {
    try directory([:]) { path in
      #expect(throws: TokenizationError.noTokenizer(directory: path)) { try Tokenizer(contentsOf: path) }
    }
    try directory(["tokenizer.model": "x"]) { path in
      #expect(throws: TokenizationError.sentencePieceOnly(directory: path)) {
        try Tokenizer(contentsOf: path)
      }
    }
    try directory(["vocab.txt": "a\n"]) { path in
      #expect(
        throws: TokenizationError.unknownClass(
          directory: path, files: "vocab.txt", className: nil,
          known: ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"])
      ) { try Tokenizer(contentsOf: path) }
    }
  }

  @Test func vocabularyFilesOfBERT() throws {
    let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nwor\n##ld\n"
    try directory([
      "vocab.txt": vocabulary, "tokenizer_config.json": #"{"tokenizer_class": "BertTokenizer"}"#,
    ]) { path in
      let tokenizer = try Tokenizer(contentsOf: path)
      let ids = try tokenizer.encode("Héllo world [MASK]", addSpecialTokens: true)
      #expect(ids == [2, 5, 6, 7, 4, 3])
      #expect(try tokenizer.decode(ids, skipSpecialTokens: true) == "hello world")
      #expect(tokenizer.count == 8)
    }
  }

  @Test func vocabularyFilesOfGPT2() throws {
    let vocabulary = #"{"<|endoftext|>": 0, "a": 1, "b": 2, "Ġ": 3, "ab": 4, "Ġab": 5}"#
    try directory([
      "vocab.json": vocabulary, "merges.txt": "#version: 0.2\na b\nĠ ab\n",
      "tokenizer_config.json":
        #"{"tokenizer_class": "GPT2TokenizerFast", "bos_token": {"content": "<|endoftext|>"}}"#,
    ]) { path in
      let tokenizer = try Tokenizer(contentsOf: path)
      #expect(try tokenizer.encode("ab ab<|endoftext|>b") == [4, 5, 0, 2])
      #expect(tokenizer.specialTokens[.bos] == "<|endoftext|>")
      #expect(tokenizer.specialTokens[.eos] == nil)
      #expect(
        tokenizer.tokenToID("Ġab") == 5 && tokenizer.idToToken(5) == "Ġab" && tokenizer.idToToken(6) == nil)
      #expect(tokenizer.vocabulary.map(\.token) == ["<|endoftext|>", "a", "b", "Ġ", "ab", "Ġab"])
    }
  }
}
