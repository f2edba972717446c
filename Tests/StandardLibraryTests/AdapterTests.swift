import Foundation
import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Adapters of PEFT's on models, beside what PEFT makes of the two: see scripts/make-adapter-fixtures.py.
@Suite struct AdapterTests {
  let bench: ScriptBench

  init() throws { bench = try .withAdapters() }

  private func distance(_ script: String, from adapter: String) throws -> Float {
    try bench.distance(script, from: "f/\(adapter)/merged.safetensors")
  }

  @Test(arguments: [
    ("plain", "llama"), ("rslora", "llama"), ("patterns", "llama"), ("dora", "llama"),
    ("embeddings", "llama"),
    ("saved", "llama"), ("bias", "llama"), ("lora_bias", "llama"), ("tokens", "llama"),
    ("replication", "llama"),
    ("tied", "llama_tied"), ("gpt2", "gpt2"), ("gpt2_dora", "gpt2"), ("experts", "gpt_oss"),
    ("mixtral_experts", "mixtral"), ("qwen_experts", "qwen_moe"),
  ])
  func mergedAsPEFTDoes(adapter: String, base: String) throws {
    let script = "return mk.model(here .. 'f/bases/\(base)'):with_lora(here .. 'f/\(adapter)')"
    #expect(try distance(script, from: adapter) < 1e-5)
    #expect(bench.warnings == [])
  }

  @Test(arguments: ["as_bin", "without_prefix", "with_adapter_name", "plain/adapter_model.safetensors"])
  func formsOfOneAdapter(form: String) throws {
    #expect(
      try distance("return mk.model(here .. 'f/bases/llama+' .. here .. 'f/\(form)')", from: "plain") < 1e-5)
  }

  @Test func adaptersWithinWeights() throws {
    #expect(try distance("return mk.model(here .. 'f/within')", from: "plain") < 1e-5)
    try bench.writeTensors(bench.tensors("f/within"), to: "w/model.safetensors")
    #expect(
      bench.error("mk.model(here .. 'w')").hasPrefix(
        "recipe.lua:1: model 'w' was saved with an adapter still in it"))
  }

  /// The hub's GPT-2 has no `transformer.` in its names.
  @Test func otherPrefixesOfTheModel() throws {
    let tensors = try bench.tensors("f/bases/gpt2").map { tensor in
      var tensor = tensor
      tensor.name = String(tensor.name.dropFirst("transformer.".count))
      return tensor
    }
    try bench.makeModel("hub", tensors, config: try bench.text("f/bases/gpt2/config.json"))
    let found = try bench.output("return mk.model(here .. 'hub+' .. here .. 'f/gpt2')")
    let expected = try bench.output("return mk.model(here .. 'f/bases/gpt2+' .. here .. 'f/gpt2')")
    #expect(found.count == expected.count)
    for tensor in found {
      #expect(tensor.bytes == expected.first { $0.name == "transformer." + tensor.name }?.bytes)
    }
  }

  @Test func scalesAndStacks() throws {
    let name = "model.layers.0.self_attn.q_proj.weight"
    let base = "local base = mk.model(here .. 'f/bases/llama') "
    func elements(_ expression: String) throws -> [Float] {
      try bench.tensor(base + "return " + expression, name).elements
    }
    let plain = try elements("base")
    let whole = try elements("base:with_lora(here .. 'f/plain')")
    let half = try elements("base:with_lora(here .. 'f/plain', { scale = 0.5 })")
    let none = try elements("base:with_lora(here .. 'f/plain', { scale = 0 })")
    let twice = try elements("base:with_lora(here .. 'f/plain'):with_lora(here .. 'f/plain', { scale = -1 })")
    #expect(none == plain)
    for index in plain.indices {
      #expect(abs(half[index] - (plain[index] + whole[index]) / 2) < 1e-6)
      #expect(abs(twice[index] - plain[index]) < 1e-6)
    }
    #expect(whole != plain)
    let both = try elements("base:with_lora(here .. 'f/plain+' .. here .. 'f/plain', { scale = 0.5 })")
    for index in plain.indices { #expect(abs(both[index] - whole[index]) < 1e-6) }
  }

  /// What is not changed is copied, and what is changed is rounded once.
  @Test func halfPrecision() throws {
    let script =
      "local m = mk.model(here .. 'f/bases/llama'); return m:map(function(t) return t:to 'bfloat16' end)"
    try bench.makeModel("half", bench.output(script), config: bench.text("f/bases/llama/config.json"))
    let found = try bench.output("return mk.model(here .. 'half+' .. here .. 'f/plain')")
    #expect(found.allSatisfy { $0.dtype == .bf16 })
    let exact = try bench.output("return mk.model(here .. 'half+' .. here .. 'f/plain')", dtype: .f32)
    for tensor in found {
      let other = try #require(exact.first { $0.name == tensor.name })
      let rounded = TestTensor(tensor.name, .bf16, tensor.shape, other.elements)
      #expect(rounded.bytes == tensor.bytes)
    }
  }

  @Test func inMergesAndConfigs() throws {
    let script = """
      local base = mk.model(here .. 'f/bases/llama')
      return mk.merge { method = 'task_arithmetic', base = base,
        models = { { mk.model(here .. 'f/bases/llama+' .. here .. 'f/plain'), weight = 1 } } }
      """
    #expect(try distance(script, from: "plain") < 1e-5)
  }

  // MARK: Faults

  private func adapter(_ name: String, _ config: String, _ tensors: [TestTensor]) throws -> String {
    try bench.makeModel(
      "m",
      [
        TestTensor("model.layers.0.q_proj.weight", .f32, [2, 3], [1, 2, 3, 4, 5, 6]),
        TestTensor("lm_head.weight", .f32, [2, 3], [1, 2, 3, 4, 5, 6]),
      ])
    try bench.write(config, to: "\(name)/adapter_config.json")
    try bench.write("", to: "\(name)/keep")
    try bench.writeTensors(tensors, to: "\(name)/adapter_model.safetensors")
    return bench.error("mk.model(here .. 'm'):with_lora(here .. '\(name)')")
  }

  private let config = #"{"peft_type": "LORA", "r": 1, "lora_alpha": 2}"#
  private let a = TestTensor(
    "base_model.model.model.layers.0.q_proj.lora_A.weight", .f32, [1, 3], [1, 2, 3])
  private let b = TestTensor("base_model.model.model.layers.0.q_proj.lora_B.weight", .f32, [2, 1], [1, 2])

  private func changed(_ tensor: TestTensor, name: String? = nil, shape: [Int]? = nil) -> TestTensor {
    var tensor = tensor
    tensor.name = name ?? tensor.name
    if let shape {
      tensor = TestTensor(tensor.name, .f32, shape, [Float](repeating: 1, count: shape.reduce(1, *)))
    }
    return tensor
  }

  @Test func faults() throws {
    let start = "recipe.lua:1: adapter 'x': "
    #expect(try adapter("x", config, [a, b]) == "no error")
    #expect(try adapter("x", config, [a]) == start + "module 'model.layers.0.q_proj' has no lora_B")
    #expect(try adapter("x", config, [b]) == start + "module 'model.layers.0.q_proj' has no lora_A")
    #expect(
      try adapter("x", config, [changed(a, shape: [2, 3]), b])
        == start + "'\(a.name)' has the rank 2, and adapter_config.json says 1")
    #expect(
      try adapter("x", config, [changed(a, shape: [1, 4]), b])
        == start
        + "module 'model.layers.0.q_proj' is made for a weight of [2, 4], and 'model.layers.0.q_proj.weight' of "
        + "model 'm' has [2, 3]; it is another model's adapter")
    let other = [a, b].map {
      changed($0, name: $0.name.replacingOccurrences(of: "layers.0", with: "layers.7"))
    }
    #expect(
      try adapter("x", config, other)
        == start
        + "model 'm' has no tensor 'model.layers.7.q_proj.weight' (did you mean 'model.layers.0.q_proj.weight'?)"
    )
    #expect(
      try adapter("x", config, [changed(a, name: "base_model.model.lm_head.weight")])
        == start
        + "'base_model.model.lm_head.weight' has the shape [1, 3], and 'lm_head.weight' of model 'm' has [2, 3]; "
        + "it is another model's adapter")
    for (text, words) in [
      (#"{"r": 0, "lora_alpha": 1}"#, "adapter_config.json: r: expected a whole number from 1 on, found 0"),
      (#"{"r": 1}"#, "adapter_config.json: lora_alpha: expected a number, found a nil"),
      (
        #"{"r": 1, "lora_alpha": 1, "rank_pattern": {"q": 1.5}}"#,
        "adapter_config.json: rank_pattern['q']: expected a whole number from 1 on, found 1.5"
      ),
      (#"{"peft_type": "LOHA", "r": 1}"#, "its type is LOHA; of PEFT's types only LORA is merged"),
      (
        #"{"r": 1, "lora_alpha": 1, "init_lora_weights": "pissa_niter_4"}"#,
        "it was made by 'pissa_niter_4', which changes the weights of its model when PEFT loads it; save it with "
          + "path_initial_model_for_weight_conversion, which makes a plain LoRA of it"
      ),
    ] {
      #expect(try adapter("x", text, [a, b]) == start + words)
    }
    #expect(try adapter("x", "[1", [a, b]).hasPrefix("recipe.lua:1: x/adapter_config.json:1:3: "))
  }

  @Test func whatIsNoAdapter() throws {
    #expect(
      bench.error("mk.model(here .. 'one'):with_lora(here .. 'one')")
        == "recipe.lua:1: one: expected an adapter, with adapter_model.safetensors or adapter_model.bin; this is a "
        + "whole model")
    try bench.write("", to: "empty/x")
    #expect(
      bench.error("mk.model(here .. 'one'):with_lora(here .. 'empty')").hasSuffix(
        "there are no weights of one"))
    #expect(
      bench.error("mk.model(here .. 'one'):with_lora(here .. 'nowhere')").contains(
        "no such file or directory"))
    try bench.writeTensors([a, b], to: "bare/adapter_model.safetensors")
    #expect(
      bench.error("mk.model(here .. 'one'):with_lora(here .. 'bare')")
        == "recipe.lua:1: bare: has no adapter_config.json, which says how its weights are put on a model")
    #expect(
      bench.error("mk.model(here .. 'one'):with_lora(1)")
        == "recipe.lua:1: with_lora: expected the path of an adapter, got number")
    #expect(
      bench.error("mk.model(here .. 'one'):with_lora('x', { scal = 1 })").contains("did you mean 'scale'?"))
  }
}
