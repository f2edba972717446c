import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Parameters whose methods say between which numbers they lie.
@Suite struct ParameterRangeTests {
  let bench: ScriptBench

  init() throws {
    bench = try ScriptBench()
    for (position, name) in ["a", "b"].enumerated() {
      try bench.makeModel(
        name, (0..<3).map { TestTensor("model.layers.\($0).w", .f32, [2], [1, Float(position)]) })
    }
  }

  private func merge(_ method: String, _ own: String, _ shared: String = "") -> String {
    let settings = own.isEmpty ? "" : ", \(own)"
    return "return mk.merge { method = '\(method)', base = mk.model(here .. 'a'), "
      + "models = { { mk.model(here .. 'b')\(settings) } }, parameters = { \(shared) } }"
  }

  @Test(arguments: [
    ("ties", "weight = 1, density = 50", "", "models[1].density: expected a number from 0 to 1, got 50"),
    (
      "dare_ties", "weight = 1, density = -0.1", "",
      "models[1].density: expected a number from 0 to 1, got -0.1"
    ),
    (
      "della", "weight = 1, density = { 0.5, 1.5 }", "",
      "models[1].density[2]: expected a number from 0 to 1, got 1.5"
    ),
    (
      "task_arithmetic", "weight = 1", "density = { { filter = 'w', value = 2 } }",
      "parameters.density[1]: expected a number from 0 to 1, got 2"
    ),
    (
      "breadcrumbs", "weight = 1, gamma = 1.01", "",
      "models[1].gamma: expected a number from 0 to 1, got 1.01"
    ),
    ("sce", "", "select_topk = 10", "parameters.select_topk: expected a number from 0 to 1, got 10"),
    ("nearswap", "", "t = -1", "parameters.t: expected a number 0 or more, got -1"),
    ("ram", "", "epsilon = -1e-3", "parameters.epsilon: expected a number 0 or more, got -0.001"),
  ])
  func valuesOutsideOfTheRange(method: String, own: String, shared: String, words: String) {
    #expect(bench.outputError(merge(method, own, shared)) == "recipe.lua:1: merge: \(words)")
  }

  @Test func whatAFunctionGivesIsCheckedWhenItIsKnown() {
    #expect(
      bench.outputError(merge("ties", "weight = 1, density = function(t) return t.depth * 2 end"))
        == "recipe.lua:1: tensor 'model.layers.2.w': models[1].density: expected a number from 0 to 1, got 2.0"
    )
  }

  @Test func boundsAreWithinTheRange() throws {
    for density in ["0", "1", "{ 0, 1 }", "function(t) return t.depth end"] {
      #expect(try bench.output(merge("ties", "weight = -3, density = \(density)")).count == 3)
    }
    #expect(bench.warnings.isEmpty)
  }

  @Test func theUnusualIsSaid() throws {
    #expect(try bench.tensor(merge("slerp", "", "t = 1.5"), "model.layers.0.w").elements.count == 2)
    #expect(bench.warnings == ["merge: parameters.t: 1.5 lies outside of what is usual, from 0 to 1"])
    _ = try bench.output(merge("slerp", "", "t = { 0, 0.5, 1 }"))
    #expect(bench.warnings.count == 1)
  }

  @Test(arguments: [
    ("range = { 1 }", "range: expected { lowest, highest }"),
    ("range = { 2, 1 }", "range: expected { lowest, highest }"),
    ("usual = 3", "usual: expected { lowest, highest }"),
    ("range = { 2, 3 }", "range: the default 1 is outside of it"),
  ])
  func declarations(range: String, words: String) {
    #expect(
      bench.error(
        "mk.method { name = 'm', merge = print, parameters = { x = { default = 1, \(range) } } }")
        == "recipe.lua:1: method 'm': parameter 'x': \(words)")
  }
}
