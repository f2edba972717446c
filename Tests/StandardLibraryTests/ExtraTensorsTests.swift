import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Tensors that some of the models have, and the base of task vectors or the others lack.
@Suite struct ExtraTensorsTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private func makeModel(_ name: String, _ value: Float, _ extras: [String: [Float]] = [:]) throws {
    let own = ["model.embed_tokens.weight", "model.layers.0.w", "model.layers.1.w"].map {
      TestTensor($0, .f32, [2, 1], [value, value + 1])
    }
    try bench.makeModel(
      name,
      own + extras.sorted { $0.key < $1.key }.map { TestTensor($0.key, .f32, [$0.value.count], $0.value) })
  }

  private func merged(_ method: String, base: String, _ models: [String], _ fields: String = "") throws
    -> [String: [Float]]
  {
    let settings = ["slerp", "nearswap"].contains(method) ? "parameters = { t = 1 }" : fields
    let hasWeight = !["slerp", "nearswap", "model_stock", "sce", "ram", "ramplus_tl", "arcee_fusion"]
      .contains(method)
    let list = models.map { "{ mk.model(here .. '\($0)')\(hasWeight ? ", weight = 1" : "") }" }.joined(
      separator: ", ")
    let output = try bench.output(
      "return mk.merge { method = '\(method)', base = mk.model(here .. '\(base)'), models = { \(list) }, \(settings) }"
    )
    return Dictionary(uniqueKeysWithValues: output.map { ($0.name, $0.elements) })
  }

  private var warnings: [String] { bench.warnings.map { $0.replacing(bench.folder + "/", with: "") } }

  static let methods = [
    "task_arithmetic", "ties", "dare_linear", "dare_ties", "della", "della_linear", "breadcrumbs",
    "breadcrumbs_ties", "sce", "ram", "ramplus_tl", "slerp", "nearswap", "arcee_fusion",
  ]

  /// Buffers that models compute anew come along, whoever has them, and nobody needs to hear of it.
  @Test(arguments: methods)
  func recomputedBuffersAreCopied(method: String) throws {
    let buffers = [
      "model.layers.0.self_attn.rotary_emb.inv_freq", "embeddings.position_ids", "h.0.attn.masked_bias",
    ]
    try makeModel("base", 1)
    try makeModel("tuned", 1, Dictionary(uniqueKeysWithValues: buffers.map { ($0, [3, 4]) }))
    let output = try merged(method, base: "base", ["tuned"])
    for name in buffers { #expect(output[name] == [3, 4]) }
    #expect(warnings.isEmpty)
    // And from the base.
    #expect(try merged(method, base: "tuned", ["base"])[buffers[0]] == [3, 4])
    #expect(warnings.isEmpty)
  }

  /// A head of a reward model, a prediction layer, a projection: real weights, which are said.
  @Test(arguments: methods)
  func extrasComeFromTheOneModelThatHasThem(method: String) throws {
    try makeModel("base", 1)
    try makeModel(
      "tuned", 1, ["score.weight": [5, 6], "mtp.layers.0.fc.weight": [7], "visual.merger.w": [8]])
    let output = try merged(method, base: "base", ["tuned"])
    #expect(output["score.weight"] == [5, 6])
    #expect(output["mtp.layers.0.fc.weight"] == [7])
    #expect(output["visual.merger.w"] == [8])
    #expect(
      warnings == [
        "3 tensors are missing in model 'base' and are taken from the one model that has them, such as 'mtp.layers.0.fc.weight'"
      ])
  }

  /// A causal mask has three dimensions or more, and a bias of attention one.
  @Test func aBiasOfAttentionIsNoMask() throws {
    try makeModel("base", 1)
    try makeModel("tuned", 1, ["model.layers.0.attn.bias": [5]])
    #expect(try merged("ties", base: "base", ["tuned"])["model.layers.0.attn.bias"] == [5])
    #expect(warnings.count == 1)
    try bench.makeModel(
      "masked",
      ["model.embed_tokens.weight", "model.layers.0.w", "model.layers.1.w"].map {
        TestTensor($0, .f32, [2, 1], [1, 2])
      }
        + [TestTensor("model.layers.0.attn.bias", .f32, [1, 1, 1], [1])])
    #expect(try merged("ties", base: "base", ["masked"])["model.layers.0.attn.bias"] == [1])
    #expect(warnings.count == 1)
  }

  /// Several models have what the base lacks: no difference can be taken, and none of them comes first.
  @Test(arguments: ["task_arithmetic", "ties", "ram", "dare_ties"])
  func extrasOfSeveralModelsAreTheirMean(method: String) throws {
    try makeModel("base", 1)
    try makeModel("x", 1, ["score.weight": [2, 4]])
    try makeModel("y", 1, ["score.weight": [6, 0]])
    #expect(try merged(method, base: "base", ["x", "y"])["score.weight"] == [4, 2])
    #expect(
      warnings == [
        "1 tensor is missing in model 'base' and is the mean of the models that have it, such as 'score.weight'"
      ])
  }

  /// What a method of one's own says of it.
  @Test func aMethodMayRefuseExtras() throws {
    try makeModel("base", 1)
    try makeModel("tuned", 1, ["score.weight": [5]])
    func script(_ missing: String) -> String {
      """
      local own = mk.method { name = "own", base = "required", \(missing) merge = function(t) return t.base end }
      return mk.merge { method = own, base = mk.model(here .. "base"), models = { mk.model(here .. "tuned") } }
      """
    }
    #expect(try bench.tensor(script(""), "score.weight").elements == [5])
    #expect(
      bench.outputError(script("missing = 'error',"))
        == "recipe.lua:2: tensor 'score.weight' is missing in model 'base', and method 'own' needs it there")
  }
}
