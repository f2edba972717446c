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

  /// mergekit takes them as the nearest bound, and so does this; but nobody means them.
  @Test(arguments: [
    (
      "ties", "weight = 1, density = 50", "",
      "models[1].density: 50 lies outside of what is usual, from 0 to 1"
    ),
    (
      "dare_ties", "weight = 1, density = -0.1", "",
      "models[1].density: -0.1 lies outside of what is usual, from 0 to 1"
    ),
    (
      "della", "weight = 1, density = { 0.5, 1.5 }", "",
      "models[1].density[2]: 1.5 lies outside of what is usual, from 0 to 1"
    ),
    (
      "task_arithmetic", "weight = 1", "density = { { filter = 'w', value = 2 } }",
      "parameters.density[1]: 2 lies outside of what is usual, from 0 to 1"
    ),
    (
      "breadcrumbs", "weight = 1, gamma = 1.01", "",
      "models[1].gamma: 1.01 lies outside of what is usual, from 0 to 1"
    ),
    ("sce", "", "select_topk = 10", "parameters.select_topk: 10 lies outside of what is usual, from 0 to 1"),
    ("nearswap", "", "t = -1", "parameters.t: -1 lies outside of what is usual, 0 or more"),
    ("ram", "", "epsilon = -1e-3", "parameters.epsilon: -0.001 lies outside of what is usual, 0 or more"),
    ("slerp", "", "t = 1.5", "parameters.t: 1.5 lies outside of what is usual, from 0 to 1"),
  ])
  func theUnusualIsSaid(method: String, own: String, shared: String, words: String) throws {
    _ = try bench.model(merge(method, own, shared))
    #expect(bench.warnings == ["merge: \(words)"])
  }

  @Test func whatAFunctionGivesIsSaidWhenItIsKnown() throws {
    _ = try bench.output(merge("ties", "weight = 1, density = function(t) return t.depth * 2 end"))
    #expect(bench.warnings == ["models[1].density: 2.0 lies outside of what is usual, from 0 to 1"])
  }

  @Test func usualValuesAreNotWorthAWord() throws {
    for density in ["0", "1", "{ 0, 1 }", "function(t) return t.depth end"] {
      #expect(try bench.output(merge("ties", "weight = -3, density = \(density)")).count == 3)
    }
    #expect(bench.warnings.isEmpty)
  }

  @Test func valuesOutsideOfTheRange() throws {
    func script(_ value: String) -> String {
      """
      local own = mk.method { name = "own", parameters = { x = { default = 1, range = { 0, 2 } } }, merge = function(t)
        return t.inputs[1].tensor * t.x
      end }
      return mk.merge { method = own, models = { mk.model(here .. "b") }, parameters = { x = \(value) } }
      """
    }
    #expect(
      bench.outputError(script("3"))
        == "recipe.lua:4: merge: parameters.x: expected a number from 0 to 2, got 3")
    #expect(
      bench.outputError(script("{ 0, -1 }"))
        == "recipe.lua:4: merge: parameters.x[2]: expected a number from 0 to 2, got -1")
    #expect(
      bench.outputError(script("function(t) return t.depth * 4 end")).hasSuffix(
        "parameters.x: expected a number from 0 to 2, got 4.0"))
    #expect(try bench.tensor(script("{ 0, 2 }"), "model.layers.2.w").elements == [2, 2])
    #expect(bench.warnings.isEmpty)
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
