import ScriptTestSupport
import TestSupport
import Testing

/// The built-in methods' parts as functions of lists of tensors: `mk.ties(vectors, { density = 0.3 })`.
@Suite struct MethodPartsTests {
  let bench: MethodBench

  init() throws {
    bench = try MethodBench([8, 12], ["base": noise(96), "b": noise(96, seed: 2), "c": noise(96, seed: 3)])
  }

  /// Each part and its settings, with the method that is the same on task vectors.
  @Test(arguments: [
    (
      "mk.task_arithmetic(v, { weights = { 0.7, 0.4 }, normalize = true })", "task_arithmetic",
      "normalize = true"
    ),
    (
      "mk.ties(v, { density = 0.3, weights = { 0.7, 0.4 }, lambda = 0.9 })", "ties",
      "density = 0.3, lambda = 0.9"
    ),
    (
      "mk.ties(v, { density = { 0.3, 0.3 }, weights = { 0.7, 0.4 }, normalize = false, rescale = true })",
      "ties",
      "density = 0.3, normalize = false, rescale = true"
    ),
    ("mk.dare(v, { density = 0.3, weights = { 0.7, 0.4 } })", "dare_linear", "density = 0.3"),
    (
      "mk.dare(v, { density = 0.3, weights = { 0.7, 0.4 }, elect_signs = true })", "dare_ties",
      "density = 0.3"
    ),
    (
      "mk.della(v, { density = 0.3, epsilon = 0.1, weights = { 0.7, 0.4 } })", "della",
      "density = 0.3, epsilon = 0.1"
    ),
    (
      "mk.della(v, { density = 0.3, weights = { 0.7, 0.4 }, elect_signs = false, normalize = false })",
      "della_linear",
      "density = 0.3"
    ),
    (
      "mk.breadcrumbs(v, { density = 0.3, gamma = 0.1, weights = { 0.7, 0.4 } })", "breadcrumbs",
      "density = 0.3, gamma = 0.1"
    ),
    (
      "mk.breadcrumbs(v, { density = 0.3, weights = { 0.7, 0.4 }, elect_signs = true })", "breadcrumbs_ties",
      "density = 0.3"
    ),
  ])
  func partsAreTheMethods(part: String, method: String, parameters: String) throws {
    let models = "models = { { b, weight = 0.7 }, { c, weight = 0.4 } }"
    let byPart = """
      base = base, models = { b, c }, method = mk.method { name = 'm', base = 'required', merge = function(t)
        local v = { t.inputs[1].tensor - t.base, t.inputs[2].tensor - t.base }
        return t.base + \(part)
      end }
      """
    #expect(
      try bench.merge(byPart)
        == bench.merge("method = '\(method)', base = base, \(models), parameters = { \(parameters) }"))
  }

  @Test func partsGiveATensorWhateverIsKept() throws {
    #expect(
      try bench.bench.elements("mk.ties({ mk.tensor { 1, 2 }, mk.tensor { 3, 4 } }, { density = 0 })") == [
        0, 0,
      ])
  }

  @Test func emrElectsOneVectorForAll() throws {
    let vectors = "mk.emr { mk.tensor { 4, -1, 0, 2, -5 }, mk.tensor { -2, 3, 0, 1, 5 } }"
    #expect(try bench.bench.elements("(\(vectors))") == [4, 3, 0, 2, 0])
    #expect(try bench.bench.elements("select(2, \(vectors))[1]") == [1, 0, 0, 1, 0])
    #expect(try bench.bench.elements("select(2, \(vectors))[2]") == [0, 1, 0, 1, 0])
    // |4| + |1| + |2| + |5| over 4 + 2, and |2| + |3| + |1| + |5| over 3 + 2.
    #expect(try bench.bench.number("select(3, \(vectors))[1]") == 2)
    #expect(try bench.bench.number("select(3, \(vectors))[2]") == 2.2)
  }

  @Test(arguments: [
    ("mk.ties()", "ties: expected a list of tensors, got nil"),
    ("mk.ties {}", "ties: expected a list of tensors, got an empty table"),
    ("mk.dare { x, 1 }", "dare: vectors[2]: expected a tensor, got number"),
    ("mk.ties { x, x:sum(1) }", "ties: vectors[2] has shape [1, 4], the first one [4, 4]"),
    ("mk.ties({ x }, { densty = 1 })", "ties: unknown field 'densty' (did you mean 'density'?)"),
    ("mk.ties({ x }, 1)", "ties: expected a table of settings, got number"),
    ("mk.ties({ x, x }, { density = { 1 } })", "ties: density: 1 values for 2 vectors"),
    (
      "mk.ties({ x }, { weights = 'x' })", "ties: weights: expected a number or a list of numbers, got string"
    ),
    ("mk.ties({ x }, { weights = { true } })", "ties: weights[1]: expected a number, got boolean"),
    ("mk.dare({ x }, { rescale = 1 })", "dare: rescale: expected a boolean, got number"),
    ("mk.emr { 1 }", "emr: vectors[1]: expected a tensor, got number"),
  ])
  func badInput(expression: String, expected: String) {
    #expect(
      bench.bench.error("local x = mk.zeros { 4, 4 }\n_ = \(expression)") == "recipe.lua:2: " + expected)
  }
}
