import Basics
import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Files beside the weights: what becomes of them where the first model has none, or another tokenizer comes in.
@Suite struct CompanionFallbackTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  /// A model whose tokens have the ids of their places.
  private func makeModel(_ name: String, _ tokens: [String]?, config: String?, generation: String? = nil)
    throws
  {
    let rows = tokens?.count ?? 3
    try bench.makeModel(
      name,
      [
        TestTensor("model.embed_tokens.weight", .f32, [rows, 1], (0..<rows).map(Float.init)),
        TestTensor("model.layers.0.w", .f32, [1], [1]),
      ], config: config)
    if config == nil { try bench.remove("\(name)/config.json") }
    if let tokens {
      let vocabulary = tokens.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
      try bench.write(
        #"{"model": {"type": "BPE", "vocab": {\#(vocabulary)}, "merges": []}, "added_tokens": []}"#,
        to: "\(name)/tokenizer.json")
    }
    if let generation { try bench.write(generation, to: "\(name)/generation_config.json") }
  }

  private func save(_ fields: String = "") throws {
    bench.forget()
    if bench.exists("out") { try bench.remove("out") }
    try bench.lines(
      """
      mk.merge { method = 'linear', models = { { mk.model(here .. 'a'), weight = 1 }, { mk.model(here .. 'b'), weight = 1 } },
        \(fields) }:save(here .. 'out')
      """)
  }

  private var warnings: [String] { bench.warnings.map { $0.replacing(bench.folder + "/", with: "") } }

  private func json(_ name: String) throws -> JSON { try JSON(parsing: try bench.bytes(name)) }

  // MARK: Missing files

  @Test func anotherModelGivesConfigAndTokenizer() throws {
    try makeModel("a", nil, config: nil)
    try makeModel("b", ["x", "y", "z"], config: #"{"hidden_size": 1}"#, generation: #"{"eos_token_id": 1}"#)
    try save()
    #expect(try json("out/config.json")["hidden_size"]?.intValue == 1)
    #expect(bench.exists("out/tokenizer.json"))
    #expect(try json("out/generation_config.json")["eos_token_id"]?.intValue == 1)
    #expect(warnings == ["model 'a' has no config.json: the output gets that of 'b', and its other files"])
  }

  /// The config that stands in is that of the stack, and not of the model that it is taken from.
  @Test(arguments: [("a", "b"), ("b", "a")])
  func aStackIsDescribedByAnotherModelsConfig(first: String, last: String) throws {
    for (name, config) in [("a", nil), ("b", #"{"num_hidden_layers": 3, "layer_types": ["x", "y", "z"]}"#)] {
      try bench.makeModel(
        name, (0..<3).map { TestTensor("model.layers.\($0).a.w", .f32, [1], [Float($0)]) }, config: config)
      if config == nil { try bench.remove("\(name)/config.json") }
    }
    try bench.lines(
      """
      mk.stack {
        { mk.model(here .. '\(first)'), layers = { 0, 2 } }, { mk.model(here .. '\(last)'), layers = { 0, 3 } },
      }:save(here .. 'out')
      """)
    let config = try json("out/config.json")
    #expect(config["num_hidden_layers"]?.intValue == 5)
    #expect(config["layer_types"]?.text(.compact) == #"["x","y","x","y","z"]"#)
  }

  @Test func anotherModelGivesTheTokenizer() throws {
    try makeModel("a", nil, config: "{}")
    try makeModel("b", ["x", "y", "z"], config: "{}")
    try save()
    #expect(bench.exists("out/tokenizer.json"))
    #expect(warnings == ["model 'a' has no tokenizer: the output gets that of 'b'"])
  }

  @Test func nothingIsSaidWhereNoneHasAny() throws {
    try makeModel("a", nil, config: "{}")
    try makeModel("b", nil, config: "{}")
    try save()
    #expect(!bench.exists("out/tokenizer.json"))
    #expect(warnings.isEmpty)
    // Nor where the first has them.
    try makeModel("a", ["x", "y", "z"], config: "{}")
    try save()
    #expect(warnings.isEmpty)
  }

  // MARK: Token ids

  @Test func idsFollowTheTokenizer() throws {
    let ids = #"{"bos_token_id": 0, "eos_token_id": [1], "vocab_size": 3}"#
    try makeModel(
      "a", ["<s>", "</s>", "x"], config: ids, generation: #"{"eos_token_id": 1, "pad_token_id": 2}"#)
    try makeModel("b", ["x", "<s>", "</s>"], config: ids, generation: #"{"eos_token_id": 2}"#)
    try save("tokenizer = mk.model(here .. 'b')")
    let config = try json("out/config.json")
    #expect(config["bos_token_id"]?.intValue == 1)
    #expect(config["eos_token_id"]?[0]?.intValue == 2)
    #expect(try json("out/generation_config.json")["eos_token_id"]?.intValue == 2)
    #expect(try json("out/generation_config.json")["pad_token_id"]?.intValue == 0)
    #expect(warnings.isEmpty)
    // The base's own tokenizer leaves them as they are, byte by byte.
    try save("tokenizer = 'base'")
    #expect(try bench.text("out/generation_config.json") == #"{"eos_token_id": 1, "pad_token_id": 2}"#)
    #expect(try json("out/config.json")["eos_token_id"]?[0]?.intValue == 1)
  }

  @Test func idsOfTokensThatAreGone() throws {
    try makeModel(
      "a", ["</s>", "x"], config: #"{"eos_token_id": 0, "vocab_size": 2}"#,
      generation: #"{"eos_token_id": 0, "sep_token_id": 0}"#)
    try makeModel(
      "b", ["x", "<end>"], config: #"{"eos_token_id": 1}"#, generation: #"{"eos_token_id": [1]}"#)
    try save("tokenizer = mk.model(here .. 'b')")
    #expect(try json("out/config.json")["eos_token_id"]?.intValue == 1)
    let generation = try json("out/generation_config.json")
    #expect(generation["eos_token_id"]?[0]?.intValue == 1)
    #expect(generation["sep_token_id"] == nil)
    #expect(
      warnings.filter { $0.contains("_token_id") } == [
        "generation_config.json: eos_token_id: the tokenizer has no token '</s>', so it is [1], as in b",
        "generation_config.json: sep_token_id: the tokenizer has no token '</s>', so it is left out",
        "config.json: eos_token_id: the tokenizer has no token '</s>', so it is 1, as in b",
      ])
  }
}
