import Basics
import Foundation
import ScriptTestSupport
import Scripting
import SystemPackage
import Tensors
import Testing

/// Merges of adapters alone, beside PEFT's add_weighted_adapter: see scripts/make-adapter-fixtures.py.
@Suite struct AdapterCombinationTests {
  let bench: ScriptBench

  init() throws { bench = try .withAdapters() }

  private func merge(_ method: String, _ parameters: String = "", second: String = "f/second") -> String {
    """
    mk.merge { method = '\(method)', parameters = { \(parameters) }, models = {
      { mk.adapter(here .. 'f/plain'), weight = 0.7 }, { mk.adapter(here .. '\(second)'), weight = -0.4 } } }
    """
  }

  @Test(arguments: [
    ("linear", "linear", ""), ("cat", "cat", ""), ("svd", "svd", "rank = 3"),
    ("ties", "ties", "density = 0.4"),
    ("ties_frequency", "ties", "density = 0.6, majority_sign = 'frequency'"),
    ("ties_svd", "ties_svd", "density = 0.4, rank = 3"),
    ("magnitude_prune", "magnitude_prune", "density = 0.3"),
    ("magnitude_prune_svd", "magnitude_prune_svd", "density = 0.3"),
  ])
  func asPEFTDoes(name: String, method: String, parameters: String) throws {
    let script =
      "return mk.model(here .. 'f/bases/llama'):with_lora(\(merge(method, parameters)))"
    #expect(try bench.distance(script, from: "f/combined/\(name)/merged.safetensors") < 1e-5)
    #expect(bench.warnings == [])
  }

  @Test func whatIsWritten() throws {
    try bench.writeModel(of: "return \(merge("cat"))", to: "out")
    let config = try JSON(contentsOf: FilePath("\(bench.folder)/out/adapter_config.json"))
    #expect(config["r"]?.intValue == 8 && config["lora_alpha"]?.intValue == 8)
    #expect(config["rank_pattern"]?["model.layers.0.mlp.up_proj"]?.intValue == 4)
    #expect(
      config["target_modules"]?.arrayValue?.compactMap(\.stringValue).sorted()
        == ["down_proj", "q_proj", "up_proj", "v_proj"])
    #expect(!bench.exists("out/config.json") && bench.exists("out/adapter_model.safetensors"))
  }

  /// Random ones by what must hold: nothing with density 1 but what linear makes, and elements kept or gone.
  @Test func randomOnes() throws {
    func elements(_ merge: String) throws -> [Float] {
      try bench.tensor("return \(merge)", "base_model.model.model.layers.0.mlp.up_proj.lora_A.weight")
        .elements
    }
    let plain = try elements(merge("linear"))
    #expect(try elements(merge("dare_linear", "density = 1")) == plain)
    #expect(try elements(merge("dare_linear", "density = 0")).allSatisfy { $0 == 0 })
    let dropped = try elements(merge("dare_linear", "density = 0.5"))
    #expect(dropped.contains(0) && !dropped.allSatisfy { $0 == 0 })
    for (a, b) in zip(dropped, plain) { #expect(a == 0 || abs(a - 2 * b) < 1e-5) }
    // Of one adapter its own signs are the majority's.
    let signed = try elements(merge("dare_ties", "density = 0.5"))
    #expect(signed.contains(0) && !signed.allSatisfy { $0 == 0 })
    for method in ["dare_linear_svd", "dare_ties_svd"] {
      #expect(try elements(merge(method, "density = 0.5")).allSatisfy(\.isFinite))
    }
  }

  /// Methods that have a base see products, whose base is zero.
  @Test func methodsOnProducts() throws {
    let summed = try bench.output(
      "return mk.model(here .. 'f/bases/llama'):with_lora(\(merge("task_arithmetic", "rank = 8")))")
    let concatenated = try bench.output(
      "return mk.model(here .. 'f/bases/llama'):with_lora(\(merge("cat")))")
    #expect(try bench.distance(of: summed, from: concatenated) < 1e-5)
    for method in ["knots", "core_space"] {
      let names = try bench.output("return \(merge(method, "combine = 'task_arithmetic', rank = 4"))").map(
        \.name)
      #expect(names.count == 16)
    }
    // In one basis or another, a sum is a sum.
    let knotted = try bench.output(
      "return mk.model(here .. 'f/bases/llama'):with_lora(\(merge("knots", "combine = 'task_arithmetic', rank = 8")))"
    )
    #expect(try bench.distance(of: knotted, from: concatenated) < 1e-5)
  }

  @Test func settingsByLayer() throws {
    let script = """
      local function only(layer)
        return mk.merge { method = 'linear', models = {
          { mk.adapter(here .. 'f/plain'), weight = function(info) return info.layer == layer and 1 or 0 end } } }
      end
      """
    let found = try bench.tensor(
      script + " return only(1)", "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight")
    #expect(found.elements.allSatisfy { $0 == 0 })
    let other = try bench.tensor(
      script + " return only(0)", "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight")
    #expect(!other.elements.contains(0))
  }

  @Test func faults() throws {
    func error(_ script: String) -> String { bench.error(script) }
    #expect(
      error(merge("linear", second: "f/patterns")).contains(
        "has the rank 4 in adapter 'f/plain' and 3 in 'f/patterns': cat, svd and the methods that end in _svd take any"
      ))
    #expect(
      error(merge("linear", second: "f/dora")).contains("it is a DoRA, whose magnitudes belong to one model"))
    #expect(
      error(merge("linear", second: "f/saved")).contains(
        "it replaces 'lm_head.weight' (modules_to_save or bias)"))
    #expect(error(merge("linear", second: "f/lora_bias")).contains("its products have biases (lora_bias)"))
    #expect(error(merge("linear", second: "f/tokens")).contains("it replaces rows of tokens"))
    #expect(error(merge("linear", second: "f/replication")).contains("it repeats layers"))
    #expect(error(merge("linear", second: "f/experts")).contains("target_parameters"))
    #expect(
      error(
        "mk.merge { method = 'linear', models = { mk.adapter(here .. 'f/plain'), mk.model(here .. 'f/bases/llama') } }"
      )
      .contains("is a model, and others are adapters"))
    #expect(error(merge("magnitude_prun")).contains("did you mean 'magnitude_prune'?"))
    #expect(error(merge("passthrough")).contains("'passthrough' does not merge adapters"))
    #expect(error(merge("linear", "densty = 1")).contains("unknown parameter 'densty'"))
    #expect(bench.outputError("return " + merge("ties")).contains("parameter 'density' is required"))
    #expect(
      error(
        "mk.merge { method = 'linear', base = mk.model(here .. 'one'), models = { mk.adapter(here .. 'f/plain') } }"
      )
      .contains("adapters are merged without a base"))
    #expect(
      error("mk.stack { { mk.adapter(here .. 'f/plain'), layers = { 0, 1 } } }").contains(
        "is an adapter: 'base+"))
    #expect(
      error("mk.adapter(here .. 'f/plain'):with_lora(here .. 'f/plain')").contains("is an adapter itself"))
    #expect(error("mk.model(here .. 'one'):with_lora(mk.model(here .. 'one'))").contains("is no adapter"))
  }
}
