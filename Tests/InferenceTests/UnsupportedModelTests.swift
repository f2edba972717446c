import Basics
import Inference
import Merging
import Tensors
import Testing

/// Models that cannot be run, and what is said of them before a weight is read.
@Suite struct UnsupportedModelTests {
  private func message(_ name: String, _ changes: [String: JSON?]) throws -> String {
    let bench = try InferenceBench()
    return bench.message { try bench.pass(.named(name), changes) }
  }

  @Test func otherArchitecturesAreNamed() throws {
    let rest =
      "and those that can are Llama, Mistral, Qwen2, Qwen3 (gates that run no model are cheap_embed, random and uniform_random)"
    #expect(
      try message(
        "llama", ["model_type": .string("gemma2"), "architectures": .array([.string("Gemma2ForCausalLM")])])
        == "model 'DIR' cannot be run: its architecture is Gemma2ForCausalLM, \(rest)")
    #expect(
      try message("llama", ["model_type": .string("gpt2")])
        == "model 'DIR' cannot be run: its architecture is gpt2, \(rest)")
    #expect(
      try message("llama", ["model_type": nil])
        == "model 'DIR' cannot be run: its config.json has no 'model_type'")
  }

  @Test func theClassNamesTheArchitectureWhereTheTypeDoesNot() throws {
    let bench = try InferenceBench()
    let item = InferenceCase.named("qwen3")
    let pass = try bench.pass(
      item, ["model_type": nil, "architectures": .array([.string("Qwen3ForCausalLM")])])
    #expect(relativeError(try pass.nextTokenLogits(of: InferenceCase.prompts), item.logits) < 2e-6)
  }

  struct BadSetting: CustomStringConvertible {
    let key: String
    let value: String
    let expected: String
    var path: String?
    var found: String?
    var description: String { key }
  }

  @Test(arguments: [
    BadSetting(
      key: "hidden_act", value: #""quick_gelu""#,
      expected: "one of silu, swish, gelu, gelu_new, gelu_pytorch_tanh, relu"),
    BadSetting(key: "num_attention_heads", value: "0", expected: "a positive integer"),
    BadSetting(key: "num_hidden_layers", value: "3000000000", expected: "at most 65536"),
    BadSetting(key: "num_key_value_heads", value: "2", expected: "a divisor of num_attention_heads, 3"),
    BadSetting(key: "head_dim", value: "7", expected: "an even number"),
    BadSetting(key: "rms_norm_eps", value: "-1e-5", expected: "a positive number"),
    BadSetting(key: "attention_bias", value: "1", expected: "true or false"),
    BadSetting(
      key: "rope_scaling", value: #"{"type":"longrope"}"#,
      expected: "default, linear, dynamic, llama3 or yarn", path: "rope_scaling.type", found: #""longrope""#),
    BadSetting(
      key: "rope_scaling", value: #"{"type":"linear","factor":"2"}"#,
      expected: "a positive number", path: "rope_scaling.factor", found: #""2""#),
    BadSetting(key: "rope_parameters", value: "[1]", expected: "an object"),
    BadSetting(
      key: "rope_parameters", value: #"{"full_attention":{"rope_type":"default"}}"#,
      expected: "one set of parameters for all layers", path: "rope_parameters.full_attention",
      found: #"{"rope_type":"default"}"#),
    BadSetting(key: "partial_rotary_factor", value: "0.5", expected: "1"),
  ])
  func badSettingsAreNamed(_ setting: BadSetting) throws {
    #expect(
      try message("llama", [setting.key: JSON(parsing: setting.value)])
        == "model 'DIR' cannot be run: '\(setting.path ?? setting.key)' of its config.json is \(setting.found ?? setting.value), expected \(setting.expected)"
    )
  }

  @Test func layerTypesMustFit() throws {
    let sliding = JSON.string("sliding_attention")
    let start = "model 'DIR' cannot be run: 'layer_types' of its config.json is"
    #expect(
      try message("qwen2", ["layer_types": .array([sliding])])
        == #"\#(start) ["sliding_attention"], expected a list of 3 names, one a layer"#)
    #expect(
      try message("qwen2", ["layer_types": .array([sliding, sliding, sliding])])
        == #"\#(start) ["sliding_attention","sliding_attention","sliding_attention"], expected full_attention only, as there is no sliding window"#
    )
    #expect(
      try message("qwen2", ["layer_types": .array([.string("a"), .string("b"), .string("c")])])
        == #"\#(start) ["a","b","c"], expected full_attention or sliding_attention for each layer"#)
  }

  @Test func settingsThatAreNeededAreNamed() throws {
    #expect(
      try message("llama", ["hidden_size": nil])
        == "model 'DIR' cannot be run: its config.json has no 'hidden_size'")
    #expect(
      try message("llama", ["rope_scaling": JSON(parsing: #"{"rope_type":"llama3","factor":8}"#)])
        == "model 'DIR' cannot be run: its config.json has no 'rope_scaling.low_freq_factor'")
  }

  @Test func tensorsMustBeThereAndFit() throws {
    #expect(
      try message("llama", ["num_hidden_layers": .number(literal: "4")])
        == "model 'DIR' cannot be run: it has no tensor 'model.layers.3.input_layernorm.weight' (did you mean 'model.layers.0.input_layernorm.weight'?)"
    )
    #expect(
      try message("llama", ["intermediate_size": .number(literal: "41")])
        == "model 'DIR' cannot be run: tensor 'model.layers.0.mlp.gate_proj.weight' has shape [40, 24], expected [41, 24] by its config.json"
    )
    #expect(
      try message("llama", ["hidden_size": .number(literal: "25"), "head_dim": .number(literal: "8")])
        == "model 'DIR' cannot be run: tensor 'model.embed_tokens.weight' has shape [40, 24], expected [40, 25] by its config.json"
    )
  }
}
