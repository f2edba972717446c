import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Values of config.json that decide what tensors mean.
@Suite struct ConfigChecksTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private func makeModels(_ first: String, _ second: String) throws {
    for (name, config) in [("a", first), ("b", second)] {
      try bench.makeModel(
        name,
        ["model.embed_tokens.weight", "model.layers.0.w", "model.layers.1.w"].map {
          TestTensor($0, .f32, [1, 1], [1])
        },
        config: "{\(config)}")
    }
  }

  private let linear =
    "return mk.merge { method = 'linear', models = { { mk.model(here .. 'a'), weight = 1 }, { mk.model(here .. 'b'), weight = 1 } }"
  private let stack = """
    return mk.merge { method = 'passthrough', slices = {
      { sources = { { mk.model(here .. 'a'), layers = { 0, 1 } } } },
      { sources = { { mk.model(here .. 'b'), layers = { 1, 2 } } } } }
    """

  private var warnings: [String] { bench.warnings.map { $0.replacing(bench.folder + "/", with: "") } }

  @Test(arguments: [
    (#""rope_theta": 1e4"#, #""rope_theta": 1e6"#, "rope_theta is 10000.0 in 'a', 1000000.0 in 'b'"),
    (
      #""rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8}"#,
      #""rope_theta": 500000.0"#,
      "rope_scaling is {factor: 8, rope_type: llama3} in 'a', nothing in 'b'"
    ),
    (#""hidden_act": "silu""#, #""hidden_act": "gelu""#, "hidden_act is silu in 'a', gelu in 'b'"),
    (#""rms_norm_eps": 1e-6"#, #""rms_norm_eps": 1e-5"#, "rms_norm_eps is 1e-06 in 'a', 1e-05 in 'b'"),
    (#""sliding_window": 4096"#, #""sliding_window": null"#, "sliding_window is 4096 in 'a', nothing in 'b'"),
    (
      #""text_config": {"rms_norm_eps": 1}"#, #""text_config": {"rms_norm_eps": 2}"#,
      "text_config.rms_norm_eps is 1 in 'a', 2 in 'b'"
    ),
    (
      #""rope_parameters": {"rope_theta": 5, "rope_type": "default"}"#, #""rope_theta": 6"#,
      "rope_theta is 5 in 'a', 6 in 'b'"
    ),
    (
      #""model_type": "llama""#, #""rope_theta": 7, "model_type": "llama""#,
      "rope_theta is 10000.0 in 'a', 7 in 'b'"
    ),
    (#""num_experts_per_tok": 2"#, #""num_experts_per_tok": 8"#, "num_experts_per_tok is 2 in 'a', 8 in 'b'"),
  ])
  func meaningsAreSaid(first: String, second: String, words: String) throws {
    try makeModels(first, second)
    for script in [linear, stack] {
      _ = try bench.output(script + "}")
      #expect(
        warnings.last == "the configs differ in what the tensors mean, and the output has that of 'a': "
          + words)
    }
  }

  @Test(arguments: [
    // The same in the words of two versions of transformers; a window that is not used; keys that mean nothing.
    (
      #""rope_theta": 5, "rope_scaling": {"type": "linear", "factor": 2}"#,
      #""rope_parameters": {"rope_theta": 5, "rope_type": "linear", "factor": 2}"#
    ),
    (#""rope_theta": 10000.0, "model_type": "llama""#, #""model_type": "llama""#),
    (#""sliding_window": 4096, "use_sliding_window": false"#, #""sliding_window": null"#),
    (
      #""use_cache": true, "max_position_embeddings": 1"#,
      #""use_cache": false, "max_position_embeddings": 2"#
    ),
    (#""rms_norm_eps": 1e-6"#, ""),
  ])
  func nothingIsSaidOfOtherDifferences(first: String, second: String) throws {
    try makeModels(first, second)
    _ = try bench.output(linear + "}")
    #expect(warnings.isEmpty)
  }

  @Test(arguments: [
    (#""num_attention_heads": 4"#, #""num_attention_heads": 2"#, "num_attention_heads is 4 in 'a', 2 in 'b'"),
    (#""num_key_value_heads": 4"#, #""num_key_value_heads": 2"#, "num_key_value_heads is 4 in 'a', 2 in 'b'"),
    (#""head_dim": 64"#, #""head_dim": 128"#, "head_dim is 64 in 'a', 128 in 'b'"),
    (#""n_head": 12"#, #""n_head": 16"#, "n_head is 12 in 'a', 16 in 'b'"),
    (
      #""text_config": {"num_attention_heads": 4}"#, #""text_config": {"num_attention_heads": 8}"#,
      "text_config.num_attention_heads is 4 in 'a', 8 in 'b'"
    ),
  ])
  func headsAreRefused(first: String, second: String, words: String) throws {
    try makeModels(first, second)
    for script in [linear, stack] {
      #expect(
        bench.outputError(script + "}").hasSuffix(
          "merge: the configs cut the tensors into heads otherwise: \(words) (allow_crimes, or --allow-crimes, says "
            + "that this is meant)"))
      _ = try bench.output(script + ", allow_crimes = true }")
      #expect(warnings.last == "the configs cut the tensors into heads otherwise: " + words)
    }
  }

  /// A stack has the vision tower of one model.
  @Test func partsThatOnlyOneModelGivesAreNotCompared() throws {
    try makeModels(
      #""vision_config": {"num_attention_heads": 4}"#, #""vision_config": {"num_attention_heads": 8}"#)
    _ = try bench.output(stack + "}")
    #expect(warnings.isEmpty)
    #expect(bench.outputError(linear + "}").contains("vision_config.num_attention_heads"))
  }
}
