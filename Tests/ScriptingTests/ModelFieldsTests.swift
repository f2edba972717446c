import ScriptTestSupport
import Testing

/// What the standard library asks of models when it puts one together.
@Suite struct ModelFieldsTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private func model(_ name: String, _ tensors: [String], config: String) throws {
    try bench.makeModel(name, tensors.map { TestTensor($0, .f32, [2, 2], [1, 2, 3, 4]) }, config: config)
  }

  @Test func tiesAndArchitecture() throws {
    try model("tied", ["wte.weight"], config: #"{"architectures": ["GPT2LMHeadModel", "X"]}"#)
    try model("untied", ["wte.weight", "lm_head.weight"], config: "{}")
    #expect(
      try bench.lines(
        """
        local tied, untied = mk.model(here .. "tied"), mk.model(here .. "untied")
        print(tied.ties_embeddings, tied.architecture_name, untied.ties_embeddings, untied.architecture_name)
        """) == ["true\tGPT2LMHeadModel\tfalse\tnil"])
  }

  @Test func namesOfOtherCheckpoints() throws {
    try model("m", ["transformer.wte.weight"], config: "{}")
    #expect(
      try bench.lines(
        """
        local m = mk.model(here .. "m")
        print(m:resolve("wte.weight"), m:resolve("transformer.wte.weight"), m:resolve("wpe.weight"))
        """) == ["transformer.wte.weight\ttransformer.wte.weight\tnil"])
  }

  private let define = """
    local core = require "mergekit.core"
    local m = mk.model(here .. "m")
    local function define(fields)
      fields.names, fields.like, fields.sources = m:names(), m, { m }
      fields.build = function(name) return m:tensor(name) end
      return core.define_model(fields)
    end

    """

  @Test func whatAMergeDecidesOfTheVocabulary() throws {
    try model("m", ["wte.weight"], config: #"{"vocab_size": 2, "tie_word_embeddings": true}"#)
    try bench.write(#"{"chat_template": "old"}"#, to: "m/tokenizer_config.json")
    #expect(
      try bench.lines(
        define + """
          local new = define {
            config = { vocab_size = 30, tie_word_embeddings = false }, chat_template = "new", base = m,
          }
          print(new.config.vocab_size, new.config.tie_word_embeddings, new.ties_embeddings)
          print(m:chat_template(), new:chat_template(), new:map(function(t) return t end):chat_template())
          new:save(here .. "out")
          print(mk.model(here .. "out"):chat_template())
          """) == ["30\tfalse\tfalse", "old\tnew\tnew", "new"])
  }

  @Test(arguments: [
    ("config = { vocab_size = 0 }", "config.vocab_size: positive integer expected, got number"),
    ("config = { tie_word_embeddings = 1 }", "config.tie_word_embeddings: boolean expected, got number"),
    (
      "config = { hidden_size = 1 }",
      "config: unknown key 'hidden_size', expected vocab_size or tie_word_embeddings"
    ),
    ("base = 1", "base: model expected, got number"),
  ])
  func whatIsNoDecision(fields: String, message: String) throws {
    try model("m", ["wte.weight"], config: "{}")
    #expect(bench.error(define + "define { \(fields) }").contains(message))
  }
}
