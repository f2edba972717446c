import Foundation
import Lua
import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Merges of models that have not quite the same tensors: tied heads, other names, vocabularies of other sizes.
@Suite struct DifferingModelsTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  /// A model with an embedding and, unless that is tied, an output layer.
  private func makeModel(_ name: String, rows: Int = 2, embedding: Float, head: Float?, config: String = "{}")
    throws
  {
    var tensors = [
      TestTensor("model.embed_tokens.weight", .f32, [rows, 1], [Float](repeating: embedding, count: rows)),
      TestTensor("model.layers.0.w", .f32, [1], [embedding]),
    ]
    if let head {
      tensors.append(TestTensor("lm_head.weight", .f32, [rows, 1], [Float](repeating: head, count: rows)))
    }
    try bench.makeModel(name, tensors, config: config)
  }

  private func linear(_ names: String..., fields: String = "") -> String {
    let list = names.map { "{ mk.model(here .. '\($0)'), weight = 1 }" }.joined(separator: ", ")
    return "\nreturn mk.merge { method = 'linear', models = { \(list) }, \(fields) }"
  }

  @Test func aTiedHeadIsTheEmbedding() throws {
    try makeModel("tied", embedding: 1, head: nil, config: #"{"tie_word_embeddings": true}"#)
    try makeModel("untied", embedding: 3, head: 9, config: #"{"tie_word_embeddings": false}"#)
    for names in [["tied", "untied"], ["untied", "tied"]] {
      let script = linear(names[0], names[1])
      #expect(try bench.tensor(script, "lm_head.weight").elements == [5, 5])
      #expect(try bench.tensor(script, "model.embed_tokens.weight").elements == [2, 2])
      let lines = try bench.lines(
        "local m = (function() \(script) end)()\nprint(m.config.tie_word_embeddings, #m:names())")
      #expect(lines == ["false\t3"])
    }
    #expect(
      try bench.lines(
        "local m = (function() \(linear("tied", "tied")) end)()\nprint(m.config.tie_word_embeddings, #m:names())"
      )
        == ["true\t2"])
    #expect(bench.warnings.isEmpty)
  }

  /// A second head and embedding, a classifier, and a model that says it is not tied: nothing stands in for them.
  @Test func whatIsNotTiedStaysMissing() throws {
    func table(_ name: String, _ value: Float, rows: Int = 2) -> TestTensor {
      TestTensor(name, .f32, [rows, 1], [Float](repeating: value, count: rows))
    }
    try bench.makeModel(
      "dual",
      [
        table("model.embed_tokens.weight", 1), table("model.audio_embed_tokens.weight", 2, rows: 3),
        table("lm_head.weight", 3), table("audio_head.weight", 4, rows: 3),
      ])
    try bench.makeModel(
      "mono", [table("model.embed_tokens.weight", 7)], config: #"{"tie_word_embeddings": true}"#)
    try bench.makeModel("reward", [table("model.embed_tokens.weight", 1), table("score.weight", 5)])
    try makeModel("untied", embedding: 1, head: 9, config: #"{"tie_word_embeddings": false}"#)
    try bench.makeModel(
      "headless", [table("model.embed_tokens.weight", 7), TestTensor("model.layers.0.w", .f32, [1], [7])],
      config: #"{"tie_word_embeddings": false}"#)
    for (first, name, expected) in [
      ("dual", "audio_head.weight", [4, 4, 4]),
      ("dual", "model.audio_embed_tokens.weight", [2, 2, 2]), ("reward", "score.weight", [5, 5]),
    ] as [(String, String, [Float])] {
      #expect(try bench.tensor(linear(first, "mono"), name).elements == expected)
      #expect(try bench.tensor(linear("mono", first), name).elements == expected)
    }
    #expect(try bench.tensor(linear("untied", "headless"), "lm_head.weight").elements == [9, 9])
    // A classifier unties nothing.
    #expect(
      try bench.lines("print((function() \(linear("mono", "reward")) end)().config.tie_word_embeddings)") == [
        "true"
      ])
  }

  @Test func layersOfOtherNamesAreSpeltLikeTheFirst() throws {
    for (position, prefix) in ["model.", ""].enumerated() {
      try bench.makeModel(
        "n\(position)",
        [
          TestTensor(prefix + "embed_tokens.weight", .f32, [2, 1], [0, Float(position)]),
          TestTensor(prefix + "layers.0.w", .f32, [1], [Float(10 * position)]),
          TestTensor(prefix + "layers.1.w", .f32, [1], [Float(10 * position + 1)]),
          TestTensor(prefix + "norm.weight", .f32, [1], [Float(position)]),
        ])
    }
    for (names, prefix, values) in [
      (["n0", "n1"], "model.", [0, 11, 1]), (["n1", "n0"], "", [10, 1, 0]),
    ] as [([String], String, [Float])] {
      let output = try bench.output(
        """
        local p, q = mk.model(here .. "\(names[0])"), mk.model(here .. "\(names[1])")
        return mk.stack { { p, layers = { 0, 1 } }, { q, layers = { 1, 2 } } }
        """)
      let found = Dictionary(uniqueKeysWithValues: output.map { ($0.name, $0.elements.last!) })
      #expect(
        found == [
          prefix + "embed_tokens.weight": prefix == "" ? 1 : 0, prefix + "layers.0.w": values[0],
          prefix + "layers.1.w": values[1], prefix + "norm.weight": values[2],
        ])
    }
  }

  @Test func aBaseWithoutItsWeightIsNoInput() throws {
    try makeModel("small", embedding: 1, head: 1)
    try makeModel("base", embedding: 9, head: 9, config: #"{"from": "base"}"#)
    let output = try bench.output(linear("small", fields: "base = mk.model(here .. 'base')"))
    #expect(output.first { $0.name == "lm_head.weight" }?.elements == [1, 1])
    #expect(
      bench.warnings.map { $0.replacingOccurrences(of: bench.folder + "/", with: "") } == [
        "base: model 'base' is no input of 'linear', as it has no weight: it provides config.json and the tokenizer"
      ])
  }

  @Test func filtersOfInputsWithOtherNamesMatch() throws {
    for (position, prefix) in ["", "transformer."].enumerated() {
      try bench.makeModel(
        "g\(position)",
        [
          TestTensor(prefix + "h.0.attn.w", .f32, [1], [Float(position)]),
          TestTensor(prefix + "h.1.attn.w", .f32, [1], [Float(position)]),
        ])
    }
    let output = try bench.output(
      """
      return mk.merge { method = "linear", parameters = { normalize = false }, models = {
        { mk.model(here .. "g0"), weight = 1 },
        { mk.model(here .. "g1"), weight = { { filter = "transformer.h.0", value = 3 }, { value = 5 } } } } }
      """)
    #expect(output.map { $0.elements[0] } == [3, 5])
    #expect(bench.warnings.isEmpty)
  }

  /// A filter sees the name of the tensor that the output has, not of the one that stands in for it.
  @Test func filtersOfTiedHeads() throws {
    try makeModel("tied", embedding: 1, head: nil, config: #"{"tie_word_embeddings": true}"#)
    try makeModel("untied", embedding: 3, head: 9)
    let output = try bench.output(
      """
      return mk.merge { method = "linear", parameters = { normalize = false }, models = {
        { mk.model(here .. "tied"), weight = { { filter = "lm_head", value = 10 }, { value = 100 } } },
        { mk.model(here .. "untied"), weight = { { filter = "embed_tokens", value = 0 }, { value = 1 } } } } }
      """)
    #expect(output.first { $0.name == "lm_head.weight" }?.elements == [19, 19])
    #expect(output.first { $0.name == "model.embed_tokens.weight" }?.elements == [100, 100])
    #expect(bench.warnings.isEmpty)
  }

  /// The policy counts the base too: two models without the base are too few for a method of three.
  @Test func baseOrSkipCountsTheBase() throws {
    try bench.makeModel("bare", [TestTensor("w", .f32, [2], [0, 1])])
    for name in ["i", "j", "k"] {
      try bench.makeModel(name, ["w", "extra"].map { TestTensor($0, .f32, [2], [1, 2]) })
    }
    func names(_ inputs: String...) throws -> [String] {
      let list = inputs.map { "mk.model(here .. '\($0)')" }.joined(separator: ", ")
      return try bench.output(
        "\nreturn mk.merge { method = 'model_stock', base = mk.model(here .. 'bare'), models = { \(list) } }"
      ).map(\.name)
    }
    #expect(try names("i", "j") == ["w"])
    #expect(try names("i", "j", "k") == ["w", "extra"])
  }

  @Test(arguments: [
    ("lm_head.layer_norm.weight", true), ("lm_head.dense.bias", true), ("cls.predictions.bias", true),
    ("pooler.dense.weight", true), ("classifier.dense.weight", true), ("pre_classifier.weight", true),
    ("vocab_transform.weight", true), ("model.norm.weight", true), ("embed_out.weight", true),
    ("embeddings.LayerNorm.weight", false), ("model.embed_norm.weight", false),
    ("visual.merger.ln_q.weight", false),
    ("vision_tower.ln_pre.weight", false), ("patch_conv.weight", false), ("cls_token", false),
    ("rotary_emb.inv_freq", false), ("ctc_proj.weight", true),
    ("sew.encoder.upsample.projection.weight", true),
  ])
  func whatStandsAroundTheLayers(name: String, follows: Bool) throws {
    for (position, model) in ["first", "last"].enumerated() {
      try bench.makeModel(
        model, [name, "layers.0.w"].map { TestTensor($0, .f32, [1], [Float(position)]) })
    }
    let script = "return mk.stack { mk.model(here .. 'first'), mk.model(here .. 'last') }"
    #expect(try bench.tensor(script, name).elements == [follows ? 1 : 0])
  }

  /// Where the names do not tell, the model type does, of what connects modules and of other modules' layers too.
  @Test(arguments: [
    ("parakeet_rnnt", "encoder_projector.weight", true), ("llava", "encoder_projector.weight", false),
    ("llava", "multi_modal_projector.linear_1.weight", false),
    ("parakeet_tdt", "decoder.decoder_projector.weight", true),
    ("canine", "canine.final_char_encoder.layer.0.attention.w", true),
    ("bert", "canine.char_encoder.layer.0.attention.w", false),
    ("deberta-v2", "deberta.encoder.LayerNorm.weight", false),
    ("deberta", "deberta.encoder.LayerNorm.weight", true),
    ("data2vec-audio", "encoder.layer_norm.weight", false),
    ("sew-d", "sew_d.encoder.encoder.LayerNorm.weight", false),
  ])
  func whatStandsAroundTheLayersOfAType(type: String, name: String, follows: Bool) throws {
    for (position, model) in ["first", "last"].enumerated() {
      try bench.makeModel(
        model,
        ([name]
          + ["encoder.layers", "encoder.subsampling.layers"].flatMap { ["\($0).0.a.w", "\($0).1.a.w"] })
          .map { TestTensor($0, .f32, [1], [Float(position)]) },
        config: #"{"model_type": "\#(type)", "num_hidden_layers": 2}"#)
    }
    let script = """
      return mk.stack {
        { mk.model(here .. 'first'), layers = { 0, 1 } }, { mk.model(here .. 'last'), layers = { 1, 2 } },
        module = "encoder.layers",
      }
      """
    #expect(try bench.tensor(script, name).elements == [follows ? 1 : 0])
  }

  /// A tensor with a row for each token is no output layer of a tied model unless it is as wide as the embedding.
  @Test(arguments: [("model.mlp.weight", 2, true), ("lm_head.weight", 1, false)])
  func onlyWhatMayBeTheEmbeddingIsTied(name: String, width: Int, isKept: Bool) throws {
    for model in ["a", "b"] {
      try bench.makeModel(
        model,
        [
          TestTensor("model.embed_tokens.weight", .f32, [3, 1], [1, 2, 3]),
          TestTensor("model.layers.0.w", .f32, [1], [1]), TestTensor("model.norm.weight", .f32, [1], [1]),
          TestTensor(name, .f32, [3, width], [Float](repeating: 4, count: 3 * width)),
        ], config: #"{"tie_word_embeddings": true, "vocab_size": 3}"#)
    }
    let names = try bench.output("return mk.stack { mk.model(here .. 'a'), mk.model(here .. 'b') }").map(
      \.name)
    #expect(names.contains(name) == isKept)
  }

  @Test func otherNamesOfTheSameTensor() throws {
    for (position, prefix) in ["", "transformer."].enumerated() {
      try bench.makeModel(
        "g\(position)",
        ["wte.weight", "h.0.attn.w", "ln_f.weight"].map {
          TestTensor(prefix + $0, .f32, $0 == "wte.weight" ? [2, 1] : [2], [Float(position), 4])
        })
    }
    for (names, prefix) in [(["g0", "g1"], ""), (["g1", "g0"], "transformer.")] {
      let output = try bench.output(linear(names[0], names[1]))
      #expect(output.map(\.name).sorted() == ["h.0.attn.w", "ln_f.weight", "wte.weight"].map { prefix + $0 })
      #expect(output.allSatisfy { $0.elements == [0.5, 4] })
    }
    #expect(bench.warnings.isEmpty)
  }

  @Test func vocabulariesOfDifferentSizes() throws {
    try makeModel("small", rows: 2, embedding: 1, head: 1, config: #"{"vocab_size": 2}"#)
    try makeModel("large", rows: 3, embedding: 3, head: 5, config: #"{"vocab_size": 3}"#)
    #expect(
      bench.outputError(linear("small", "large"))
        == "recipe.lua:2: tensor 'model.embed_tokens.weight': the vocabularies differ: [2, 1] in model 'small', "
        + "[3, 1] in model 'large': set `tokenizer` to align them; "
        + "truncate_embeddings (--unsafe-truncate-embeddings) keeps the rows that both have")
    let script = linear("large", "small", fields: "truncate_embeddings = true")
    let output = try bench.output(script)
    #expect(
      output.first { $0.name == "model.embed_tokens.weight" }
        == TestTensor("model.embed_tokens.weight", .f32, [2, 1], [2, 2]))
    #expect(
      output.first { $0.name == "lm_head.weight" } == TestTensor("lm_head.weight", .f32, [2, 1], [3, 3]))
    #expect(
      try bench.lines("print((function() \(script) end)().config.vocab_size)") == ["2"])
  }

  /// Rows of classifiers are labels, of which none has a token's number.
  @Test(arguments: ["score.weight", "classifier.out_proj.weight", "qa_outputs.weight"])
  func labelsAreNoVocabulary(name: String) throws {
    for (model, rows) in [("a", 2), ("b", 3)] {
      try bench.makeModel(
        model,
        [
          TestTensor("model.layers.0.w", .f32, [1], [1]),
          TestTensor(name, .f32, [rows, 1], [Float](repeating: 1, count: rows)),
        ])
    }
    for fields in ["", "truncate_embeddings = true"] {
      #expect(
        bench.outputError(linear("a", "b", fields: fields))
          == "recipe.lua:2: tensor '\(name)': shapes differ: [2, 1] in model 'a', [3, 1] in model 'b'")
    }
  }

  @Test func tensorsOfSomeModelsAreSaid() throws {
    try bench.makeModel("x", ["w", "only_x"].map { TestTensor($0, .f32, [1], [1]) })
    try bench.makeModel("y", ["w", "other_y", "third_y"].map { TestTensor($0, .f32, [1], [2]) })
    let output = try bench.output(linear("x", "y"))
    #expect(
      Dictionary(uniqueKeysWithValues: output.map { ($0.name, $0.elements) }) == [
        "w": [1.5], "only_x": [1], "other_y": [2], "third_y": [2],
      ])
    #expect(
      bench.warnings.map { $0.replacingOccurrences(of: bench.folder + "/", with: "") } == [
        "1 tensor is missing in model 'y' and is made of the other models' alone, such as 'only_x'",
        "2 tensors are missing in model 'x' and are made of the other models' alone, such as 'other_y'",
      ])
  }

  @Test func filtersKnowTheNamesOfExpertsInMemory() throws {
    let names = [
      "model.layers.0.block_sparse_moe.experts.0.w1.weight",
      "model.layers.0.block_sparse_moe.experts.1.w2.weight",
      "model.layers.0.block_sparse_moe.gate.weight", "model.layers.0.self_attn.q_proj.weight",
    ]
    for (position, name) in ["m", "n"].enumerated() {
      try bench.makeModel(name, names.map { TestTensor($0, .f32, [1], [Float(position)]) })
    }
    let weight = """
      { { filter = "mlp.experts.gate_up_proj", value = 1 }, { filter = "experts.down_proj", value = 2 },
        { filter = "mlp.gate", value = 3 }, { filter = "block_sparse_moe", value = 8 }, { value = 4 } }
      """
    let output = try bench.output(
      """
      return mk.merge { method = "linear", parameters = { normalize = false },
        models = { { mk.model(here .. "m"), weight = 1 }, { mk.model(here .. "n"), weight = \(weight) } } }
      """)
    let found = Dictionary(uniqueKeysWithValues: output.map { ($0.name, $0.elements[0]) })
    #expect(names.map { found[$0] } == [1, 2, 3, 4])
    #expect(
      bench.warnings.map { $0.replacingOccurrences(of: bench.folder + "/", with: "") } == [])
  }

  @Test func mixedArchitecturesAreSaid() throws {
    for (name, architecture) in [("l", "LlamaForCausalLM"), ("m", "MistralForCausalLM")] {
      try makeModel(name, embedding: 1, head: 1, config: #"{"architectures": ["\#(architecture)"]}"#)
    }
    _ = try bench.output(linear("l", "m", fields: "allow_crimes = true"))
    #expect(bench.warnings.isEmpty)
    _ = try bench.output(linear("l", "m"))
    #expect(
      bench.warnings.map { $0.replacingOccurrences(of: bench.folder + "/", with: "") } == [
        "models of different architectures: LlamaForCausalLM in 'l', MistralForCausalLM in 'm' (allow_crimes, or --allow-crimes, says that this is meant)"
      ])
  }

  @Test func wholeNumbers() throws {
    try bench.makeModel("w", [TestTensor("w", .f32, [1], [1])])
    func output(_ steps: String) -> String {
      """
      local count = mk.method { name = "count", parameters = { steps = { default = 3, type = "integer" } },
        merge = function(t) print(math.type(t.steps), t.steps); return t.inputs[1].tensor end }
      return mk.merge { method = count, models = { mk.model(here .. "w") }, parameters = { steps = \(steps) } }
      """
    }
    for (steps, expected) in [
      ("nil", "3"), ("10", "10"), ("4.0", "4"), ("{ 2, 8 }", "2"), ("7 + 1e-12", "7"),
    ] {
      _ = try bench.output(output(steps))
      #expect(bench.printed == ["integer\t\(expected)"])
    }
    #expect(
      bench.outputError(output("1.5"))
        == "recipe.lua:3: merge: parameters.steps: expected an integer, got number '1.5'")
  }

  @Test func chatTemplates() throws {
    try makeModel("plain", embedding: 1, head: 1)
    for (name, template) in [
      ("one", "{{ 'first template' }}"), ("two", "{{ 'second template' }}\n"),
      ("three", "{{ 'second template' }}"),
    ] {
      try makeModel("t-" + name, embedding: 1, head: 1)
      try bench.write("{}", to: "t-\(name)/tokenizer.json")
      try bench.write(template, to: "t-\(name)/chat_template.jinja")
      try bench.write("{}", to: "t-\(name)/tokenizer_config.json")
    }
    func template(_ value: String, _ names: [String] = ["t-one", "t-two", "t-three"]) throws -> String {
      bench.options.output.policy = .replace
      let list = names.map { "{ mk.model(here .. '\($0)'), weight = 1 }" }.joined(separator: ", ")
      try bench.lines(
        "mk.merge { method = 'linear', models = { \(list) }, chat_template = \(value) }:save(here .. 'out')"
      )
      return try bench.text("out/chat_template.jinja")
    }
    #expect(try template("nil") == "{{ 'first template' }}")
    #expect(try template("'auto'") == "{{ 'second template' }}")
    #expect(try template("'{{ \"mine\" }} {{ bos_token }}'") == "{{ \"mine\" }} {{ bos_token }}")
    #expect(try template("'chatml'").contains("<|im_start|>"))
    #expect(
      bench.error(
        "\nmk.merge { method = 'linear', models = { mk.model(here .. 'plain') }, chat_template = 'chatlm' }")
        == "recipe.lua:2: merge: chat_template: unknown template 'chatlm' (did you mean 'chatml'?)")
    #expect(
      bench.error(
        "\nmk.merge { method = 'linear', models = { mk.model(here .. 'plain') }, chat_template = 'xyz' }")
        == "recipe.lua:2: merge: chat_template: unknown template 'xyz' (expected auto, alpaca, chatml, exaone, llama3, mistral or Jinja text)"
    )
  }
}
