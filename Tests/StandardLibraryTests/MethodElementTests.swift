import Foundation
import ScriptTestSupport
import Scripting
import Tensors
import TestSupport
import Testing

extension MergeMethodsTests {
  /// The methods that choose element by element: nearswap, ram, ramplus_tl, sce, arcee_fusion.
  @Suite struct Elements {
    let bench: MethodBench
    let base = noise(96), a = noise(96, seed: 2), b = noise(96, seed: 3), c = noise(96, seed: 4)

    init() throws {
      bench = try MethodBench(
        [8, 12],
        [
          "base": base, "a": a, "b": b, "c": c, "same": base, "near": zip(base, a).map { $0 + 1e-3 * $1 },
        ])
    }

    /// Merges short vectors, named x, y and z, into a base of zeros.
    private func small(_ spec: String, _ vectors: [Float]...) throws -> [Float] {
      var models = Dictionary(uniqueKeysWithValues: zip(["x", "y", "z"], vectors))
      models["base"] = vectors[0].map { _ in 0 }
      return try MethodBench([vectors[0].count], models).merge("base = base, \(spec)")
    }

    // MARK: nearswap

    @Test func nearswap() throws {
      let spec = "method = 'nearswap', base = base, models = { a }, parameters = { t ="
      let expected = zip(Vector.of(base), Vector.of(a)).map { base, a in
        let weight = min(1, 0.1 / max(1e-6, abs(base - a)))
        return weight * a + (1 - weight) * base
      }
      #expect(isClose(try bench.merge("\(spec) 0.1 }"), expected, absolute: 5e-7))
      #expect(try bench.merge("\(spec) 10 }") == a)
      #expect(try bench.merge("\(spec) 0 }") == base)
      #expect(try bench.merge("\(spec) -1 }") == base)
      // No division by a difference of zero.
      #expect(
        try bench.merge("method = 'nearswap', base = base, models = { same }, parameters = { t = 0.1 }")
          == base)
    }

    // MARK: ram

    @Test func ram() throws {
      let (p, q): ([Float], [Float]) = ([4, 0, 2, 0.001, -3], [0, 6, 4, 0, 3])
      // What one has is taken, what several have is averaged, what is small is nothing.
      #expect(
        try small("method = 'ram', models = { x, y }, parameters = { epsilon = 0.01 }", p, q) == [
          4, 6, 3, 0, 0,
        ])
      #expect(try small("method = 'ram', models = { x, y }", p, q) == [4, 6, 3, 0.001, 0])
      #expect(try small("method = 'ram', models = { x }", p) == p)
      #expect(try bench.merge("method = 'ram', base = base, models = { base }") == base)
      #expect(try bench.merge("method = 'ram', base = base, models = { same }") == base)
    }

    @Test func ramPlus() throws {
      // x: 2 of its 4 elements are shared, a ratio of 2/2; y: 2 shared and 1 unique, so 2/1.
      let (p, q): ([Float], [Float]) = ([4, 0, 2, 1, -3], [0, 6, 4, 0, 3])
      func merged(_ parameters: String) throws -> [Float] {
        try small("method = 'ramplus_tl', models = { x, y }, parameters = { \(parameters) }", p, q)
      }
      #expect(isClose(try merged("r = 0.5, alpha = 10"), [6, 12, 3, 1.5, 0]))
      #expect(isClose(try merged("r = 0.5, alpha = 1.5"), [6, 10.5, 3, 1.5, 0]))
      // r = 0.1, alpha = 0.2
      #expect(isClose(try merged(""), [4.08, 6.12, 3, 1.02, 0]))
      // Without unique elements the ratio is as high as it may be; without any, nothing happens.
      #expect(isClose(try small("method = 'ramplus_tl', models = { x, y }", [1, 2], [3, 4]), [2, 3]))
      #expect(try small("method = 'ramplus_tl', models = { x, y }", [0, 0], [0, 0]) == [0, 0])
      #expect(try bench.merge("method = 'ramplus_tl', base = base, models = { base }") == base)
    }

    // MARK: sce

    private func sce(_ models: [[Float]], topk: Double) -> [Double] {
      var deltas = models.map { Vector.minus(Vector.of($0), Vector.of(base)) }
      let count = Double(models.count)
      if topk < 1 {
        let variances = base.indices.map { i in
          let mean = deltas.reduce(0) { $0 + $1[i] } / count
          return deltas.reduce(0) { $0 + ($1[i] - mean) * ($1[i] - mean) } / count
        }
        let order = variances.indices.sorted { variances[$0] > variances[$1] }
        let kept = Set(order.prefix(Int(Float(variances.count { $0 != 0 }) * Float(max(0, topk)))))
        deltas = deltas.map { delta in delta.indices.map { kept.contains($0) ? delta[$0] : 0 } }
      }
      let energies = deltas.map { Vector.dot($0, $0) / 96 }
      let total = energies.reduce(0, +)
      let weights = energies.map { total < 1e-6 ? 1 / count : $0 / total }
      return base.indices.map { i in
        let sum = deltas.reduce(0) { $0 + $1[i] }
        let agreeing = deltas.indices.filter { deltas[$0][i] * (sum >= 0 ? 1 : -1) > 0 }
        let divisor = max(1e-6, agreeing.reduce(0) { $0 + weights[$1] })
        return Double(base[i]) + agreeing.reduce(0) { $0 + weights[$1] * deltas[$1][i] } / divisor
      }
    }

    @Test(arguments: [-1, 0, 0.005, 0.1, 0.5, 0.99, 1, 3]) func sce(topk: Double) throws {
      for (names, models) in [("a, b, c", [a, b, c]), ("a, b", [a, b])] {
        let found = try bench.merge(
          "method = 'sce', base = base, models = { \(names) }, parameters = { select_topk = \(topk) }")
        #expect(isClose(found, sce(models, topk: topk), relative: 5e-6, absolute: 1e-6))
      }
    }

    @Test func sceAtTheEdges() throws {
      // Five of six elements differ; 0.5 of them are two, among equals those with the lower index.
      let spec = "method = 'sce', models = { x, y }, parameters = { select_topk = 0.5 }"
      #expect(
        isClose(try small(spec, [1, 2, 2, 2, 2, 5], [1, 0, 0, 0, 0, 4]), [0, 2, 2, 0, 0, 0]))
      // Models that are alike everywhere else do not count as differing, whatever the value.
      #expect(
        isClose(
          try small(
            "method = 'sce', models = { x, y, z }, parameters = { select_topk = 0.5 }",
            [0.1, 0.7, 3, 2], [0.1, 0.7, 3, 1], [0.1, 0.7, 3, 1]), [0, 0, 0, 0]))
      // Small changes count alike: their squares' sum is below 1e-6.
      #expect(
        isClose(try small("method = 'sce', models = { x, y }", [1e-4, 0], [3e-4, 1e-4]), [2e-4, 1e-4]))
      #expect(try bench.merge("method = 'sce', base = base, models = { same }") == base)
      #expect(try bench.merge("method = 'sce', base = base, models = { base }") == base)
      // One model differs from no other: nothing is selected.
      #expect(
        try bench.merge("method = 'sce', base = base, models = { a }, parameters = { select_topk = 0.5 }")
          == base)
      #expect(
        isClose(try bench.merge("method = 'sce', base = base, models = { a }"), Vector.of(a), absolute: 5e-7))
      let lazy = "select_topk = function() return mk.tensor { 0.5 }:sum() end"
      #expect(
        try bench.merge("method = 'sce', base = base, models = { a, b }, parameters = { \(lazy) }")
          == bench.merge("method = 'sce', base = base, models = { a, b }, parameters = { select_topk = 0.5 }")
      )
    }

    // MARK: arcee_fusion

    private func softmax(_ x: [Double]) -> [Double] {
      let greatest = x.max()!
      let sum = x.reduce(0) { $0 + exp($1 - greatest) }
      return x.map { exp($0 - greatest) / sum + 1e-8 }
    }

    private func fusion(_ base: [Float], _ model: [Float], width: Int) -> [Double] {
      let (x, y) = (Vector.of(model), Vector.of(base))
      var importance: [Double] = []
      for start in stride(from: 0, to: x.count, by: width) {
        let row = start..<start + width
        let (p, q) = (softmax(Array(x[row])), softmax(Array(y[row])))
        let divergence = zip(p, q).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) }
        importance += row.map { abs(x[$0] - y[$0]) * divergence }
      }
      let sorted = importance.sorted()
      let (first, median, third) = (
        sorted[(x.count - 1) / 4], sorted[(x.count - 1) / 2], sorted[3 * (x.count - 1) / 4]
      )
      let threshold = median + 1.5 * (third - first)
      return x.indices.map { importance[$0] >= threshold ? x[$0] : y[$0] }
    }

    @Test func arceeFusion() throws {
      let found = try bench.merge("method = 'arcee_fusion', base = base, models = { a }")
      let expected = fusion(base, a, width: 12)
      #expect(isClose(found, expected, absolute: 5e-7))
      #expect(Set([expected == Vector.of(base), expected == Vector.of(a)]) == [false])
    }

    /// Rows whose softmax hardly differs: float32 would leave nothing but rounding errors of the divergence.
    @Test(arguments: [1e-2, 1e-3, 1e-5] as [Float]) func arceeFusionOfNearModels(distance: Float) throws {
      let (base, change) = (noise(2048), noise(2048, seed: 5))
      let model = zip(base, change).map { $0 + distance * $1 }
      let bench = try MethodBench([32, 64], ["base": base, "p": model])
      let found = try bench.merge("method = 'arcee_fusion', base = base, models = { p }")
      #expect(isClose(found, fusion(base, model, width: 64), relative: 1e-7, absolute: 1e-7))
    }

    @Test func arceeFusionOfFarModels() throws {
      // Logits so far apart that most probabilities are next to nothing.
      let (base, model) = (noise(96).map { $0 * 60 }, noise(96, seed: 9).map { $0 * 60 })
      let bench = try MethodBench([8, 12], ["base": base, "p": model])
      let found = try bench.merge("method = 'arcee_fusion', base = base, models = { p }")
      #expect(isClose(found, fusion(base, model, width: 12), absolute: 1e-5))
    }

    @Test func arceeFusionAtTheEdges() throws {
      #expect(try bench.merge("method = 'arcee_fusion', base = base, models = { same }") == base)
      // Rows of one element have one softmax, so that no element matters less than another.
      let bench = try MethodBench([4, 1], ["base": [1, 2, 3, 4], "p": [5, 6, 7, 8]])
      #expect(try bench.merge("method = 'arcee_fusion', base = base, models = { p }") == [5, 6, 7, 8])
      let one = try MethodBench([1], ["base": [1], "p": [5]])
      #expect(try one.merge("method = 'arcee_fusion', base = base, models = { p }") == [5])
      let number = try MethodBench([], ["base": [1], "p": [5]])
      #expect(try number.merge("method = 'arcee_fusion', base = base, models = { p }") == [5])
    }
  }
}
