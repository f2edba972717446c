import Foundation
import ScriptTestSupport
import Testing

/// The vocabularies that are read of tokenizers' files, and the files that are written of them.
@Suite struct VocabularyTests {
  private let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private func makeModel(_ name: String, _ files: [String: String], rows: Int = 64) throws {
    try bench.makeModel(
      name, [TestTensor("embed_tokens.weight", .f32, [rows, 1], (0..<rows).map(Float.init))])
    for (file, text) in files { try bench.write(text, to: "\(name)/\(file)") }
  }

  /// `id token id token …` of a model's vocabulary.
  private func tokens(_ name: String) throws -> String {
    try bench.lines(
      """
      local v = mk.model(here .. '\(name)'):vocabulary()
      local texts, ids = v:tokens()
      for i, text in ipairs(texts) do
        assert(v:token_to_id(text) == ids[i] and v:id_to_token(ids[i]) == text)
        texts[i] = ids[i] .. ' ' .. text
      end
      print(table.concat(texts, ' ') .. ' : ' .. v.count .. ' of ' .. v.size)
      """
    ).joined()
  }

  /// The error of asking for a model's vocabulary, without the folder.
  private func error(_ files: [String: String]) throws -> String {
    try makeModel("bad", files)
    return bench.error("\nlocal _ = mk.model(here .. 'bad'):vocabulary()")
      .replacingOccurrences(of: bench.folder + "/", with: "")
  }

  // MARK: Reading

  static let pairs = #"""
    {"model": {"type": "BPE", "vocab": {"b": 1, "a": 0, "ab": 2, "abb": 3}, "merges": ["a b", ["ab", "b"]]},
     "added_tokens": [{"id": 2, "content": "ab", "special": false},
                      {"id": 4, "content": "<s>", "special": true, "lstrip": true}]}
    """#

  @Test(arguments: [
    (["tokenizer.json": pairs], "0 a 1 b 2 ab 3 abb 4 <s> : 5 of 5"),
    (
      ["tokenizer.json": #"{"model": {"type": "Unigram", "vocab": [["<unk>", 0], ["▁x", -1.5]]}}"#],
      "0 <unk> 1 ▁x : 2 of 2"
    ),
    // Of equal keys the last counts.
    (
      ["tokenizer.json": #"{"model": {"vocab": {"a": 2, "b": 1, "a": 0}, "merges": [7]}}"#],
      "0 a 1 b : 2 of 2"
    ),
    (["vocab.json": #"{"b": 1, "a": 0, "b": 2}"#], "0 a 2 b : 2 of 3"),
    // The letters with accents differ by their bytes alone.
    (
      ["tokenizer.json": #"{"model": {"vocab": {"\u00e9": 0, "e\u0301": 1, "x": 5}}}"#],
      "0 \u{E9} 1 e\u{301} 5 x : 3 of 6"
    ),
    (
      [
        "vocab.json": #"{"a": 0, "b": 1}"#, "merges.txt": "#version: 0.2\na b\n",
        "added_tokens.json": #"{"<e>": 2}"#,
      ],
      "0 a 1 b 2 <e> : 3 of 3"
    ),
    (
      [
        "vocab.txt": "[UNK]\r\nx\n##y\n",
        "tokenizer_config.json":
          #"{"added_tokens_decoder": {"4": {"content": "n"}, "3": {"content": "m"}, "0": {"content": "[UNK]"}}}"#,
      ], "0 [UNK] 1 x 2 ##y 3 m 4 n : 5 of 5"
    ),
    // What transformers adds when it loads the tokenizer.
    (
      [
        "tokenizer.json": #"{"model": {"vocab": {"a": 0}}}"#,
        "tokenizer_config.json":
          #"{"pad_token": "<pad>", "eos_token": {"content": "</s>"}, "bos_token": "a"}"#,
        "special_tokens_map.json": #"{"additional_special_tokens": ["<x>"], "eos_token": "</s>"}"#,
      ], "0 a 1 </s> 2 <pad> 3 <x> : 4 of 4"
    ),
  ])
  func formsOfTokenizers(_ files: [String: String], _ expected: String) throws {
    try makeModel("m", files)
    #expect(try tokens("m") == expected)
  }

  @Test func aModelMayHaveNone() throws {
    try makeModel("m", ["tokenizer_config.json": "{}"])
    #expect(try bench.shown("mk.model(here .. 'm'):vocabulary()") == "nil")
  }

  @Test(arguments: [
    (
      ["tokenizer.model": "x"],
      "bad: has no tokenizer.json, only tokenizer.model, which is not read; transformers makes one: "
        + "AutoTokenizer.from_pretrained(\"bad\").save_pretrained(\"bad\")"
    ),
    (
      ["tokenizer.json": "{\n \"model\" 1}"],
      "bad/tokenizer.json:2:10: expected ':' after the key, found '1'"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": {"a": 0}, "merges": ["a b]}}"#],
      "bad/tokenizer.json:1:42: expected '\"' at the end of the string"
    ),
    (
      ["vocab.json": "[1]"],
      "bad/vocab.json: vocabulary: expected an object of tokens and ids, found an array"
    ),
    (["tokenizer.json": "[]"], "bad/tokenizer.json: model: expected an object, found nothing"),
    (
      ["tokenizer.json": #"{"model": {"vocab": 7}}"#],
      "bad/tokenizer.json: model.vocab: expected an object of tokens and ids, found 7"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": {"a": "0"}}}"#],
      "bad/tokenizer.json: model.vocab: token 'a': expected an id from 0 on, found '0'"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": {"a": -1}}}"#],
      "bad/tokenizer.json: model.vocab: token 'a': expected an id from 0 on, found -1"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": [["a", 0], 5]}}"#],
      "bad/tokenizer.json: model.vocab[1]: expected a token and its score, found 5"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": {"a": 1, "b": 0, "c": 1}}}"#],
      "bad/tokenizer.json: tokens 'a' and 'c' both have the id 1"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": [["a", 0], ["a", 0]]}}"#],
      "bad/tokenizer.json: token 'a' has two ids, 0 and 1"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": {"a": 1}}, "added_tokens": [{"content": "a", "id": 3}]}"#],
      "bad/tokenizer.json: token 'a' has two ids, 1 and 3"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": {"a": 1}}, "added_tokens": [{"content": "z", "id": 1}]}"#],
      "bad/tokenizer.json: tokens 'a' and 'z' both have the id 1"
    ),
    (
      ["tokenizer.json": #"{"model": {"vocab": {}}, "added_tokens": [{"content": "z"}]}"#],
      "bad/tokenizer.json: added_tokens[0]: expected an object with content and id, found an object"
    ),
    (
      ["vocab.json": "{", "tokenizer.model": ""],
      "bad/vocab.json:1:2: expected a key in quotes or '}', found the end of the text"
    ),
  ])
  func badFiles(_ files: [String: String], _ words: String) throws {
    #expect(try error(files) == "recipe.lua:2: " + words)
  }

  @Test func hugeIdsAreNotListed() throws {
    try makeModel("m", ["vocab.json": #"{"a": 2000000000}"#])
    #expect(
      bench.error("\nlocal v = mk.model(here .. 'm'):vocabulary() v:ids_in(v)")
        == "recipe.lua:2: ids_in: a vocabulary with the id 2000000000 cannot be listed")
  }

  // MARK: Changing

  @Test func unionsKeepTheFirstsIds() throws {
    try makeModel("m", ["tokenizer.json": Self.pairs])
    try makeModel(
      "other",
      [
        "tokenizer.json": #"""
        {"model": {"vocab": {"n": 7, "a": 1, "c": 0, "abb": 2, "y": 9}},
         "added_tokens": [{"id": 2, "content": "abb", "special": true}, {"id": 3, "content": "<s>"},
                          {"id": 4, "content": "<e>", "special": true}]}
        """#
      ])
    try makeModel(
      "third",
      [
        "tokenizer.json":
          #"{"model": {"vocab": {"y": 3, "x": 4}}, "added_tokens": [{"id": 4, "content": "x"}]}"#
      ])
    let lines = try bench.lines(
      """
      local function v(name) return mk.model(here .. name):vocabulary() end
      local union, differing = v 'm':union { v 'other', v 'third' }
      print(table.concat((union:tokens()), ' '), table.concat(differing, ' '))
      print(table.concat(union:ids_in(v 'other'), ' '))
      print(v 'm':shared_count(v 'other'), v 'm':strip(3).size, v 'm':add { 'a', 'z' }.size)
      print(v 'm' == v 'm', v 'm' == v 'third', v 'm')
      """)
    #expect(
      lines == [
        // What the others have in their vocabularies, then what they have added.
        "a b ab abb <s> c n y <e> x\t<s>", "1 -1 -1 2 3 0 7 9 4 -1", "3\t3\t6",
        "true\tfalse\tvocabulary of 5 tokens like '\(bench.folder)/m'",
      ])
    #expect(
      bench.error("\nlocal _ = mk.model(here .. 'm'):vocabulary().sise")
        == "recipe.lua:2: a vocabulary has no field or method 'sise' (did you mean 'size'?)")
    #expect(
      bench.error("\nmk.model(here .. 'm'):vocabulary():union { 1 }")
        == "recipe.lua:2: bad argument #1 to 'union' (element 1: vocabulary expected, got number)")
  }

  // MARK: Writing

  /// The tokenizer's files of a model with the vocabulary that an expression makes of its own, `v`.
  private func written(_ expression: String, of name: String = "m") throws -> [String: String] {
    bench.options.output.policy = .replace
    try bench.writeModel(
      of: """
        local m = mk.model(here .. '\(name)')
        local v = m:vocabulary()
        return mk.define_model { like = m, sources = { m }, names = m:names(), tokenizer = \(expression),
          build = function(name) return m:tensor(name) end }
        """, to: "out")
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(bench.folder)/out")
    var files: [String: String] = [:]
    for name in names where !["config.json", "model.safetensors", "README.md", "recipe.lua"].contains(name) {
      files[name] = try bench.text("out/\(name)").replacing(#/\s+/#, with: " ")
    }
    return files
  }

  private static let settings =
    #""single_word": false, "lstrip": false, "rstrip": false, "normalized": true, "special": false"#

  @Test func addedTokensComeIntoEveryFile() throws {
    let map = #"{"eos_token": "</s>"}"#
    try makeModel(
      "m",
      [
        "tokenizer.json":
          #"{"version": "1.0", "x": ["]", {"added_tokens": 1}], "added_tokens": [], "model": {"vocab": {"a": 0, "b": 1}}}"#,
        "tokenizer_config.json": #"{"x": 1e-05, "added_tokens_decoder": {}}"#,
        "special_tokens_map.json": map,
        "added_tokens.json": "{}", "tokenizer.model": "sp",
      ])
    #expect(try written("v")["tokenizer.json"]?.contains("\"added_tokens\": [],") == true)
    let settings = Self.settings
    #expect(
      try written("v:add { 'b', 'new' }") == [
        // All else keeps its bytes.
        "tokenizer.json":
          #"{"version": "1.0", "x": ["]", {"added_tokens": 1}], "added_tokens": [ { "id": 1, "content": "b", "#
          + #"\#(settings) }, { "id": 2, "content": "new", \#(settings) } ], "model": {"vocab": {"a": 0, "b": 1}}}"#,
        "tokenizer_config.json":
          #"{ "x": 1e-05, "added_tokens_decoder": { "1": { "content": "b", "lstrip": false, "#
          + #""normalized": true, "rstrip": false, "single_word": false, "special": false }, "2": { "content": "new", "#
          + #""lstrip": false, "normalized": true, "rstrip": false, "single_word": false, "special": false } } } "#,
        "special_tokens_map.json": map, "added_tokens.json": #"{ "b": 1, "new": 2 } "#,
        "tokenizer.model": "sp",
      ])
  }

  @Test func addedTokensThatAreThereKeepTheirSettings() throws {
    try makeModel("m", ["tokenizer.json": Self.pairs])
    let found = try written(#"v:add { 'b', '"\\\n' }"#)["tokenizer.json"]
    let expected =
      #""added_tokens": [ { "id": 1, "content": "b", \#(Self.settings) }, "#
      + #"{ "id": 2, "content": "ab", "special": false }, "#
      + #"{ "id": 4, "content": "<s>", "special": true, "lstrip": true }, "#
      + #"{ "id": 5, "content": "\"\\\n", \#(Self.settings) } ]"#
    #expect(found?.contains(expected) == true, "\(found ?? "")")
    #expect(try tokens("out") == "0 a 1 b 2 ab 3 abb 4 <s> 5 \"\\\n : 6 of 6")
  }

  @Test func strippedTokensLeaveNoTrace() throws {
    try makeModel(
      "m",
      [
        "tokenizer.json": Self.pairs,
        "tokenizer_config.json":
          #"{"bos_token": "<s>", "eos_token": "ab", "extra_special_tokens": ["<s>", "ab"], "#
          + #""added_tokens_decoder": {"2": {"content": "ab"}, "4": {"content": "<s>"}}}"#,
        "special_tokens_map.json": #"{"bos_token": {"content": "<s>"}}"#,
        "vocab.json": #"{"b": 1, "a": 0, "ab": 2, "abb": 3}"#, "merges.txt": "#version: 0.2\na b\nab b\n",
        "added_tokens.json": #"{"<s>": 4}"#, "tokenizer.model": "sp",
      ])
    #expect(
      try written("v:strip(3)") == [
        "tokenizer.json":
          #"{ "model": { "type": "BPE", "vocab": { "b": 1, "a": 0, "ab": 2 }, "merges": [ "a b" ] }, "#
          + #""added_tokens": [ { "id": 2, "content": "ab", "special": false } ] } "#,
        "tokenizer_config.json": #"{ "eos_token": "ab", "extra_special_tokens": [ "ab" ], "#
          + #""added_tokens_decoder": { "2": { "content": "ab" } } } "#,
        "special_tokens_map.json": "{} ", "vocab.json": #"{ "b": 1, "a": 0, "ab": 2 } "#,
        "merges.txt": "#version: 0.2 a b ", "added_tokens.json": #"{ "ab": 2 } "#,
      ])
    #expect(
      bench.warnings == [
        "tokenizer: tokenizer.model of '\(bench.folder)/m' has tokens that the output lacks, and is left out"
      ])
  }

  /// Byte-pair encoding knows no added tokens: a merge that makes one could not be loaded.
  @Test func mergesOfTokensThatComeBackAsAddedAreCut() throws {
    try makeModel("m", ["tokenizer.json": Self.pairs])
    let json = try #require(try written("v:strip(3):add { 'abb' }")["tokenizer.json"])
    #expect(
      json.hasPrefix(
        #"{ "model": { "type": "BPE", "vocab": { "b": 1, "a": 0, "ab": 2 }, "merges": [ "a b" ] }, "#))
    #expect(json.contains(#""id": 3, "content": "abb""#))
    try makeModel(
      "n",
      [
        "vocab.json": #"{"b": 1, "a": 0, "ab": 2, "abb": 3}"#, "merges.txt": "#version: 0.2\na b\nab b\n",
        "tokenizer_config.json": #"{"tokenizer_class": "GPT2Tokenizer"}"#,
      ])
    let files = try written("v:strip(3):add { 'abb' }", of: "n")
    #expect(files["merges.txt"] == "#version: 0.2 a b ")
    #expect(files["vocab.json"] == #"{ "b": 1, "a": 0, "ab": 2 } "#)
    #expect(files["added_tokens.json"] == #"{ "abb": 3 } "#)
  }

  /// The post-processor of a tokenizer.json whose ids from 3 on are cut.
  @Test(arguments: [
    (
      #"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, "#
        + #"{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "ab", "type_id": 0}}], "#
        + #""special_tokens": {"<s>": {"id": "<s>", "ids": [4]}, "ab": {"id": "ab", "ids": [2]}}}"#,
      #"{ "type": "TemplateProcessing", "single": [ { "Sequence": { "id": "A", "type_id": 0 } }, "#
        + #"{ "SpecialToken": { "id": "ab", "type_id": 0 } } ], "#
        + #""special_tokens": { "ab": { "id": "ab", "ids": [ 2 ] } } }"#
    ),
    (
      #"{"type": "Sequence", "processors": [{"type": "ByteLevel"}, "#
        + #"{"type": "BertProcessing", "sep": ["<s>", 4], "cls": ["ab", 2]}]}"#,
      #"{ "type": "Sequence", "processors": [ { "type": "ByteLevel" } ] }"#
    ),
    (#"{"type": "RobertaProcessing", "sep": ["ab", 2], "cls": ["<s>", 4]}"#, "null"),
  ])
  func strippedTokensAreNotPutAroundTexts(_ processor: String, _ expected: String) throws {
    let added = ##""added_tokens": [{"id": 4, "content": "<s>", "special": true}]"##
    try makeModel(
      "m",
      [
        "tokenizer.json": #"""
        {"post_processor": \#(processor), \#(added),
         "model": {"type": "BPE", "vocab": {"b": 1, "a": 0, "ab": 2, "abb": 3}, "merges": ["a b", "ab b"]}}
        """#
      ])
    let found = try #require(try written("v:strip(3)")["tokenizer.json"])
    #expect(found.hasPrefix(#"{ "post_processor": \#(expected), "added_tokens": []"#), "\(found)")
    #expect(
      bench.warnings == [
        "tokenizer: '<s>' of '\(bench.folder)/m' is no longer put around texts, as the output lacks it"
      ])
  }

  /// Beside a normalizer that writes them otherwise, new tokens are looked for in the text as it stands.
  @Test(arguments: [
    (#"{"type": "Lowercase"}"#, ["The": false, "the": true, "É": false]),
    (#"{"type": "StripAccents"}"#, ["The": true, "\u{301}": false]),
    (#"{"type": "Prepend", "prepend": "_"}"#, ["The": true]),
    (#"{"type": "Unknown"}"#, ["The": true]), ("null", ["The": true, "\u{301}": true]),
  ])
  func newTokensAreFoundBesideANormalizer(_ normalizer: String, _ expected: [String: Bool]) throws {
    try makeModel(
      "m",
      ["tokenizer.json": #"{"normalizer": \#(normalizer), "added_tokens": [], "model": {"vocab": {"a": 0}}}"#]
    )
    for (token, isNormalized) in expected {
      let text = try #require(try written("v:add { '\(token)' }")["tokenizer.json"])
      #expect(text.contains("\"normalized\": \(isNormalized)"), "\(token)")
    }
  }

  /// The class of a tokenizer may be its model's own code.
  @Test func codeOfAnotherModelsTokenizerComesAlong() throws {
    let config = #"{"auto_map": {"AutoTokenizer": ["tokenization_x.X", null]}}"#
    try makeModel(
      "m", ["tokenizer.json": Self.pairs, "config.json": #"{"auto_map": {}}"#, "modeling_x.py": "m"])
    try makeModel(
      "other",
      [
        "tokenizer.json": Self.pairs, "tokenizer_config.json": config, "tokenization_x.py": "t",
        "modeling_x.py": "other",
      ])
    let files = try written("mk.model(here .. 'other'):vocabulary():add { 'new' }")
    #expect(files["tokenization_x.py"] == "t" && files["modeling_x.py"] == "m")
    #expect(
      bench.warnings == [
        "tokenizer: modeling_x.py of '\(bench.folder)/other' is not copied, as the model has another file of that "
          + "name"
      ])
  }

  @Test func formsWithoutTokenizerJSONGetTheirAddedTokensBesideThem() throws {
    try makeModel(
      "m",
      [
        "vocab.txt": "[UNK]\nx\n##y\n", "tokenizer_config.json": #"{"tokenizer_class": "BertTokenizer"}"#,
        "special_tokens_map.json": #"{"unk_token": {"content": "[UNK]"}}"#,
      ])
    #expect(
      try written("v:strip(2):add { 'z' }") == [
        "vocab.txt": "[UNK] x ", "special_tokens_map.json": #"{ "unk_token": { "content": "[UNK]" } } "#,
        "added_tokens.json": #"{ "z": 2 } "#,
        "tokenizer_config.json": #"{ "tokenizer_class": "BertTokenizer", "unk_token": "[UNK]", "#
          + #""added_tokens_decoder": { "0": { "content": "[UNK]", "lstrip": false, "normalized": false, "#
          + #""rstrip": false, "single_word": false, "special": true }, "2": { "content": "z", "lstrip": false, "#
          + #""normalized": true, "rstrip": false, "single_word": false, "special": false } } } "#,
      ])
  }
}
