import Foundation
import ScriptTestSupport
import Tensors
import TestSupport
import Testing

/// `mk.moe`: mixtures of experts.
@Suite struct ExpertsTests {
  let bench: ScriptBench

  static let (hidden, intermediate, layers) = (4, 3, 2)

  init() throws {
    bench = try ScriptBench()
    for (seed, name) in ["base", "a", "b"].enumerated() { try make(name, seed: UInt64(seed + 1)) }
  }

  private func make(
    _ name: String, seed: UInt64, kind: String = "llama", layers: Int = Self.layers,
    intermediate: Int = Self.intermediate, extra: [TestTensor] = [], keys: String = "", dtype: DType = .f32
  ) throws {
    var count: UInt64 = 0
    func tensor(_ name: String, _ shape: [Int]) -> TestTensor {
      count += 1
      return TestTensor(name, dtype, shape, noise(shape.reduce(1, *), seed: 100 * seed + count))
    }
    let hidden = Self.hidden
    var tensors = [tensor("model.embed_tokens.weight", [5, hidden])]
    for layer in 0..<layers {
      let own = "model.layers.\(layer)."
      tensors.append(tensor(own + "input_layernorm.weight", [hidden]))
      for part in ["q", "k", "v", "o"] {
        tensors.append(tensor("\(own)self_attn.\(part)_proj.weight", [hidden, hidden]))
      }
      tensors.append(tensor(own + "post_attention_layernorm.weight", [hidden]))
      for part in ["gate", "up"] {
        tensors.append(tensor("\(own)mlp.\(part)_proj.weight", [intermediate, hidden]))
      }
      tensors.append(tensor(own + "mlp.down_proj.weight", [hidden, intermediate]))
    }
    tensors += [tensor("model.norm.weight", [hidden]), tensor("lm_head.weight", [5, hidden])] + extra
    try bench.makeModel(
      name, tensors,
      config: """
        {"model_type": "\(kind)", "architectures": ["X"], "hidden_size": \(hidden), "num_hidden_layers": \(layers),
         "intermediate_size": \(intermediate), "num_attention_heads": 2, \(keys) "torch_dtype": "\(dtype.torchName)"}
        """)
  }

  private let models = """
    local base, a, b = mk.model(here .. 'base'), mk.model(here .. 'a'), mk.model(here .. 'b')

    """

  /// A recipe that returns a mixture of these fields.
  private func moe(_ fields: String) -> String { models + "return mk.moe { base = base, \(fields) }" }

  private func byName(_ tensors: [TestTensor]) -> [String: TestTensor] {
    Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
  }

  // MARK: Tensors

  @Test func expertsAreCopies() throws {
    let out = byName(try bench.output(moe("experts = { a, b }, gates = 'random'")))
    let (base, a, b) = (
      byName(try bench.tensors("base")), byName(try bench.tensors("a")), byName(try bench.tensors("b"))
    )
    #expect(out.count == 3 + Self.layers * (6 + 1 + 6))
    for layer in 0..<Self.layers {
      let (own, block) = ("model.layers.\(layer).", "model.layers.\(layer).block_sparse_moe.")
      for (part, name) in [("gate_proj", "w1"), ("up_proj", "w3"), ("down_proj", "w2")] {
        #expect(out["\(block)experts.0.\(name).weight"]?.bytes == a["\(own)mlp.\(part).weight"]?.bytes)
        #expect(out["\(block)experts.1.\(name).weight"]?.bytes == b["\(own)mlp.\(part).weight"]?.bytes)
      }
      #expect(out["\(block)gate.weight"]?.shape == [2, 4])
      #expect(out["\(own)self_attn.q_proj.weight"] == base["\(own)self_attn.q_proj.weight"])
      #expect(out["\(own)mlp.gate_proj.weight"] == nil)
    }
    #expect(out["lm_head.weight"] == base["lm_head.weight"])
  }

  @Test func noiseAndScale() throws {
    let out = byName(
      try bench.output(
        moe("experts = { { a, residual_scale = 0.5 }, { b, noise_scale = 0.25 } }, gates = 'random'"))
    )
    let (a, b) = (byName(try bench.tensors("a")), byName(try bench.tensors("b")))
    let (own, block) = ("model.layers.1.mlp.", "model.layers.1.block_sparse_moe.experts.")
    #expect(out[block + "0.w1.weight"]?.bytes == a[own + "gate_proj.weight"]?.bytes)
    let down = try #require(a[own + "down_proj.weight"]?.elements)
    #expect(out[block + "0.w2.weight"]?.elements == down.map { 0.5 * $0 })
    var steps: [Float] = []
    for (name, part) in [("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")] {
      let (new, old) = (
        try #require(out["\(block)1.\(name).weight"]), try #require(b["\(own)\(part).weight"])
      )
      steps += zip(new.elements, old.elements).map { $0 - $1 }
    }
    #expect(Set(steps).count == 36)
    let deviation = (steps.reduce(0) { $0 + $1 * $1 } / 36).squareRoot()
    #expect(deviation > 0.15 && deviation < 0.35)
  }

  @Test func storedAsTheBasesConfigSays() throws {
    try make("half", seed: 7, dtype: .bf16)
    let script = models + "local half = mk.model(here .. 'half')\nreturn mk.moe "
    let out = try bench.output(script + "{ base = half, experts = { a, half }, gates = 'random' }")
    #expect(Set(out.map(\.dtype)) == [.bf16])
    let wide = try bench.output(
      script + "{ base = half, experts = { a, half }, gates = 'random', dtype = 'float32' }")
    #expect(Set(wide.map(\.dtype)) == [.f32])
  }

  @Test func modelsMayBeLazy() throws {
    let out = byName(
      try bench.output(
        models + """
          local merged = mk.merge { method = "linear", models = { { a, weight = 1 }, { b, weight = 3 } } }
          local stacked = mk.stack { { a, layers = { 1, 2 } }, { b, layers = { 0, 1 } } }
          return mk.moe { base = merged, experts = { merged, stacked }, gates = "random" }
          """))
    let (a, b) = (byName(try bench.tensors("a")), byName(try bench.tensors("b")))
    let name = "model.layers.0.mlp.up_proj.weight"
    let expected = zip(try #require(a[name]).elements, try #require(b[name]).elements)
      .map { (Double($0) + 3 * Double($1)) / 4 }
    #expect(
      isClose(try #require(out["model.layers.0.block_sparse_moe.experts.0.w3.weight"]).elements, expected))
    #expect(
      out["model.layers.1.block_sparse_moe.experts.1.w3.weight"]?.bytes
        == b["model.layers.0.mlp.up_proj.weight"]?.bytes)
  }

  /// A mixture is a model like others.
  @Test func mixturesGoOn() throws {
    let lines = try bench.lines(
      models + """
        local m = mk.moe { base = base, experts = { a, b }, gates = "random", name = "clown" }
        print(m.name, m.num_layers, m.config.model_type, m:info("model.layers.1.block_sparse_moe.gate.weight").layer)
        local again = mk.merge { method = "linear", models = { { m, weight = 1 } } }
        print(again.config.num_local_experts, #again:names() == #m:names())
        """)
    #expect(lines == ["clown\t2\tmixtral\t1", "2\ttrue"])
  }

  // MARK: Architectures

  @Test func zeroBiasesOfQwen() throws {
    let fields = "experts = { a, b }, shared_experts = { base }, gates = 'random', architecture = 'qwen'"
    let out = byName(try bench.output(moe(fields)))
    for part in ["q", "k", "v"] {
      #expect(out["model.layers.1.self_attn.\(part)_proj.bias"]?.elements == [0, 0, 0, 0])
    }
    #expect(out["model.layers.0.mlp.shared_expert_gate.weight"]?.shape == [1, 4])
    let own = [Float](repeating: 2, count: 4)
    try make(
      "biased", seed: 9, kind: "qwen2",
      extra: (0..<2).flatMap { layer in
        ["q", "k", "v"].map { TestTensor("model.layers.\(layer).self_attn.\($0)_proj.bias", .f32, [4], own) }
      })
    let biased = byName(
      try bench.output(
        "local m = mk.model(here .. 'biased')\nreturn mk.moe { base = m, experts = { m, m }, shared_experts = { m }, gates = 'random' }"
      ))
    #expect(biased["model.layers.1.self_attn.q_proj.bias"]?.elements == own)
  }

  @Test func theConfigSaysWhatTheTypeLeavesOut() throws {
    try make("plain", seed: 3, keys: "\"sliding_window\": 7, \"auto_map\": {\"x\": \"y\"}, \"own\": [1e-05],")
    let script =
      "local m = mk.model(here .. 'plain')\nlocal c = mk.moe { base = m, experts = { m, m }, gates = 'random', architecture = '%' }.config\n"
    let keys =
      "print(c.model_type, c.architectures[1], c.rope_theta, c.rms_norm_eps, c.num_key_value_heads, c.sliding_window, c.own[1], c.hidden_act)"
    #expect(
      try bench.lines(
        script.replacing("%", with: "mixtral") + keys + "\nprint(c.auto_map, c.num_local_experts)")
        == ["mixtral\tMixtralForCausalLM\t10000.0\t1e-06\t2\tnil\t1e-05\tsilu", "nil\t2"])
    #expect(
      try bench.lines(
        script.replacing("%", with: "deep")
          + "print(c.model_type, c.n_routed_experts, c.n_shared_experts, c.moe_intermediate_size, c.auto_map.AutoConfig)"
      )
        == [
          "deepseek\t2\tnil\t3\tdeepseek-ai/deepseek-moe-16b-base--configuration_deepseek.DeepseekConfig"
        ])
  }

  @Test func anArchitectureOfOnesOwn() throws {
    try bench.write(
      """
      local own = "model.layers.{layer}.ffn."
      return {
        name = "Mine", inputs = { "llama" }, shared_experts = { 0, 2 },
        tensors = { "model.embed_tokens.weight", "model.layers.{layer}.input_layernorm.weight",
          "model.layers.{layer}.post_attention_layernorm.weight", "model.layers.{layer}.self_attn.q_proj.weight",
          "model.layers.{layer}.self_attn.k_proj.weight", "model.layers.{layer}.self_attn.v_proj.weight",
          "model.layers.{layer}.self_attn.o_proj.weight", "model.norm.weight", "lm_head.weight" },
        expert = { gate_proj = own .. "{expert}.g", up_proj = own .. "{expert}.u", down_proj = own .. "{expert}.d" },
        shared_expert = { gate_proj = own .. "s{expert}.g", up_proj = own .. "s{expert}.u", down_proj = own .. "s{expert}.d" },
        gate = own .. "router",
        config = function(m) return { model_type = "mine", sizes = { m.num_experts, m.num_shared_experts } } end,
      }
      """, to: "mine.lua")
    let fields =
      "experts = { a, b }, shared_experts = { a, b }, gates = 'random', architecture = './mine.lua'"
    let out = byName(try bench.output(moe(fields)))
    let b = byName(try bench.tensors("b"))
    #expect(out["model.layers.1.ffn.s1.d"]?.bytes == b["model.layers.1.mlp.down_proj.weight"]?.bytes)
    #expect(out["model.layers.1.ffn.router"]?.shape == [2, 4])
    #expect(
      try bench.lines(moe(fields).replacing("return", with: "local m =") + "\nprint(m.config.sizes[2])") == [
        "2"
      ])
  }

  // MARK: Gates

  @Test func whatAGateFunctionGets() throws {
    let script = moe(
      """
      experts = { { a, positive_prompts = { "p", "q" }, negative_prompts = { "n" } }, b }, gates = function(g)
        assert(g.base == base and g.experts[1].model == a and g.experts[1].negative_prompts[1] == "n")
        assert(#g.experts[1].positive_prompts == 2 and #g.experts[2].positive_prompts == 0)
        assert(g.num_experts == 2 and g.hidden_size == 4 and g.num_layers == 2 and g.is_shared == false)
        return mk.tensor { { 1, 0, 0, 0 }, { 0, 1, 0, g.layer } }
      end
      """)
    let out = byName(try bench.output(script))
    #expect(out["model.layers.0.block_sparse_moe.gate.weight"]?.elements == [1, 0, 0, 0, 0, 1, 0, 0])
    #expect(out["model.layers.1.block_sparse_moe.gate.weight"]?.elements == [1, 0, 0, 0, 0, 1, 0, 1])
    #expect(bench.warnings == [])
  }

  /// A base that counts how often it is read, and whose tokens are bytes.
  private static let counted = """
    local gates = require "mergekit.moe.gates"
    local calls = {}
    local fake = {
      name = "fake", tokenizer = { special = { bos = "^" } },
      resolve = function(_, name) return name end, info = function() return { dtype = "float32" } end,
    }
    function fake.tokenizer:encode(text, options)
      assert(self == fake.tokenizer and options.special == false)
      return { text:byte(1, -1) }
    end
    function fake:hidden_states(prompts, options)
      local texts, rows = {}, {}
      for index, ids in ipairs(prompts) do
        texts[index] = string.char(table.unpack(ids))
        rows[index] = { index, index == 4 and 9 or 1, 0, 0 }
      end
      calls[#calls + 1] = options.pool .. " of " .. table.concat(texts, " ")
      return { mk.tensor(rows), 2 * mk.tensor(rows) }
    end
    local function show(mode)
      local gate = gates.builder({
        base = fake, num_layers = 2, hidden_size = 4, mode = gates.read(mode), shared_experts = {},
        experts = {
          { positive_prompts = { "a", "b" }, negative_prompts = { "c" } },
          { positive_prompts = { "d" }, negative_prompts = {} },
        },
      }, {})
      for layer = 0, 1 do
        local tensor, values = gate(layer).build(), {}
        for row = 1, 2 do
          for column = 1, 2 do
            values[#values + 1] = ("%.4f"):format(tensor:narrow(1, row, 1):narrow(2, column, 1):sum():item())
          end
        end
        print(table.concat(values, " "))
      end
      for _, call in ipairs(calls) do print(call) end
    end

    """

  /// (a + b) / 2 - c and d, both of length 1; once for all layers.
  @Test func gatesOfHiddenStates() throws {
    #expect(
      try bench.lines(Self.counted + "show \"hidden\"")
        == ["-1.0000 0.0000 0.4061 0.9138", "-1.0000 0.0000 0.4061 0.9138", "last of ^a ^b ^c ^d"])
    #expect(try bench.lines(Self.counted + "show \"hidden_avg\"").last == "mean of ^a ^b ^c ^d")
  }

  /// Prompts of one's own are read alone; with one of an expert's come all of them.
  @Test func promptsAreReadOnce() throws {
    let function =
      "function(g) return mk.cat({ g:hidden { 'x' }, g:hidden({ 'd' }, { pool = 'mean' }) }, 1) end"
    #expect(
      try bench.lines(Self.counted + "show(\(function))") == [
        "1.0000 1.0000 1.0000 1.0000", "2.0000 2.0000 2.0000 2.0000", "last of ^x", "mean of ^d ^a ^b ^c",
      ])
  }

  @Test func randomGates() throws {
    try make("wide", seed: 4)
    let many = "experts = { \((0..<32).map { $0 % 2 == 0 ? "a" : "b" }.joined(separator: ", ")) }"
    func gates(_ mode: String) throws -> [[Float]] {
      let out = byName(try bench.output(moe("\(many), gates = '\(mode)'")))
      return try (0..<2).map { try #require(out["model.layers.\($0).block_sparse_moe.gate.weight"]).elements }
    }
    let normal = try gates("random")
    #expect(normal[0] != normal[1])
    let values = normal.joined()
    let mean = values.reduce(0, +) / 256
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 255
    #expect(abs(mean) < 0.2 && abs(variance - 1) < 0.3)
    let uniform = try gates("uniform_random").joined()
    #expect(
      uniform.allSatisfy { abs($0) <= 0.5 } && uniform.contains { $0 > 0.4 } && uniform.contains { $0 < -0.4 }
    )
    #expect(try gates("random") == normal)
  }

  @Test(arguments: [
    ("{ { 1, 0, 0, 0 }, { 1, 0.1, 0, 0 } }", "all layers"),
    ("g.layer == 1 and { { 1, 2, 0, 0 }, { 1, 2, 0, 0 } } or { { 1, 0, 0, 0 }, { 0, 1, 0, 0 } }", "layer 1"),
    ("{ { 0, 0, 0, 0 }, { 0, 0, 0, 0 } }", "all layers"), ("{ { 1, 0, 0, 0 }, { 0, 4.9, 0, 0 } }", nil),
    ("{ { 1, 0, 0, 0 }, { 0, 5.1, 0, 0 } }", "all layers"),
    ("{ { 1, 1, 0, 0 }, { 1, -1, 0, 0 } }", nil),
  ])
  func gatesThatHardlyDiffer(rows: String, layers: String?) throws {
    _ = try bench.output(moe("experts = { a, b }, gates = function(g) return mk.tensor(\(rows)) end"))
    let expected = layers.map {
      "gates: those of \($0) hardly differ (condition number above 5), so some experts will be used little"
    }
    #expect(bench.warnings == [expected].compactMap(\.self))
  }

  /// By the singular values 12.1655, 4.0560, 1.3508 and 0.
  @Test func theConditionOfMoreRowsThanColumns() throws {
    let lines = try bench.lines(
      """
      local condition = require "mergekit.moe.condition"
      for _, rows in ipairs { { { 3, 0, 0 }, { 0, 2, 0 }, { 0, 0, 0.5 }, { 0, 0, 0 } }, { { 1, 2 }, { 3, 4 } }, { { 0 / 0, 1 } , { 1, 1 } } } do
        local seen
        local one = condition(mk.tensor(rows), function(value) seen = value end)
        print(one:item(), ("%.4f"):format(seen))
      end
      """)
    #expect(lines.count == 3)
    #expect(lines[0] == "1.0\t6.0000" && lines[1] == "1.0\t14.9330")
    #expect(lines[2].hasPrefix("1.0\t") && lines[2].hasSuffix("nan"))
  }

  // MARK: What cannot be

  @Test(arguments: [
    ("experts = {}", "moe: experts: expected at least one expert"),
    ("gates = 'random'", "moe: experts: expected a list of { model, positive_prompts = … }"),
    ("experts = { a }", "moe: experts_per_token: 2 experts are to run for each token, and there is 1"),
    (
      "experts = { a, b }, experts_per_token = 1.5",
      "moe: experts_per_token: expected a count from 1 on, got 1.5"
    ),
    ("experts = { a, 3 }", "moe: experts[2]: expected a model, or { model, positive_prompts = … }"),
    (
      "experts = { { a, positive_prompt = {} }, b }",
      "moe: experts[1]: unknown field 'positive_prompt' (did you mean 'positive_prompts'?)"
    ),
    (
      "experts = { a, b }",
      "moe: experts[1]: expected positive_prompts, of which gates 'hidden' are made"
    ),
    ("experts = { a, b }, gates = 'hiden'", "moe: gates: unknown mode 'hiden' (did you mean 'hidden'?)"),
    (
      "experts = { { a, positive_prompts = { 'x' } }, { b, positive_prompts = { 'x' } } }",
      "moe: experts: the prompts of all are the same, so no gate can tell them apart: expected for each what it is for"
    ),
    (
      "experts = { { a, positive_prompts = { 'x' } }, { a, positive_prompts = { 'y' } } }",
      "moe: experts: all are model 'a', so the result computes what that one does, for more memory; to train it further, say so by allow_all_same = true, or --i-understand-this-is-not-useful-without-training"
    ),
    (
      "experts = { a, b }, shared_experts = { a }, gates = 'random', architecture = 'mixtral'",
      "moe: architecture: none takes these models: Mixtral has no shared experts"
    ),
    (
      "experts = { a, b }, shared_experts = { a, b }, gates = 'random'",
      "moe: architecture: none takes these models: Mixtral has no shared experts; DeepSeek MoE has at most 1 shared expert, and there are 2; Qwen MoE has at most 1 shared expert, and there are 2; Qwen3 MoE is made of qwen3 models, and the base is of type llama"
    ),
    (
      "experts = { a, b }, shared_experts = { { a, positive_prompts = { 'x' } } }, gates = 'random', architecture = 'deepseek'",
      "moe: architecture: none takes these models: DeepSeek MoE has no gate for shared experts, and shared_experts[1] has prompts"
    ),
    (
      "experts = { a, b }, gates = 'random', architecture = 'qwen3'",
      "moe: architecture: none takes these models: Qwen3 MoE is made of qwen3 models, and the base is of type llama"
    ),
    (
      "experts = { b, b }, base = mk.model(here .. 'gpt'), gates = 'random'",
      "moe: experts[1]: model 'b' is of type llama, and the base 'gpt' of type gpt2: all must be of one"
    ),
    (
      "experts = { mk.model(here .. 'gpt'), mk.model(here .. 'gpt') }, base = mk.model(here .. 'gpt'), gates = 'random', architecture = 'mixtral'",
      "moe: architecture: none takes these models: Mixtral is made of llama or mistral models, and the base is of type gpt2"
    ),
    // What a base of a type that none takes lacks besides is of no use to say (Phi, Gemma).
    (
      "experts = { mk.model(here .. 'gpt'), mk.model(here .. 'gpt') }, base = mk.model(here .. 'gpt'), gates = 'random'",
      "moe: architecture: none takes these models: Mixtral is made of llama or mistral models, and the base is of type gpt2; DeepSeek MoE is made of llama or mistral models, and the base is of type gpt2; Qwen MoE is made of qwen2 or llama or mistral models, and the base is of type gpt2; Qwen3 MoE is made of qwen3 models, and the base is of type gpt2"
    ),
    (
      "experts = { a, mk.model(here .. 'long') }, gates = 'random'",
      "moe: experts[2]: model 'long' has 3 layers, and the base 'base' has 2"
    ),
    (
      "experts = { a, mk.model(here .. 'wide') }, gates = 'random'",
      "moe: experts[2]: 'model.layers.0.mlp.down_proj.weight' of model 'wide' is of shape [4, 6], and the base's of shape [4, 3]"
    ),
    (
      "experts = { a, mk.model(here .. 'mistral') }, gates = 'random'",
      "moe: experts[2]: model 'mistral' is of type mistral, and the base 'base' of type llama: all must be of one"
    ),
    (
      "experts = { a, b }, base = mk.model(here .. 'biased'), gates = 'random'",
      "moe: base: Mixtral has no place for tensor 'model.layers.0.self_attn.q_proj.bias' of model 'biased'"
    ),
    (
      "experts = { a, b }, gates = 'random', dtype = 'f99'",
      "unknown dtype 'f99'"
    ),
    (
      "experts = { a, mk.model(here .. 'mlp-biased') }, gates = 'random'",
      "moe: experts[2]: 'model.layers.1.mlp.up_proj.bias' of model 'mlp-biased' has no place in a mixture: expected MLPs without biases"
    ),
    (
      "experts = a, gates = 'random'",
      "moe: experts: expected a list of { model, positive_prompts = … }, got a model"
    ),
    (
      "experts = { { a, positive_prompts = { 'x', nil, 'y' } }, b }, gates = 'random'",
      "moe: experts[1].positive_prompts: expected a list of prompts without gaps"
    ),
    (
      "experts = { a, b }, gates = 'random', architecture = './none.lua'",
      "moe: architecture: there is no file './none.lua' below the folder of the recipe or config"
    ),
    (
      "experts = { a, b }, gates = 'random', architecture = '../mine.lua'",
      "moe: architecture: there is no file '../mine.lua' below the folder of the recipe or config"
    ),
  ])
  func refusals(fields: String, words: String) throws {
    try make("long", seed: 5, layers: 3)
    try make("wide", seed: 5, intermediate: 6)
    try make("mistral", seed: 5, kind: "mistral")
    try bench.makeModel(
      "gpt", [TestTensor("wte.weight", .f32, [1, 1], [0])], config: #"{"model_type": "gpt2"}"#)
    try make(
      "biased", seed: 5, extra: [TestTensor("model.layers.0.self_attn.q_proj.bias", .f32, [4], [0, 0, 0, 0])])
    try make(
      "mlp-biased", seed: 5, extra: [TestTensor("model.layers.1.mlp.up_proj.bias", .f32, [3], [0, 0, 0])])
    let base = fields.contains("base =") ? "" : "base = base, "
    let message = bench.error(models + "mk.moe { \(base)\(fields) }")
    #expect(message.replacing(bench.folder + "/", with: "") == "recipe.lua:2: \(words)")
  }

  @Test(arguments: [
    ("return 3", "gates: layer 0: expected a tensor of shape [2, 4], got a number"),
    ("return mk.randn { 4, 2 }", "gates: layer 0: expected a tensor of shape [2, 4], got [4, 2]"),
    (
      "return mk.randn { 2, 4 } / 0", "gates: layer 0: expected finite numbers, found NaN or infinite ones"
    ),
    (
      "return mk.tensor { { 0 / 0, 1, 0, 0 }, { 0, 1, 0, 0 } }",
      "gates: layer 0: expected finite numbers, found NaN or infinite ones"
    ),
    ("return g.layr", "the gate function's argument has no field 'layr' (did you mean 'layer'?)"),
    ("return g:hidden {}", "hidden: expected a list of at least one prompt"),
    ("return g:hidden('x')", "hidden: expected a list of at least one prompt"),
    ("return g:embed({ 'x' }, { pool = 'last' })", "embed: pool: expected 'mean' or 'sum', got 'last'"),
    ("return g:hidden({ 'x' }, { pol = 'last' })", "hidden: unknown field 'pol' (did you mean 'pool'?)"),
  ])
  func badGateFunctions(body: String, words: String) {
    let message = asOfFirstLayer(
      bench.outputError(moe("experts = { a, b }, gates = function(g) \(body) end")))
    #expect(
      message == "recipe.lua:2: tensor 'model.layers.0.block_sparse_moe.gate.weight': \(words)", "\(message)")
  }

  /// Both layers fail, and whichever is computed first is named.
  private func asOfFirstLayer(_ message: String) -> String {
    message.replacing("layers.1.", with: "layers.0.").replacing("layer 1:", with: "layer 0:")
  }

  /// Few experts or many, for which no condition number is computed.
  @Test(arguments: [1, 33]) func gatesOfAnyNumberOfExpertsAreFinite(count: Int) {
    let experts =
      "experts = (function() local list = {} for i = 1, \(count) do list[i] = i > 1 and b or a end return list end)()"
    let message = asOfFirstLayer(
      bench.outputError(
        moe("\(experts), experts_per_token = 1, gates = function(g) return mk.zeros { \(count), 4 } / 0 end"))
    )
    #expect(
      message
        == "recipe.lua:2: tensor 'model.layers.0.block_sparse_moe.gate.weight': gates: layer 0: expected finite numbers, found NaN or infinite ones"
    )
  }

  /// Each changes one field of an architecture that is whole.
  @Test(arguments: [
    ("inputs = { 3 }", "inputs: expected a list of names, found a number"),
    ("tensors = { [2] = 'x', y = 'z' }", "tensors: expected a list of names, found the field y"),
    ("optional = 'x'", "optional: expected a table, got string"),
    ("refuses = 3", "refuses: expected a function, got number"),
    ("zero_biases = { 'x' }", "zero_biases: expected names of biases with those of their weights"),
    (
      "expert = { gate_proj = 'g{layer}', up_proj = '{layer}u{expert}', down_proj = '{layer}d{expert}' }",
      "expert: 'g{layer}', the name of gate_proj, lacks {expert}"
    ),
    ("config = function() end", "config: expected a table of values, got nil"),
    (
      "config = function() return {}, 'sliding_window' end",
      "config: keys to leave out: expected a list of names, got a string"
    ),
    (
      "config = function() return {}, { sliding_window = true } end",
      "config: keys to leave out: expected a list of names, found the field sliding_window"
    ),
  ])
  func badArchitectures(field: String, words: String) {
    let message = bench.error(
      models + """
        local mine = {}
        for key, value in pairs(require "expert_layouts.mixtral") do mine[key] = value end
        for key, value in pairs { \(field) } do mine[key] = value end
        mk.moe { base = base, experts = { a, b }, gates = "random", architecture = mine }
        """)
    #expect(message == "recipe.lua:5: moe: architecture 'Mixtral': \(words)")
  }

  @Test func warnings() throws {
    _ = try bench.lines(
      moe("experts = { a, b, a }, shared_experts = { base }, gates = 'random'").replacing(
        "return", with: "local m ="))
    #expect(
      bench.warnings == ["architecture: DeepSeek MoE and Qwen MoE take these models; this makes DeepSeek MoE"]
    )
  }
}
