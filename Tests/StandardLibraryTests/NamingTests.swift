import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Models whose layers name their tensors in different ways.
@Suite struct NamingTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private static let projections = [
    ("self_attn.q_proj", 4), ("self_attn.k_proj", 2), ("self_attn.v_proj", 2), ("self_attn.o_proj", 4),
    ("mlp.gate_proj", 3), ("mlp.up_proj", 3), ("mlp.down_proj", 4),
  ]

  /// Two layers of a decoder; element i of a projection's row r is `seed` + 10 r + i.
  private func weights(_ seed: Float) -> [TestTensor] {
    (0..<2).flatMap { layer in
      Self.projections.map { name, rows in
        TestTensor(
          "model.layers.\(layer).\(name).weight", .f32, [rows, 2],
          (0..<rows * 2).map { seed + Float(100 * layer + $0) })
      }
    } + [TestTensor("model.norm.weight", .f32, [2], [seed, seed])]
  }

  /// The same model with projections that are fused.
  private func fused(_ tensors: [TestTensor], _ fusions: [String: [String]]) -> [TestTensor] {
    tensors.compactMap { tensor in
      for (name, parts) in fusions {
        guard let part = parts.first(where: { tensor.name.contains(".\($0).") }) else { continue }
        guard part == parts[0] else { return nil }
        let all = parts.map { other in
          tensors.first { $0.name == tensor.name.replacing(".\(part).", with: ".\(other).") }!
        }
        return TestTensor(
          tensor.name.replacing(".\(part).", with: ".\(name)."), .f32,
          [all.reduce(0) { $0 + $1.shape[0] }, 2], all.flatMap(\.elements))
      }
      return tensor
    }
  }

  private func linear(_ names: [String], _ fields: String = "") -> String {
    let list = names.map { "{ mk.model(here .. '\($0)'), weight = 1 }" }.joined(separator: ", ")
    return "\nreturn mk.merge { method = 'linear', models = { \(list) }, \(fields) }"
  }

  private static let all = [
    "qkv_proj": ["q_proj", "k_proj", "v_proj"], "gate_up_proj": ["gate_proj", "up_proj"],
  ]

  @Test(arguments: [all, ["gate_up_proj": all["gate_up_proj"]!], ["qkv_proj": all["qkv_proj"]!]])
  func fusedProjectionsAreMatched(fusions: [String: [String]]) throws {
    try bench.makeModel("split", weights(0))
    try bench.makeModel("fused", fused(weights(1000), fusions))
    let mean = weights(500)
    let first = try bench.output(linear(["split", "fused"]))
    #expect(first.sorted { $0.name < $1.name } == mean.sorted { $0.name < $1.name })
    let second = try bench.output(linear(["fused", "split"]))
    #expect(second.sorted { $0.name < $1.name } == fused(mean, fusions).sorted { $0.name < $1.name })
    #expect(bench.warnings.isEmpty)
  }

  @Test func fusedProjectionsOfLayersInAStack() throws {
    try bench.makeModel("split", weights(0))
    try bench.makeModel("fused", fused(weights(1000), Self.all))
    let output = try bench.output(
      "return mk.stack { { mk.model(here .. 'split'), layers = { 0, 2 } }, { mk.model(here .. 'fused'), layers = { 1, 2 } } }"
    )
    let key = output.first { $0.name == "model.layers.2.self_attn.k_proj.weight" }
    #expect(
      key?.elements == weights(1000).first { $0.name == "model.layers.1.self_attn.k_proj.weight" }?.elements)
    #expect(!output.contains { $0.name.contains("qkv") })
  }

  /// The base of task vectors is fused, and what is merged into it is not.
  @Test func aFusedBase() throws {
    try bench.makeModel("split", weights(0))
    try bench.makeModel("fused", fused(weights(1000), Self.all))
    let output = try bench.output(
      "return mk.merge { method = 'task_arithmetic', base = mk.model(here .. 'fused'), models = { { mk.model(here .. 'split'), weight = 1 } } }"
    )
    #expect(output.sorted { $0.name < $1.name } == fused(weights(0), Self.all).sorted { $0.name < $1.name })
  }

  /// Rows that do not add up are another layout, which is not guessed.
  @Test func fusedProjectionsOfOtherSizesAreNotSplit() throws {
    try bench.makeModel("split", weights(0))
    let odd = fused(weights(0), Self.all).map {
      $0.name.contains("qkv") ? TestTensor($0.name, .f32, [9, 2], [Float](repeating: 0, count: 18)) : $0
    }
    try bench.makeModel("odd", odd)
    #expect(
      bench.outputError(linear(["split", "odd"]))
        == "recipe.lua:2: merge: the models' layers are named in two ways, and would stand side by side: 6 of 14 "
        + "tensors of the layers of 'split' are missing in 'odd', such as 'model.layers.0.self_attn.q_proj.weight', "
        + "and 2 of 10 tensors of the layers of 'odd' are missing in 'split', such as "
        + "'model.layers.0.self_attn.qkv_proj.weight' (allow_crimes, or --allow-crimes, says that this is meant)"
    )
  }

  /// Names of a wrapped projection, of packed weights, of an unknown wrapper, of another architecture.
  @Test(arguments: [
    (".weight", ".inner.weight"), (".weight", ".packed"), ("model.layers", "wrapped.model.core.layers"),
    ("self_attn.", "attention."),
  ])
  func layersOfOtherNamesAreRefused(name: String, other: String) throws {
    try bench.makeModel("a", weights(0))
    try bench.makeModel(
      "b", weights(1).map { TestTensor($0.name.replacing(name, with: other), .f32, $0.shape, $0.elements) })
    for models in [["a", "b"], ["b", "a"]] {
      #expect(bench.outputError(linear(models)).contains("named in two ways"))
      #expect(
        bench.outputError(
          "return mk.merge { method = 'ties', base = mk.model(here .. '\(models[0])'), models = { { mk.model(here .. '\(models[1])'), weight = 1 } } }"
        ).contains("named in two ways"))
    }
    #expect(try bench.output(linear(["a", "b"], "allow_crimes = true")).count > weights(0).count)
  }

  /// What one model has beside all that the other has is no second naming; nor are a few small tensors on both sides.
  @Test func extrasOfOneModelAreNoSecondNaming() throws {
    try bench.makeModel("a", weights(0))
    try bench.makeModel(
      "b",
      weights(2)
        + (0..<2).map {
          TestTensor(
            "model.layers.\($0).cross_attn.q_proj.weight", .f32, [4, 2], [Float](repeating: 3, count: 8))
        })
    #expect(try bench.output(linear(["a", "b"])).count == weights(0).count + 2)
    try bench.makeModel(
      "c", weights(2) + [TestTensor("model.layers.0.self_attn.q_proj.bias", .f32, [1], [1])])
    try bench.makeModel(
      "d", weights(2) + [TestTensor("model.layers.0.self_attn.q_norm.weight", .f32, [1], [1])])
    #expect(try bench.output(linear(["c", "d"])).count == weights(0).count + 2)
  }

  @Test(
    arguments: [
      { (name: String) in "_orig_mod.\(name)" }, { "module.\($0)" }, { "module._orig_mod.\($0)" },
      { "_orig_mod.module.\($0)" }, { $0.replacing("layers.0.", with: "layers.0._orig_mod.") },
      { $0.replacing("layers.1.", with: "layers.1._fsdp_wrapped_module._checkpoint_wrapped_module.") },
    ] as [@Sendable (String) -> String])
  func wrappersOfTrainingAreNoPartOfNames(wrapped: @Sendable (String) -> String) throws {
    try bench.makeModel("a", weights(0))
    try bench.makeModel("b", weights(2).map { TestTensor(wrapped($0.name), .f32, $0.shape, $0.elements) })
    for models in [["a", "b"], ["b", "a"]] {
      #expect(
        try bench.output(linear(models)).sorted { $0.name < $1.name }
          == weights(1).sorted { $0.name < $1.name })
    }
    #expect(bench.warnings.isEmpty)
  }

  @Test func modulesOfTheModelsOwnAreKept() throws {
    // Two tensors that would have one name; a `module` that is not around everything.
    for names in [["_orig_mod.w", "w"], ["module.w", "other.w"]] {
      try bench.makeModel("m", names.map { TestTensor($0, .f32, [1], [1]) })
      #expect(try bench.output("return mk.model(here .. 'm')").map(\.name) == names)
    }
  }
}
