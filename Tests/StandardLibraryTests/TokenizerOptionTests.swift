import Foundation
import ScriptTestSupport
import Testing

/// `tokenizer` of a merge: which row each token gets.
@Suite struct TokenizerOptionTests {
  private let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  // MARK: Models

  /// A model whose embedding has the row (v, −v) for v = `first`, `first` + 1, …, and whose head has 10 times that.
  private func makeModel(
    _ name: String, _ tokens: [String], added: [String] = [], first: Float, rows: Int? = nil,
    head: Bool = true,
    bias: Bool = false, config: String? = nil
  ) throws {
    let count = rows ?? tokens.count + added.count
    let values = (0..<count).map { first + Float($0) }
    var tensors = [
      TestTensor("model.embed_tokens.weight", .f32, [count, 2], values.flatMap { [$0, -$0] }),
      TestTensor("model.layers.0.w", .f32, [1], [first]),
    ]
    if head {
      tensors.append(TestTensor("lm_head.weight", .f32, [count, 2], values.flatMap { [$0 * 10, 0] }))
    }
    if bias { tensors.append(TestTensor("lm_head.bias", .f32, [count], values.map { $0 * 100 })) }
    try bench.makeModel(
      name, tensors,
      config: config ?? #"{"vocab_size": \#(count), "tie_word_embeddings": \#(!head)}"#)
    let vocabulary = tokens.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
    let additions = added.enumerated().map {
      #"{"id": \#(tokens.count + $0), "content": "\#($1)", "special": true}"#
    }.joined(separator: ", ")
    try bench.write(
      #"{"model": {"type": "BPE", "vocab": {\#(vocabulary)}, "merges": []}, "added_tokens": [\#(additions)]}"#,
      to: "\(name)/tokenizer.json")
  }

  /// A merge that sums the models.
  private func sum(_ names: String..., tokenizer: String, fields: String = "") -> String {
    let list = names.map { "{ m '\($0)', weight = 1 }" }.joined(separator: ", ")
    return """
      local function m(name) return mk.model(here .. name) end
      return mk.merge { method = 'linear', models = { \(list) }, parameters = { normalize = false },
        tokenizer = \(tokenizer), \(fields) }
      """
  }

  /// The first elements of the rows of the embedding.
  private func rows(_ script: String, _ name: String = "model.embed_tokens.weight") throws -> [Float] {
    let tensor = try bench.tensor(script, name)
    return tensor.shape.count == 1
      ? tensor.elements : stride(from: 0, to: tensor.elements.count, by: 2).map { tensor.elements[$0] }
  }

  /// The tokens of a model that a script returns, in the order of their ids.
  private func tokens(_ script: String) throws -> String {
    try bench.lines(
      "local model = (function() \(script) end)() print(table.concat((model:vocabulary():tokens()), ' '))"
    ).joined()
  }

  private var warnings: [String] {
    bench.warnings.map { $0.replacingOccurrences(of: bench.folder + "/", with: "") }
  }

  private func error(_ script: String) -> String {
    bench.outputError("\n" + script.replacing("\n", with: " ")).replacingOccurrences(
      of: bench.folder + "/", with: "")
  }

  // MARK: Rules

  @Test func theUnionTakesTheBasesRowElseTheOnlyOneElseTheMean() throws {
    try makeModel("one", ["a", "b"], first: 1)
    try makeModel("two", ["b", "c", "d"], first: 10)
    try makeModel("three", ["d", "c", "e", "a"], first: 100)
    let union = sum("one", "two", "three", tokenizer: "'union'")
    #expect(try tokens(union) == "a b c d e")
    // a: 1 + mean(1, 103) + 103; b: 2 + 10 + mean; c, d: the mean of 11 and 101, of 12 and 100; e: the only one.
    #expect(try rows(union) == [156, 18, 168, 168, 306])
    let withBase = sum("one", "two", "three", tokenizer: "'union'", fields: "base = m 'one'")
    #expect(try rows(withBase) == [105, 14, 168, 168, 306])
    #expect(try rows(withBase, "lm_head.weight") == [1050, 140, 1680, 1680, 3060])
    #expect(warnings == [])
  }

  @Test func theBasesAndAModelsVocabulary() throws {
    try makeModel("one", ["a", "b"], first: 1)
    try makeModel("two", ["b", "c"], first: 10)
    let base = sum("one", "two", tokenizer: "'base'", fields: "base = m 'two'")
    #expect(try rows(base) == [12, 22])
    #expect(try tokens(base) == "b c")
    let model = sum("one", "two", tokenizer: "m 'two'")
    #expect(try rows(model) == [12, 22])
    #expect(try tokens(sum("one", "two", tokenizer: "{ source = m 'one' }")) == "a b")
    // A vocabulary of neither.
    try makeModel("other", ["c", "z", "a"], first: 50)
    #expect(try rows(sum("one", "two", tokenizer: "m 'other'")) == [22, 0, 2])
    #expect(
      Set(warnings) == [
        "tokenizer: 1 token of 'one' is not in the result's vocabulary, and its row is left out: 'a'",
        "tokenizer: 1 token of 'two' is not in the result's vocabulary, and its row is left out: 'c'",
        "tokenizer: 1 token of 'one' is not in the result's vocabulary, and its row is left out: 'b'",
        "tokenizer: 1 token of 'two' is not in the result's vocabulary, and its row is left out: 'b'",
        "tokenizer: a token has no row in any of the models, so it gets one of zeros: 'z'",
      ])
  }

  @Test func aVocabularyThatAllHaveCopiesTheirBytes() throws {
    try makeModel("one", ["a", "b"], first: 1)
    let script = """
      local m = mk.model(here .. 'one')
      return mk.merge { method = 'passthrough', models = { m }, tokenizer = 'union' }
      """
    #expect(try bench.output(script) == bench.output("return mk.model(here .. 'one')"))
  }

  @Test func whatTheConfigSaysOfTokens() throws {
    try makeModel("one", ["a", "b"], first: 1)
    try makeModel("two", ["b", "c"], first: 10)
    try makeModel("guest", ["x", "b"], first: 1000)
    let script = sum(
      "one", "two",
      tokenizer: """
        { tokens = {
          a = { source = { model = m 'two', token = 'c' } }, b = { source = m 'guest', force = true },
          c = { source = 'zero' }, new = { source = { model = m 'guest', token_id = 0 } }, q = {}, r = { force = true },
        }, pad_to_multiple_of = 4 }
        """)
    #expect(try tokens(script) == "a b c new q r")
    let found = try rows(script)
    #expect(found.prefix(6) == [12, 2002, 11, 2000, 0, 0])
    #expect(found.suffix(2).allSatisfy { abs($0 - 4025 / 6) < 1e-3 } && found.count == 8)
    #expect(
      Set(warnings) == [
        "tokenizer: 2 tokens have no row in any of the models, so they get rows of zeros: 'q', 'r'"
      ])
    #expect(try bench.shown("(function() \(script) end)().config.vocab_size") == "8")
  }

  @Test func gapsBetweenIdsArePadding() throws {
    try makeModel("one", ["a", "b"], first: 1, rows: 7)
    try bench.write(#"{"model": {"vocab": {"a": 4, "b": 1}}}"#, to: "one/tokenizer.json")
    #expect(try rows(sum("one", tokenizer: "'base'")) == [3.5, 2, 3.5, 3.5, 5])
    #expect(
      warnings == [
        "tokenizer: the ids of the vocabulary leave gaps: 3 of 5 have no token; their rows are the mean of the others"
      ])
  }

  @Test func paddedEmbeddingsGiveTheRowsOfTheirTokens() throws {
    try makeModel("one", ["a", "b"], first: 1, rows: 8)
    try makeModel("two", ["b", "a", "c"], first: 10, rows: 5)
    #expect(try rows(sum("one", "two", tokenizer: "'union'")) == [12, 12, 24])
  }

  @Test func tokensWithoutARowAreStripped() throws {
    try makeModel("one", ["a", "b"], added: ["<p>", "<q>"], first: 1, rows: 2)
    try makeModel("two", ["b"], added: ["<q>", "<r>"], first: 10, rows: 3, config: #"{"vocab_size": 2}"#)
    let union = sum("one", "two", tokenizer: "'union'")
    #expect(try tokens(union) == "a b <q>")
    #expect(try rows(union) == [2, 12, 22])
    #expect(
      Set(warnings) == [
        "tokenizer: 2 tokens of 'one' are left out, as the embedding has 2 rows: '<p>', '<q>'",
        "tokenizer: 1 token of 'two' is left out, as the embedding has 2 rows: '<r>'",
      ])
  }

  // MARK: Tensors

  @Test func biasesAndTiedHeadsFollow() throws {
    try makeModel("one", ["a", "b"], first: 1, bias: true)
    try makeModel("two", ["b", "c"], first: 10, bias: true)
    #expect(try rows(sum("one", "two", tokenizer: "'union'"), "lm_head.bias") == [200, 1200, 2200])
    try makeModel("tied", ["c", "b"], first: 100, head: false)
    let mixed = sum("one", "tied", tokenizer: "'union'")
    #expect(try rows(mixed, "lm_head.weight") == [20, 121, 200])
    #expect(try rows(sum("tied", tokenizer: "{ pad_to_multiple_of = 3 }")) == [100, 101, 100.5])
  }

  @Test func theSizeIsWrittenWhereTheConfigHasIt() throws {
    let config = #"{"model_type": "x", "text_config": {"vocab_size": 2, "num_hidden_layers": 1}}"#
    try makeModel("one", ["a", "b"], first: 1, config: config)
    try makeModel("two", ["b", "c"], first: 10, config: config)
    let script = sum("one", "two", tokenizer: "'union'")
    #expect(try bench.shown("(function() \(script) end)().config.text_config.vocab_size") == "3")
    #expect(try bench.shown("(function() \(script) end)().vocab_size") == "3")
  }

  @Test func aTokenOfAnotherSlicesModelKeepsItsRow() throws {
    for (name, token, first) in [("one", "b", Float(1)), ("two", "c", 10)] {
      try makeModel(name, ["a", token], first: first)
      let values: [Float] = [first, -first, first + 1, -first - 1]
      try bench.makeModel(
        name,
        [
          TestTensor("model.embed_tokens.weight", .f32, [2, 2], values),
          TestTensor("model.layers.0.w", .f32, [1], [first]),
          TestTensor("lm_head.weight", .f32, [2, 2], values),
        ], config: #"{"vocab_size": 2, "num_hidden_layers": 1, "tie_word_embeddings": false}"#)
    }
    let script = """
      local one, two = mk.model(here .. 'one'), mk.model(here .. 'two')
      return mk.merge { method = 'passthrough', tokenizer = 'union',
        slices = { { sources = { { one, layers = { 0, 1 } } } }, { sources = { { two, layers = { 0, 1 } } } } } }
      """
    #expect(try rows(script) == [1, 2, 11])
    #expect(try rows(script, "lm_head.weight") == [10, 2, 11])
  }

  // MARK: Merges of merges

  @Test func aMergeWithAVocabularyIsAModelOfTheNext() throws {
    try makeModel("one", ["a", "b"], first: 1)
    try makeModel("two", ["b", "c"], first: 10)
    try makeModel("three", ["d", "c"], first: 100)
    let chain = """
      local one, two, three = mk.model(here .. 'one'), mk.model(here .. 'two'), mk.model(here .. 'three')
      local function sum(a, b, tokenizer)
        return mk.merge { method = 'linear', models = { a, b }, tokenizer = tokenizer,
          parameters = { weight = 1, normalize = false } }
      end

      """
    let stages = chain + "local first = sum(one, two, 'union') return sum(first, three, 'union')"
    #expect(try tokens(stages) == "a b c d")
    #expect(try rows(stages) == [4, 24, 123, 200])
    // One vocabulary of all for both stages.
    let shared =
      chain + "local all = mk.tokenizer.union { one, two, three, pad_to_multiple_of = 5 } "
      + "local first = sum(one, two, all) return sum(first, three, all)"
    #expect(try tokens(shared) == "a b c d")
    #expect(try rows(shared).prefix(3) == [4, 24, 123])
    #expect(try rows(shared).count == 5)
    // Without a word of a tokenizer, that of the first model goes on.
    let last = chain + "return sum(sum(one, two, 'union'), sum(one, two, 'union'))"
    #expect(try tokens(last) == "a b c")
    _ = try bench.lines("(function() \(last) end)():save(here .. 'out')")
    #expect(try bench.text("out/tokenizer.json").contains("\"content\": \"c\""))
    #expect(try bench.shown("table.concat((mk.model(here .. 'out'):vocabulary():tokens()), ' ')") == "a b c")
  }

  // MARK: Messages

  @Test func warningsOfVocabularies() throws {
    try makeModel("one", ["a", "b"], added: ["<s>"], first: 1)
    try makeModel("two", ["x", "y", "z"], first: 10)
    _ = try rows(sum("one", "two", tokenizer: "'union'"))
    #expect(
      warnings.first
        == "tokenizer: the vocabularies of 'one' and 'two' have 0 tokens in common, of 3 and 3: their rows have little to do with each other"
    )
    try makeModel("three", ["a", "b"], first: 20, rows: 3)
    try bench.write(
      #"{"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"id": 2, "content": "<s>"}]}"#,
      to: "three/tokenizer.json")
    _ = try rows(sum("one", "three", tokenizer: "'union'"))
    #expect(
      warnings.last
        == "tokenizer: a token is added with different settings, of which the first model's count: '<s>'")
    try makeModel("none", ["a", "b"], first: 30, rows: 3)
    try FileManager.default.removeItem(atPath: bench.folder + "/none/tokenizer.json")
    #expect(try rows(sum("one", "none", tokenizer: "'union'")) == [31, 33, 35])
    #expect(
      warnings.last == "tokenizer: model 'none' has no tokenizer, so it is taken to have that of 'one'")
    #expect(
      error(sum("none", "one", tokenizer: "'union'"))
        == "recipe.lua:2: merge: tokenizer: model 'none' has no tokenizer; "
        + "the base, or without one the first model, must have one")
    #expect(
      error(sum("one", tokenizer: "m 'none'"))
        == "recipe.lua:2: merge: tokenizer: model 'none' has no tokenizer")
  }

  @Test func sourcesThatNoModelNeedsAreSaid() throws {
    try makeModel("one", ["a", "b"], first: 1)
    try makeModel("two", ["b", "c"], first: 10)
    let script = sum(
      "one", "two",
      tokenizer: """
        { tokens = {
          b = { source = m 'two' }, a = { source = 'zero' }, c = { source = m 'two', force = true } } }
        """)
    #expect(try rows(script) == [1, 12, 22])
    #expect(
      Set(warnings) == [
        "tokenizer.tokens.b.source: without effect, as every model has the token; with force its row would take "
          + "the place of theirs"
      ])
  }

  @Test func tokenizersThatCannotBeReadAreErrorsOfTheSetting() throws {
    try makeModel("one", ["a", "b"], first: 1)
    try makeModel("bad", ["b"], first: 10)
    try bench.write(#"{"model": {"vocab": {"a": 1, "b": 1}}}"#, to: "bad/tokenizer.json")
    let words = "bad/tokenizer.json: tokens 'a' and 'b' both have the id 1"
    #expect(error(sum("one", "bad", tokenizer: "'union'")) == "recipe.lua:2: merge: tokenizer: \(words)")
    #expect(error(sum("one", tokenizer: "m 'bad'")) == "recipe.lua:2: merge: tokenizer: \(words)")
    #expect(
      error(sum("one", tokenizer: "{ tokens = { c = { source = m 'bad' } } }"))
        == "recipe.lua:2: merge: tokenizer.tokens.c.source: \(words)")
  }

  @Test(arguments: [
    ("'all'", "tokenizer: expected 'union', 'base', a model or a vocabulary, got 'all'"),
    (
      "'unoin'",
      "tokenizer: expected 'union', 'base', a model or a vocabulary, got 'unoin' (did you mean 'union'?)"
    ),
    ("{ source = 7 }", "tokenizer.source: expected 'union', 'base', a model or a vocabulary, got number"),
    ("{ token = {} }", "tokenizer: unknown field 'token' (did you mean 'tokens'?)"),
    ("{ tokens = 'a' }", "tokenizer.tokens: expected a table of tokens, got string"),
    ("{ tokens = { 'a' } }", "tokenizer.tokens: expected tokens as keys, got 1"),
    ("{ tokens = { a = 'zero' } }", "tokenizer.tokens.a: expected { source =, force = }, got string"),
    (
      "{ tokens = { a = { forced = true } } }",
      "tokenizer.tokens.a: unknown field 'forced' (did you mean 'force'?)"
    ),
    ("{ tokens = { a = { force = 1 } } }", "tokenizer.tokens.a.force: expected a boolean, got number"),
    (
      "{ tokens = { a = { source = 'base' } } }",
      "tokenizer.tokens.a.source: expected a model, 'zero' or { model =, token = }, got 'base'"
    ),
    (
      "{ tokens = { a = { source = { model = m 'one', id = 1 } } } }",
      "tokenizer.tokens.a.source: unknown field 'id' (expected one of model, token, token_id)"
    ),
    (
      "{ tokens = { a = { source = { model = m 'one' } } } }",
      "tokenizer.tokens.a.source: expected either token or token_id, found neither"
    ),
    (
      "{ tokens = { a = { source = { model = m 'one', token_id = -1 } } } }",
      "tokenizer.tokens.a.source.token_id: expected a whole number from 0 on, found -1"
    ),
    ("{ pad_to_multiple_of = 0 }", "tokenizer.pad_to_multiple_of: expected a whole number from 1 on, got 0"),
    // Rows that are not there.
    (
      "{ tokens = { c = { source = m 'one' } } }",
      "tokenizer.tokens.c.source: model 'one' has no token 'c'"
    ),
    (
      "{ tokens = { c = { source = { model = m 'two', token_id = 2 } } } }",
      "tokenizer.tokens.c.source: token_id 2 is not among the 2 rows of model 'two'"
    ),
    (
      "{ tokens = { c = { source = m 'narrow' } } }",
      "tokenizer.tokens.c.source: model 'narrow' has no tensor of 2 columns for 'model.embed_tokens.weight', "
        + "and gives no row of it"
    ),
  ])
  func badTokenizers(_ tokenizer: String, _ words: String) throws {
    try makeModel("one", ["a", "b"], first: 1)
    try makeModel("two", ["b", "c"], first: 10)
    try bench.makeModel("narrow", [TestTensor("model.embed_tokens.weight", .f32, [1, 1], [5])])
    try bench.write(#"{"model": {"vocab": {"c": 0}}}"#, to: "narrow/tokenizer.json")
    #expect(error(sum("one", "two", tokenizer: tokenizer)) == "recipe.lua:2: merge: " + words)
  }

  @Test(arguments: [
    ("7", "expected a table, got number"), ("{}", "expected at least one model"),
    ("{ 'a' }", "tokenizer.union[1]: expected a model, got string"),
    ("{ mk.model(here .. 'one'), nil, 'a' }", "tokenizer.union[2]: expected a model, got nil"),
    (
      "{ mk.model(here .. 'one'), pad = 1 }",
      "unknown field 'pad' (expected one of tokens, pad_to_multiple_of)"
    ),
    (
      "{ mk.model(here .. 'one') }",
      "model 'one' has no tokenizer; the base, or without one the first model, must have one"
    ),
  ])
  func badUnions(_ argument: String, _ words: String) throws {
    let error = bench.error("\nlocal _ = mk.tokenizer.union(\(argument))")
      .replacingOccurrences(of: bench.folder + "/", with: "")
    let prefix = words.hasPrefix("tokenizer.union") ? "" : "tokenizer.union: "
    #expect(error == "recipe.lua:2: \(prefix)\(words)")
  }
}
