import Foundation
import ScriptTestSupport
import Scripting
import Tensors
import TestSupport
import Testing

extension MergeMethodsTests {
  /// The methods on task vectors: task_arithmetic, ties, dare, della, breadcrumbs, and their variants.
  @Suite struct TaskVectors {
    let bench: MethodBench
    let base = noise(96), b = noise(96, seed: 2), c = noise(96, seed: 3)

    init() throws {
      bench = try MethodBench([8, 12], ["base": base, "b": b, "c": c, "same": base])
    }

    private static let all = [
      "task_arithmetic", "ties", "dare_linear", "dare_ties", "della", "della_linear", "breadcrumbs",
      "breadcrumbs_ties",
    ]

    private func spec(_ method: String, _ inputs: String, _ parameters: String = "") -> String {
      "method = '\(method)', base = base, models = { \(inputs) }, parameters = { \(parameters) }"
    }

    // MARK: By hand

    /// Merges of short task vectors: the base is zero.
    private func small(
      _ method: String, _ parameters: String, weights: (Double, Double) = (1, 1),
      _ first: [Float], _ second: [Float]? = nil
    ) throws -> [Float] {
      let zero = [Float](repeating: 0, count: first.count)
      let bench = try MethodBench([first.count], ["base": zero, "p": first, "q": second ?? zero])
      let other = second == nil ? "" : ", { q, weight = \(weights.1) }"
      return try bench.merge(
        "method = '\(method)', base = base, models = { { p, weight = \(weights.0) }\(other) }, parameters = { \(parameters) }"
      )
    }

    @Test func signsAreElected() throws {
      // Sums: 2, 2, 0, 3, 0. A sum of zero counts as positive, and zeros agree with nothing.
      let (p, q): ([Float], [Float]) = ([4, -1, 0, 2, -5], [-2, 3, 0, 1, 5])
      #expect(try small("ties", "", p, q) == [4, 3, 0, 1.5, 5])
      #expect(try small("ties", "normalize = false", p, q) == [4, 3, 0, 3, 5])
      #expect(try small("ties", "lambda = 0.5, normalize = false", p, q) == [2, 1.5, 0, 1.5, 2.5])
      #expect(try small("breadcrumbs_ties", "", p, q) == [4, 3, 0, 3, 5])
      #expect(try small("dare_ties", "", p, q) == [4, 3, 0, 3, 5])
      #expect(try small("della", "", p, q) == [4, 3, 0, 1.5, 5])
      // A negative weight turns its vector around: the sums are 10, -5, 0, 3, -15.
      #expect(try small("ties", "", weights: (2, -1), p, q) == [10, -5, 0, 2, -15])
      // Weights that cancel where both agree are not divided by.
      #expect(try small("ties", "", weights: (1, -1), [1, 1], [-1, 2]) == [2, 2])
    }

    @Test func theLargestMagnitudesAreKept() throws {
      let p: [Float] = [1, -7, 3, -2, 6, 0.5, -4, 5]
      #expect(try small("ties", "density = 0.5", p) == [0, -7, 0, 0, 6, 0, -4, 5])
      #expect(try small("ties", "density = 0.49", p) == [0, -7, 0, 0, 6, 0, 0, 5])
      // One at least.
      #expect(try small("ties", "density = 0.01", p) == [0, -7, 0, 0, 0, 0, 0, 0])
      #expect(try small("ties", "density = 0", p) == [0, 0, 0, 0, 0, 0, 0, 0])
      #expect(try small("ties", "density = -1", p) == [0, 0, 0, 0, 0, 0, 0, 0])
      #expect(try small("ties", "density = 1.5", p) == p)
      // Exactly as many, and among equals those with the lower index.
      #expect(try small("ties", "density = 0.5", [2, -1, 1, 1, -1, 1]) == [2, -1, 1, 0, 0, 0])
      // Back to the L1 norm: 28.5 / 22.
      #expect(
        isClose(
          try small("ties", "density = 0.5, rescale = true", p),
          [0, -7, 0, 0, 6, 0, -4, 5].map { $0 * 28.5 / 22 }))
    }

    @Test func breadcrumbsKeepABand() throws {
      let p: [Float] = [10, -9, 8, -7, 6, -5, 4, -3, 2, -1]
      // Without the two largest and the three smallest.
      #expect(try small("breadcrumbs", "density = 0.5, gamma = 0.2", p) == [0, 0, 8, -7, 6, -5, 4, 0, 0, 0])
      // ⌊0.01 · 10⌋ outliers are none.
      #expect(try small("breadcrumbs", "density = 0.5", p) == [10, -9, 8, -7, 6, 0, 0, 0, 0, 0])
      // No room for the band below the outliers: the largest of them go.
      #expect(
        try small("breadcrumbs", "density = 0.9, gamma = 0.3", p) == [0, -9, 8, -7, 6, -5, 4, -3, 2, -1])
      #expect(try small("breadcrumbs", "density = 0.09", p) == p.map { _ in 0 })
      #expect(try small("breadcrumbs", "density = 0, gamma = 0.2", p) == p.map { _ in 0 })
      #expect(try small("breadcrumbs", "density = -0.5, gamma = 0.2", p) == p.map { _ in 0 })
      #expect(try small("breadcrumbs", "density = 1, gamma = 0.5", p) == p)
      // Equals count from the lower index on, from the smallest to the largest.
      #expect(try small("breadcrumbs", "density = 0.4, gamma = 0.2", [1, 1, 1, 1, 1]) == [0, 0, 1, 1, 0])
      #expect(
        isClose(
          try small("breadcrumbs", "density = 0.5, gamma = 0.2, rescale = true", p),
          [0, 0, 8, -7, 6, -5, 4, 0, 0, 0].map { $0 * 55 / 30 }))
    }

    // MARK: Against formulas

    @Test func taskArithmetic() throws {
      let inputs = "{ b, weight = 0.7 }, { c, weight = 0.5 }"
      for parameters in ["", "int8_mask = true", "rescale = true", "density = 0.3"] {
        #expect(
          isClose(
            try bench.merge(spec("task_arithmetic", inputs, parameters)),
            Vector.sum((1 - 1.2, base), (0.7, b), (0.5, c)), absolute: 5e-7))
      }
      #expect(
        isClose(
          try bench.merge(spec("task_arithmetic", inputs, "lambda = 0.5")),
          Vector.sum((1 - 0.6, base), (0.35, b), (0.25, c)), absolute: 5e-7))
      #expect(
        isClose(
          try bench.merge(spec("task_arithmetic", inputs, "normalize = true")),
          Vector.sum((0.7 / 1.2, b), (0.5 / 1.2, c)), absolute: 5e-7))
      // Weights that cancel are not divided by.
      #expect(
        isClose(
          try bench.merge(
            spec("task_arithmetic", "{ b, weight = 1 }, { c, weight = -1 }", "normalize = true")),
          Vector.sum((1, base), (1, b), (-1, c)), absolute: 5e-7))
      #expect(try bench.merge(spec("task_arithmetic", "{ b, weight = 0 }")) == base)
    }

    /// TIES by sorting, of tensors that have no ties.
    private func ties(
      _ weights: [Double], _ densities: [Double], rescale: Bool, normalize: Bool, lambda: Double
    ) -> [Double] {
      let vectors = zip([b, c], zip(weights, densities)).map { model, settings in
        let (weight, density) = settings
        let delta = Vector.minus(Vector.of(model), Vector.of(base))
        let order = delta.indices.sorted { abs(delta[$0]) > abs(delta[$1]) }
        let kept = Set(order.prefix(max(1, Int(density * 96))))
        let sparse = delta.indices.map { kept.contains($0) ? delta[$0] : 0 }
        let factor = delta.reduce(0) { $0 + abs($1) } / sparse.reduce(0) { $0 + abs($1) }
        return sparse.map { $0 * weight * (rescale ? factor : 1) }
      }
      return base.indices.map { i in
        let total = vectors[0][i] + vectors[1][i]
        let sign: Double = total >= 0 ? 1 : -1
        let agreeing = [0, 1].filter { vectors[$0][i] * sign > 0 }
        let divisor = agreeing.reduce(0) { $0 + weights[$1] }
        let sum = agreeing.reduce(0) { $0 + vectors[$1][i] }
        return Double(base[i]) + lambda * (normalize && divisor != 0 ? sum / divisor : sum)
      }
    }

    @Test(arguments: [(0.7, 0.5), (1, -0.4)], [[0.3, 0.3], [0.05, 0.8]])
    func ties(weights: (Double, Double), densities: [Double]) throws {
      let inputs =
        "{ b, weight = \(weights.0), density = \(densities[0]) }, { c, weight = \(weights.1), density = \(densities[1]) }"
      for (rescale, normalize, lambda) in [(false, true, 1), (true, false, 0.7), (true, true, -1)] {
        let found = try bench.merge(
          spec("ties", inputs, "rescale = \(rescale), normalize = \(normalize), lambda = \(lambda)"))
        let expected = ties(
          [weights.0, weights.1], densities, rescale: rescale, normalize: normalize, lambda: lambda)
        #expect(isClose(found, expected, relative: 5e-6, absolute: 1e-6))
      }
    }

    @Test(arguments: all) func densityOneKeepsEverything(method: String) throws {
      let inputs = "{ b, weight = 0.7 }, { c, weight = 0.5 }"
      let elects = !method.hasSuffix("linear") && method != "breadcrumbs" && method != "task_arithmetic"
      for density in ["1", "3"] {
        for normalize in [false, true] {
          let parameters = "density = \(density), normalize = \(normalize)"
          #expect(
            try bench.merge(spec(method, inputs, parameters))
              == bench.merge(spec(elects ? "ties" : "task_arithmetic", inputs, parameters)))
        }
      }
    }

    @Test(arguments: all) func nothingChangesWithoutChanges(method: String) throws {
      // No model but the base, models that are the base, and a density that keeps nothing.
      #expect(try bench.merge(spec(method, "base", "weight = 1")) == base)
      #expect(try bench.merge(spec(method, "{ same, weight = 1 }", "rescale = true, density = 0.5")) == base)
      if method != "task_arithmetic" {
        for density in ["0", "-0.5"] {
          #expect(try bench.merge(spec(method, "{ b, weight = 1 }", "density = \(density)")) == base)
        }
      }
    }

    @Test(arguments: all) func densitiesMayBeLazy(method: String) throws {
      for density in [-1, 0, 0.5, 1, 2] {
        let lazy = "density = function() return mk.tensor { \(density) }:sum() end"
        let inputs = "{ b, weight = 0.7 }, { c, weight = 0.5 }"
        #expect(
          try bench.merge(spec(method, inputs, lazy))
            == bench.merge(spec(method, inputs, "density = \(density)")))
      }
    }

    @Test func weightsAreRequired() {
      #expect(
        bench.error(spec("ties", "b")).hasSuffix(
          "tensor 'w': models[1]: parameter 'weight' is required for model 'b'"))
    }

    // MARK: Random ones

    /// Elements that a merge of one model took from it, and the factor that each was given.
    private func support(_ bench: MethodBench, _ spec: String, _ base: [Float], _ model: [Float]) throws
      -> (kept: [Bool], factors: [Double])
    {
      let found = try bench.merge(spec)
      let kept = base.indices.map { found[$0] != base[$0] }
      let factors = base.indices.filter { kept[$0] }.map {
        Double(found[$0] - base[$0]) / Double(model[$0] - base[$0])
      }
      return (kept, factors)
    }

    private func many(_ shape: [Int]) throws -> (MethodBench, base: [Float], model: [Float]) {
      let count = shape.reduce(1, *)
      let base = [Float](repeating: 0, count: count)
      let model = noise(count, seed: 7).map { $0 == 0 ? 1 : $0 }
      return (try MethodBench(shape, ["base": base, "p": model, "q": model.reversed()]), base, model)
    }

    @Test(arguments: ["dare_linear", "dare_ties", "della", "della_linear"], [0.2, 0.5, 0.7])
    func elementsAreDroppedAtRandom(method: String, density: Double) throws {
      let (bench, base, model) = try many([40, 100])
      let spec =
        "method = '\(method)', base = base, models = { { p, weight = 1 } }, parameters = { density = \(density)"
      let (kept, factors) = try support(bench, "\(spec), rescale = false }", base, model)
      // Six standard deviations.
      let fraction = Double(kept.count { $0 }) / 4000
      #expect(abs(fraction - density) < 6 * (density * (1 - density) / 4000).squareRoot())
      #expect(factors.allSatisfy { $0 == 1 })

      // Rescaled to the L1 norm, by one factor for all.
      let rescaled = try support(bench, "\(spec) }", base, model)
      #expect(rescaled.kept == kept)
      let before = model.reduce(0) { $0 + Double(abs($1)) }
      let after = model.indices.reduce(0) { $0 + (kept[$1] ? Double(abs(model[$1])) : 0) }
      #expect(rescaled.factors.allSatisfy { abs($0 - before / after) < 1e-6 })

      bench.bench.options.seed = 43
      #expect(try support(bench, "\(spec) }", base, model).kept != kept)
      bench.bench.options.seed = 42
      #expect(try support(bench, "\(spec) }", base, model).kept == kept)
    }

    @Test func everyModelHasAMaskOfItsOwn() throws {
      let (bench, base, model) = try many([4000])
      func kept(_ first: Double, _ second: Double) throws -> [Bool] {
        try support(
          bench,
          "method = 'dare_linear', base = base, models = { { p, weight = \(first) }, { q, weight = \(second) } }, parameters = { density = 0.5 }",
          base, model
        ).kept
      }
      let (first, second) = (try kept(1, 0), try kept(0, 1))
      // Independent masks differ in half of the elements.
      #expect(abs(zip(first, second).count { $0 != $1 } - 2000) < 200)
    }

    @Test func dellaKeepsLargeElementsSooner() throws {
      let (bench, base, model) = try many([200, 50])
      let (kept, _) = try support(
        bench,
        "method = 'della_linear', base = base, models = { { p, weight = 1 } }, parameters = { density = 0.5, epsilon = 0.4, rescale = false }",
        base, model)
      // By the rank within its row, each of which has 50 elements: from 0.1 to 0.9.
      var counts = [Int](repeating: 0, count: 5)
      for row in 0..<200 {
        let order = (0..<50).sorted { abs(model[row * 50 + $0]) < abs(model[row * 50 + $1]) }
        for (rank, column) in order.enumerated() where kept[row * 50 + column] { counts[rank / 10] += 1 }
      }
      for (part, count) in counts.enumerated() {
        let probability = 0.1 + 0.8 * (Double(part) * 10 + 4.5) / 49
        #expect(abs(Double(count) / 2000 - probability) < 0.07)
      }
    }

    @Test func dellaOfRowsOfOneElement() throws {
      let (bench, base, model) = try many([4000, 1])
      let (kept, _) = try support(
        bench,
        "method = 'della', base = base, models = { { p, weight = 1 } }, parameters = { density = 0.3 }",
        base, model)
      #expect(abs(kept.count { $0 } - 1200) < 180)
    }

    @Test(arguments: [(0.5, 0.6), (0.9, 0.15), (0.1, 0.15), (0.5, 0.5), (0.5, -0.6)])
    func epsilonHasBounds(density: Double, epsilon: Double) {
      for method in ["della", "della_linear"] {
        #expect(
          bench.error(spec(method, "{ b, weight = 1 }", "density = \(density), epsilon = \(epsilon)"))
            == "recipe.lua:2: tensor 'w': epsilon \(epsilon) is too large for density \(density): density ± epsilon must lie between 0 and 1"
        )
      }
    }
  }
}
