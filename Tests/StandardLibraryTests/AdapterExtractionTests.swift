import Basics
import Foundation
import ScriptTestSupport
import Scripting
import SystemPackage
import Tensors
import Testing

/// `mk.adapter { from =, base =, rank = }`: adapters that are made of two models. That PEFT loads them, and to what
/// effect, scripts/check-adapters sees.
@Suite struct AdapterExtractionTests {
  let bench: ScriptBench

  init() throws { bench = try .withAdapters() }

  private let llama = "local base = mk.model(here .. 'f/bases/llama') "

  /// Writes the adapter of `tuned` and `base`, which a script defines, as `a`; gives its config and its tensors' names.
  private func extract(_ script: String, _ fields: String) throws -> (config: JSON, names: [String]) {
    if bench.exists("a") { try bench.remove("a") }
    try bench.writeModel(of: script + " return mk.adapter { from = tuned, base = base, \(fields) }", to: "a")
    let config = try JSON(contentsOf: FilePath("\(bench.folder)/a/adapter_config.json"))
    #expect(!bench.exists("a/config.json"))
    return (config, try bench.tensors("a/adapter_model.safetensors").map(\.name))
  }

  /// The distance of the model with the written adapter on it from `tuned`.
  private func distance(_ script: String) throws -> Float {
    try bench.distance(
      of: bench.output(script + " return base:with_lora(here .. 'a')"),
      from: bench.output(script + " return tuned"))
  }

  private func strings(_ config: JSON, _ key: String) -> [String]? {
    config[key]?.arrayValue?.compactMap(\.stringValue)
  }

  @Test(arguments: ["", ", distribute_scale = false"])
  func theTrueRank(option: String) throws {
    let script = llama + "local tuned = base:with_lora(here .. 'f/plain')"
    let (config, names) = try extract(script, "rank = 4\(option)")
    #expect(names.count == 12)
    #expect(strings(config, "target_modules") == ["down_proj", "q_proj", "v_proj"])
    #expect(config["r"]?.intValue == 4 && config["lora_alpha"]?.intValue == 4)
    #expect(config["task_type"]?.stringValue == "CAUSAL_LM" && config["modules_to_save"] == nil)
    #expect(try distance(script) < 1e-5)
    #expect(bench.warnings == [])
  }

  /// With the scale in both factors these have the same norm, without all of it is in A.
  @Test func scales() throws {
    let script = llama + "local tuned = base:with_lora(here .. 'f/plain')"
    func norms() throws -> [Float] {
      let tensors = try bench.tensors("a/adapter_model.safetensors").filter {
        $0.name.contains("0.mlp.down_proj")
      }
      return tensors.map { $0.elements.reduce(0) { $0 + $1 * $1 } }
    }
    _ = try extract(script, "rank = 4")
    let both = try norms()
    #expect(abs(both[0] - both[1]) < 1e-4 * both[0])
    _ = try extract(script, "rank = 4, distribute_scale = false")
    // Four vectors of length 1.
    #expect(try abs(norms()[1] - 4) < 1e-4)
  }

  /// Below the true rank what is lost is what the truncated decomposition loses.
  @Test(arguments: [1, 2, 3])
  func lowerRanks(rank: Int) throws {
    let lines = try bench.lines(
      llama + """
        local tuned = base:with_lora(here .. 'f/plain')
        local adapter = mk.adapter { from = tuned, base = base, rank = \(rank) }
        for _, row in ipairs(mk.adapter_errors { adapter = adapter, from = tuned, base = base }) do
          local _, s = (tuned:tensor(row.name .. '.weight') - base:tensor(row.name .. '.weight')):svd()
          local lost = s:narrow(1, \(rank) + 1, s.numel - \(rank)):norm():item()
          print(row.rank, row.layer, math.abs(row.error / lost - 1) < 0.01, math.abs(s:norm():item() / row.change - 1) < 1e-5)
        end
        """)
    #expect(lines.count == 6)
    #expect(lines.allSatisfy { $0.hasSuffix("true\ttrue") && $0.hasPrefix("\(rank)\t") })
  }

  /// Large matrices are decomposed by a sketch; A and B must come of the same one.
  @Test func sketches() throws {
    try bench.makeModel(
      "big",
      [TestTensor("layers.0.proj.weight", .f32, [1, 1], [0]), TestTensor("layers.1.x", .f32, [1], [0])])
    let script = """
      local function make(f)
        return mk.model(here .. 'big'):map(function(t, info) return info.name == 'layers.1.x' and t or f() end)
      end
      local base = make(function() return mk.zeros { 600, 520 } end)
      local tuned = make(function() return mk.randn { 600, 3 }:matmul(mk.randn { 3, 520 }) end)
      """
    _ = try extract(script, "rank = 3")
    #expect(try distance(script) < 1e-5)
  }

  @Test func epsilonAndRanks() throws {
    let script = llama + "local tuned = base:with_lora(here .. 'f/plain')"
    let (config, _) = try extract(script, "rank = { { filter = 'q_proj', value = 3 }, { value = 2 } }")
    #expect(config["r"]?.intValue == 3)
    #expect(config["rank_pattern"]?["model.layers.1.mlp.down_proj"]?.intValue == 2)
    #expect(config["alpha_pattern"] == config["rank_pattern"])
    // A module whose singular values are all smaller is left out.
    let counts = try bench.lines(
      script + """
         for _, name in ipairs { 'layers.0.mlp.down_proj', 'layers.0.self_attn.v_proj', 'layers.1.self_attn.v_proj' } do
          name = 'model.' .. name .. '.weight'
          local _, s = (tuned:tensor(name) - base:tensor(name)):svd()
          print(math.tointeger(s:gt(1):sum():item()))
        end
        """
    ).map { Int($0) ?? -1 }
    let (_, names) = try extract(script, "rank = 8, epsilon = 1")
    let ranks = try bench.tensors("a/adapter_model.safetensors").filter { $0.name.hasSuffix("A.weight") }
    #expect(counts.contains(0) && counts.contains { $0 > 0 })
    for (name, count) in zip(["0.mlp.down_proj", "0.self_attn.v_proj", "1.self_attn.v_proj"], counts) {
      #expect((ranks.first { $0.name.contains(name) }?.shape[0] ?? 0) == count)
      #expect(names.contains { $0.contains(name) } == (count > 0))
    }
    #expect(
      bench.error(script + " mk.adapter { from = tuned, base = base, rank = 4, epsilon = 1000 }").contains(
        "nothing that an adapter could say in a low rank differs"))
  }

  private let changedVectors = """
     local tuned = base:with_lora(here .. 'f/plain'):map(function(t, info)
      if info.name == 'model.norm.weight' or info.name:find('layers.1.*bias') then return t + 0.5 end
      return t
    end)
    """

  @Test func normsAndBiases() throws {
    let (config, names) = try extract(llama + changedVectors, "rank = 4")
    #expect(strings(config, "modules_to_save") == ["model.norm"])
    #expect(config["bias"]?.stringValue == "all")
    #expect(names.contains("base_model.model.model.norm.weight"))
    #expect(names.contains("base_model.model.model.layers.1.self_attn.q_proj.base_layer.bias"))
    #expect(names.contains("base_model.model.model.layers.1.self_attn.k_proj.bias"))
    #expect(bench.warnings.contains("adapter: saved at full rank (modules_to_save): 'model.norm'"))
    #expect(try distance(llama + changedVectors) < 1e-5)

    bench.forget()
    let (without, fewer) = try extract(llama + changedVectors, "rank = 4, skip_undecomposable = true")
    #expect(without["modules_to_save"] == nil && without["bias"]?.stringValue == "none" && fewer.count == 12)
    #expect(bench.warnings.first?.contains("left out although changed, as they have no low rank: ") == true)
    #expect(bench.warnings.first?.contains("'model.layers.1.self_attn.k_proj.bias'") == true)
  }

  private let changedTables = """
     local tuned = base:with_lora(here .. 'f/plain'):map(function(t, info)
      if info.kind == 'embedding' or info.kind == 'head' then return t * 1.5 end
      return t
    end)
    """

  @Test func embeddingsAndHeads() throws {
    let (config, names) = try extract(llama + changedTables, "rank = 8")
    #expect(strings(config, "modules_to_save") == ["lm_head", "embed_tokens"])
    #expect(names.contains("base_model.model.lm_head.weight"))
    #expect(try distance(llama + changedTables) < 1e-5)
    let (low, factors) = try extract(llama + changedTables, "rank = 8, embeddings = true")
    #expect(low["modules_to_save"] == nil)
    #expect(factors.contains("base_model.model.model.embed_tokens.lora_embedding_A"))
    #expect(try distance(llama + changedTables) < 1e-5)
    let (saved, _) = try extract(
      llama + changedTables, "rank = 8, embeddings = true, save_modules = { 'lm_head' }")
    #expect(strings(saved, "modules_to_save") == ["lm_head"])
    let (excluded, rest) = try extract(llama + changedTables, "rank = 8, exclude = { 'embed', 'lm_head$' }")
    #expect(excluded["modules_to_save"] == nil && rest.count == 12)
    let (included, _) = try extract(
      llama + changedTables, "rank = 8, include = { 'q_proj' }, exclude = { 'embed', 'lm_head', '1' }")
    #expect(strings(included, "target_modules") == ["model.layers.0.self_attn.q_proj"])
  }

  /// The head is the embedding: PEFT would not change it with that.
  @Test(arguments: ["", ", embeddings = true"])
  func tiedHeads(option: String) throws {
    let script =
      "local base = mk.model(here .. 'f/bases/llama_tied') local tuned = base:with_lora(here .. 'f/tied')"
    let (config, names) = try extract(script, "rank = 2\(option)")
    #expect(strings(config, "modules_to_save") == ["embed_tokens", "lm_head"])
    #expect(config["ensure_weight_tying"] == .bool(true))
    #expect(names.contains("base_model.model.lm_head.weight"))
    #expect(try distance(script) < 1e-5)
    #expect(bench.warnings.contains { $0.contains("the embedding of") } == !option.isEmpty)
  }

  /// A head that was the embedding in one of the models alone.
  @Test func headsThatPartOrMeet() throws {
    let parted = """
      local base = mk.model(here .. 'f/bases/llama_tied') local tuned = base:with_lora(here .. 'f/tied')
      local other = mk.model(here .. 'f/bases/llama')
      """
    let adapter = "mk.adapter { from = other:with_lora(here .. 'f/plain'), base = base, rank = 2 }"
    try bench.writeModel(of: parted + " return \(adapter)", to: "b")
    #expect(try bench.tensors("b/adapter_model.safetensors").contains { $0.name.contains("lm_head.weight") })
    let met =
      "local base, tuned = mk.model(here .. 'f/bases/llama'), mk.model(here .. 'f/bases/llama_tied+' .. here .. 'f/tied')"
    let (_, names) = try extract(met, "rank = 8")
    #expect(names.contains("base_model.model.lm_head.weight"))
    let head = try bench.tensor(met + " return base:with_lora(here .. 'a')", "lm_head.weight")
    #expect(try head.elements == bench.tensor(met + " return tuned", "model.embed_tokens.weight").elements)
  }

  @Test func conv1D() throws {
    let script =
      "local base = mk.model(here .. 'f/bases/gpt2') local tuned = base:with_lora(here .. 'f/gpt2')"
    let (config, names) = try extract(script, "rank = 3")
    #expect(config["fan_in_fan_out"] == .bool(true))
    #expect(names.contains("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"))
    #expect(try distance(script) < 1e-5)
  }

  /// The hub's GPT-2 leaves out what PEFT's names of its modules begin with.
  @Test func namesOfTheHub() throws {
    for name in ["gpt2", "tuned"] {
      let script =
        "return mk.model(here .. 'f/bases/gpt2')\(name == "tuned" ? ":with_lora(here .. 'f/gpt2')" : "")"
      let tensors = try bench.output(script).map { tensor in
        var tensor = tensor
        tensor.name = String(tensor.name.dropFirst("transformer.".count))
        return tensor
      }
      try bench.makeModel(name, tensors, config: try bench.text("f/bases/gpt2/config.json"))
    }
    let script = "local base, tuned = mk.model(here .. 'gpt2'), mk.model(here .. 'tuned')"
    let (_, names) = try extract(script, "rank = 3")
    #expect(names.allSatisfy { $0.hasPrefix("base_model.model.transformer.h.") })
    #expect(try distance(script) < 1e-5)
  }

  @Test func grownVocabularies() throws {
    let grown = try bench.output("return mk.model(here .. 'f/bases/llama')").map { tensor -> TestTensor in
      guard tensor.shape == [16, 8] else { return tensor }
      return TestTensor(tensor.name, .f32, [18, 8], tensor.elements + [Float](repeating: 2, count: 16))
    }
    let config = try bench.text("f/bases/llama/config.json").replacingOccurrences(
      of: "\"vocab_size\": 16", with: "\"vocab_size\": 18")
    try bench.makeModel("grown", grown, config: config)
    let script = llama + "local tuned = mk.model(here .. 'grown'):with_lora(here .. 'f/plain')"
    let (saved, _) = try extract(script, "rank = 4, embeddings = true")
    #expect(strings(saved, "modules_to_save") == ["lm_head", "embed_tokens"])
    #expect(bench.warnings.contains { $0.contains("resize_token_embeddings of the base comes first") })
    #expect(try distance(script) < 1e-5)
    let size = try bench.shown(
      "mk.model(here .. 'f/bases/llama'):with_lora(here .. 'a').config.vocab_size")
    #expect(size == "18")
  }

  @Test func convolutions() throws {
    let kernel = (0..<48).map { Float($0 % 7) }
    try bench.makeModel("c", [TestTensor("conv.weight", .f32, [4, 3, 2, 2], kernel)])
    try bench.makeModel("d", [TestTensor("conv.weight", .f32, [4, 3, 2, 2], kernel.map { $0 * 1.25 })])
    let script = "local base, tuned = mk.model(here .. 'c'), mk.model(here .. 'd')"
    _ = try extract(script, "rank = 4")
    let shapes = try bench.tensors("a/adapter_model.safetensors").map(\.shape)
    #expect(shapes == [[4, 3, 2, 2], [4, 4, 1, 1]])
    #expect(try distance(script) < 1e-5)
  }

  /// Of the module that holds it, others are a part that has a product.
  @Test func parametersBesideModules() throws {
    func model(_ factor: Float) -> [TestTensor] {
      [
        TestTensor("layers.0.mixer.A_log", .f32, [2, 2], [1, 2, 3, 4].map { $0 * factor }),
        TestTensor("layers.0.mixer.in_proj.weight", .f32, [2, 2], [1, 2, 3, 5].map { $0 * factor }),
        TestTensor("layers.0.experts.down_proj", .f32, [1, 2, 2], [1, 2, 3, 5].map { $0 * factor }),
      ]
    }
    try bench.makeModel("c", model(1))
    try bench.makeModel("d", model(1.5))
    let script = "local base, tuned = mk.model(here .. 'c'), mk.model(here .. 'd')"
    let (config, _) = try extract(script, "rank = 2")
    #expect(
      strings(config, "modules_to_save") == ["experts"] && strings(config, "target_modules") == ["in_proj"])
    #expect(
      bench.warnings.contains { $0.contains("left out although changed") && $0.contains("mixer.A_log") })
  }

  @Test func adaptersOfHalfPrecision() throws {
    let script =
      llama + """
        local half = function(m) return m:map(function(t) return t:to 'bfloat16' end) end
        local tuned = half(base:with_lora(here .. 'f/plain'))
        base = half(base)
        """
    _ = try extract(script, "rank = 4")
    #expect(try bench.tensors("a/adapter_model.safetensors").allSatisfy { $0.dtype == .bf16 })
    _ = try extract(script, "rank = 4, dtype = 'float32'")
    #expect(try bench.tensors("a/adapter_model.safetensors").allSatisfy { $0.dtype == .f32 })
  }

  /// The same bytes, whatever the threads.
  @Test func determinism() throws {
    let script = llama + "local tuned = base:with_lora(here .. 'f/plain')"
    _ = try extract(script, "rank = 2")
    let bytes = try bench.bytes("a/adapter_model.safetensors")
    bench.options.threads = 1
    _ = try extract(script, "rank = 2")
    #expect(try bench.bytes("a/adapter_model.safetensors") == bytes)
  }

  // MARK: Faults

  @Test func faults() throws {
    let two = llama + "local tuned = base:with_lora(here .. 'f/plain') "
    func error(_ fields: String) -> String { bench.error(two + "mk.adapter { \(fields) }") }
    let start = "recipe.lua:1: adapter: "
    #expect(
      error("from = base, base = base, rank = 4").hasSuffix("are the same: there is nothing to extract"))
    #expect(
      error("from = tuned, base = base") == start
        + "rank: expected a number, the most singular values of a module")
    #expect(error("from = tuned, base = base, rank = 0").contains("rank: expected a number 1 or more, got 0"))
    #expect(
      error("from = tuned, base = base, rank = 1.5").contains("rank: expected an integer, got number '1.5'"))
    #expect(
      error("from = 'x', base = base, rank = 1")
        == start + "from: expected a model, got string: mk.model \"x\" opens one")
    #expect(error("from = tuned, base = base, ranks = 1").contains("did you mean 'rank'?"))
    #expect(
      error("from = tuned, base = base, rank = 1, epsilon = -1").contains("expected a number from 0 on"))
    #expect(
      error("from = tuned, base = base, rank = 1, save_modules = { 'q_prj' }").contains(
        "did you mean 'q_proj'?"))
    #expect(error("from = tuned, base = base, rank = 1, include = { '(' }").contains("("))
    #expect(
      error("from = tuned, base = mk.model(here .. 'f/bases/gpt2'), rank = 1").contains(
        "they are of different architectures"))
    #expect(
      error("from = tuned, base = mk.adapter(here .. 'f/plain'), rank = 1").contains(
        "is an adapter, expected a model"))
    #expect(
      bench.error(
        llama
          + "mk.adapter { from = base:map(function(t, i) return i.kind == 'norm' and t + 1 or t end), base = base, "
          + "rank = 1 }"
      ).contains("only 'model.layers.0.input_layernorm'"))
    #expect(
      bench.error(
        llama + "mk.adapter { from = base:map(function(t) return t / 0 end), base = base, rank = 1 }"
      )
      .contains("differs by numbers that are not finite"))
  }
}
