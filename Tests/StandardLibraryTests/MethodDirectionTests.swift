import Foundation
import ScriptTestSupport
import Scripting
import Tensors
import TestSupport
import Testing

extension MergeMethodsTests {
  /// The methods on directions: nuslerp, multislerp, karcher, model_stock. They are compared with their
  /// definitions, followed step by step on whole vectors in Double.
  @Suite struct Directions {
    /// Models far from each other, and fine-tunes that differ by a thousandth.
    enum Distance: CaseIterable { case far, near }

    static let shape = [6, 16]
    let models: [Distance: [[Float]]]
    let benches: [Distance: MethodBench]

    init() throws {
      let base = noise(96)
      var models: [Distance: [[Float]]] = [:]
      var benches: [Distance: MethodBench] = [:]
      for distance in Distance.allCases {
        let tuned = (2...4).map { seed in
          let change = noise(96, seed: UInt64(seed))
          return distance == .far ? change : zip(base, change).map { $0 + 1e-3 * $1 }
        }
        models[distance] = [base] + tuned
        benches[distance] = try MethodBench(
          Self.shape, ["base": base, "a": tuned[0], "b": tuned[1], "c": tuned[2]])
      }
      self.models = models
      self.benches = benches
    }

    private func vectors(_ distance: Distance) -> [[Double]] { models[distance]!.map(Vector.of) }

    /// Merges short vectors, named x, y and z.
    private func small(_ spec: String, _ vectors: [Float]...) throws -> [Float] {
      try bench(vectors).merge(spec)
    }

    private func bench(_ vectors: [[Float]]) throws -> MethodBench {
      try MethodBench([vectors[0].count], Dictionary(uniqueKeysWithValues: zip(["x", "y", "z"], vectors)))
    }

    // MARK: nuslerp

    /// Interpolation along the arc between groups of elements: each group is a vector.
    private func arcs(_ t: Double, _ a: [Double], _ b: [Double], _ group: (Int) -> Int) -> [Double] {
      var result = a
      for indices in Dictionary(grouping: a.indices, by: group).values {
        let (x, y) = (indices.map { a[$0] }, indices.map { b[$0] })
        let angle = acos(max(-1, min(1, Vector.dot(x, y) / (Vector.norm(x) * Vector.norm(y)))))
        let sum = Vector.plus(Vector.scaled(x, sin((1 - t) * angle)), Vector.scaled(y, sin(t * angle)))
        for (place, index) in indices.enumerated() { result[index] = sum[place] / sin(angle) }
      }
      return result
    }

    @Test(arguments: Distance.allCases) func nuslerp(distance: Distance) throws {
      let v = vectors(distance)
      let groups: [(String, (Int) -> Int)] = [
        ("", { _ in 0 }), ("nuslerp_flatten = false", { $0 / 16 }),
        ("nuslerp_flatten = false, nuslerp_row_wise = true", { $0 % 16 }),
        ("nuslerp_row_wise = true", { _ in 0 }),
      ]
      for (parameters, group) in groups {
        let spec =
          "method = 'nuslerp', models = { { a, weight = 0.6 }, { b, weight = 0.9 } }, parameters = { \(parameters) }"
        let found = try benches[distance]!.merge(spec)
        #expect(Vector.agree(found, arcs(0.6, v[1], v[2], group)), "\(parameters)")
        let onBase = try benches[distance]!.merge(spec + ", base = base")
        let deltas = arcs(0.6, Vector.minus(v[1], v[0]), Vector.minus(v[2], v[0]), group)
        #expect(Vector.agree(onBase, Vector.plus(v[0], deltas)), "\(parameters) with a base")
      }
    }

    @Test func nuslerpAtTheEdges() throws {
      // A quarter turn by halves: weights that cancel count as equal.
      let half = Float(0.5.squareRoot())
      for weights in [(1, 1), (1, -1), (0, 0)] {
        #expect(
          isClose(
            try small(
              "method = 'nuslerp', models = { { x, weight = \(weights.0) }, { y, weight = \(weights.1) } }",
              [2, 0], [0, 2]),
            [2 * Double(half), 2 * Double(half)]))
      }
      // Vectors of one line are interpolated linearly, opposite ones too.
      let spec = "method = 'nuslerp', models = { { x, weight = 3 }, { y, weight = 1 } }"
      #expect(isClose(try small(spec, [1, 2, 3], [2, 4, 6]), [1.25, 2.5, 3.75]))
      #expect(isClose(try small(spec, [1, 2, 3], [-1, -2, -3]), [0.5, 1, 1.5]))
      #expect(try small(spec, [0, 0], [0, 0]) == [0, 0])
      #expect(try small(spec, [5], [7]) == [5.5])
      // sin(π/8) of the vector that is not zero.
      #expect(isClose(try small(spec, [0, 0], [3, 4]), [3, 4].map { $0 * sin(Double.pi / 8) }))
    }

    // MARK: multislerp

    /// Interpolation in the tangent space at the mean direction, as Goddard 2025 describes it.
    private func multislerp(_ vectors: [[Double]], _ weights: [Double], eps: Double = 1e-8) -> [Double] {
      let zero = vectors[0].map { _ in 0.0 }
      func combined(_ vectors: [[Double]]) -> [Double] {
        zip(vectors, weights).reduce(zero) { Vector.plus($0, Vector.scaled($1.0, $1.1)) }
      }
      let lengths = vectors.map(Vector.norm)
      let units = zip(vectors, lengths).map { Vector.scaled($0, 1 / ($1 + eps)) }
      let weighted = combined(units)
      let mean = Vector.scaled(weighted, 1 / Vector.norm(weighted))
      let tangent = combined(units.map { Vector.minus($0, Vector.scaled(mean, Vector.dot($0, mean))) })
      let step = Vector.norm(tangent) + eps
      let point = Vector.plus(Vector.scaled(mean, cos(step)), Vector.scaled(tangent, sin(step) / step))
      return Vector.scaled(point, zip(lengths, weights).reduce(0) { $0 + $1.0 * $1.1 })
    }

    @Test(arguments: Distance.allCases) func multislerp(distance: Distance) throws {
      let v = vectors(distance)
      let spec =
        "method = 'multislerp', models = { { a, weight = 0.8 }, { b, weight = 0.3 }, { c, weight = 0.5 } }"
      let weights = [0.5, 0.1875, 0.3125]
      let bench = benches[distance]!
      #expect(Vector.agree(try bench.merge(spec), multislerp(Array(v[1...]), weights)))
      let deltas = v[1...].map { Vector.minus($0, v[0]) }
      #expect(
        Vector.agree(
          try bench.merge(spec + ", base = base"), Vector.plus(v[0], multislerp(deltas, weights))))
      #expect(
        Vector.agree(
          try bench.merge(spec + ", parameters = { normalize_weights = false, eps = 0.25 }"),
          multislerp(Array(v[1...]), [0.8, 0.3, 0.5], eps: 0.25)))
    }

    @Test func multislerpAtTheEdges() throws {
      let equal = "models = { { x, weight = 1 }, { y, weight = 1 } }"
      // One model is taken as it is; models that are alike change nothing.
      #expect(
        try small("method = 'multislerp', base = x, models = { { y, weight = 9 } }", [1, 1], [3, 5]) == [
          3, 5,
        ])
      #expect(isClose(try small("method = 'multislerp', \(equal)", [3, 4], [3, 4]), [3, 4]))
      #expect(
        try small(
          "method = 'multislerp', base = x, models = { { y, weight = 1 }, { z, weight = 2 } }",
          [3, 4], [3, 4], [3, 4]) == [3, 4])
      #expect(try small("method = 'multislerp', \(equal)", [0, 0], [0, 0]) == [0, 0])
      // Two opposite ones are interpolated linearly.
      #expect(try small("method = 'multislerp', \(equal)", [3, 4], [-6, -8]) == [-1.5, -2])
      // A zero vector has no direction; lengths are averaged.
      #expect(isClose(try small("method = 'multislerp', \(equal)", [3, 4], [0, 0]), [1.5, 2]))
    }

    @Test func multislerpOfDirectionsThatCancel() throws {
      let models = "models = { { x, weight = 1 }, { y, weight = 2 }, { z, weight = 1 } }"
      #expect(
        try bench([[3, 4], [-6, -8], [3, 4]]).error("method = 'multislerp', \(models)")
          == "recipe.lua:2: tensor 'w': the models' directions cancel out (as a and -a do, weighted alike): other weights are needed"
      )
      #expect(
        try bench([[3, 4], [5, 6]]).error(
          "method = 'multislerp', models = { { x, weight = 1 }, { y, weight = -1 } }")
          == "recipe.lua:2: tensor 'w': weights sum to 0: 1, -1")
    }

    // MARK: karcher

    /// Gradient descent to the Karcher mean.
    private func karcher(_ vectors: [[Double]], iterations: Int = 10, tolerance: Double = 1e-5) -> [Double] {
      let lengths = vectors.map(Vector.norm)
      let units = zip(vectors, lengths).filter { $1 > tolerance }.map { Vector.scaled($0, 1 / $1) }
      let zero = vectors[0].map { _ in 0.0 }
      var mean = units.reduce(zero, Vector.plus)
      mean = Vector.scaled(mean, 1 / Vector.norm(mean))
      for _ in 0..<iterations {
        var tangent = zero
        for unit in units {
          let cosine = max(-1, min(1, Vector.dot(mean, unit)))
          let angle = acos(cosine)
          if angle < tolerance { continue }
          let away = Vector.minus(unit, Vector.scaled(mean, cosine))
          tangent = Vector.plus(tangent, Vector.scaled(away, angle / sin(angle) / Double(units.count)))
        }
        let step = Vector.norm(tangent)
        if step < tolerance { break }
        mean = Vector.plus(Vector.scaled(mean, cos(step)), Vector.scaled(tangent, sin(step) / step))
        mean = Vector.scaled(mean, 1 / Vector.norm(mean))
      }
      return Vector.scaled(mean, lengths.reduce(0, +) / Double(vectors.count))
    }

    @Test(arguments: Distance.allCases) func karcher(distance: Distance) throws {
      let v = vectors(distance)
      let bench = benches[distance]!
      let spec = "method = 'karcher', models = { a, b, c }"
      #expect(Vector.agree(try bench.merge(spec), karcher(Array(v[1...]))))
      #expect(Vector.agree(try bench.merge(spec + ", base = base"), karcher(v)))
      for iterations in [0, 1, 3] {
        #expect(
          Vector.agree(
            try bench.merge(spec + ", parameters = { max_iter = \(iterations) }"),
            karcher(Array(v[1...]), iterations: iterations)))
      }
      #expect(
        Vector.agree(
          try bench.merge(spec + ", parameters = { max_iter = 100, tol = 1e-7 }"),
          karcher(Array(v[1...]), iterations: 100, tolerance: 1e-7)))
    }

    @Test func karcherAtTheEdges() throws {
      func karcher(_ vectors: [Float]...) throws -> [Float] {
        let names = ["x", "y", "z"].prefix(vectors.count).joined(separator: ", ")
        return try bench(vectors).merge("method = 'karcher', models = { \(names) }")
      }
      #expect(try karcher([3, 4]) == [3, 4])
      #expect(isClose(try karcher([3, 4], [3, 4], [3, 4]), [3, 4]))
      #expect(try karcher([0, 0], [0, 0]) == [0, 0])
      // Opposite: the first one's direction, with the mean length.
      #expect(isClose(try karcher([3, 4], [-6, -8]), [4.5, 6]))
      // A vector opposite to the mean of the others pulls nowhere.
      #expect(isClose(try karcher([3, 4], [-3, -4], [3, 4]), [3, 4]))
      // One without a direction counts for the length.
      #expect(isClose(try karcher([3, 4], [0, 0]), [1.5, 2]))
      #expect(isClose(try karcher([2], [4]), [3]))
    }

    // MARK: model_stock

    private func stock(_ base: [Double], _ vectors: [[Double]]) -> [Double] {
      let deltas = vectors.map { Vector.minus($0, base) }
      let count = Double(deltas.count)
      var cosines: [Double] = []
      for i in deltas.indices {
        for j in deltas.indices where j > i {
          cosines.append(
            Vector.dot(deltas[i], deltas[j]) / max(1e-6, Vector.norm(deltas[i]) * Vector.norm(deltas[j])))
        }
      }
      let cosine = cosines.reduce(0, +) / Double(cosines.count)
      let t = count * cosine / (1 + (count - 1) * cosine)
      let average = Vector.scaled(vectors.reduce(base.map { _ in 0 }, Vector.plus), 1 / count)
      return Vector.plus(Vector.scaled(average, t), Vector.scaled(base, 1 - t))
    }

    @Test(arguments: Distance.allCases) func modelStock(distance: Distance) throws {
      let v = vectors(distance)
      let bench = benches[distance]!
      for (models, chosen) in [("a, b", [1, 2]), ("a, b, c", [1, 2, 3])] {
        let spec = "method = 'model_stock', base = base, models = { \(models) }"
        #expect(Vector.agree(try bench.merge(spec), stock(v[0], chosen.map { v[$0] })))
        let byRow = (0..<6).flatMap { row in
          let part = row * 16..<row * 16 + 16
          return stock(Array(v[0][part]), chosen.map { Array(v[$0][part]) })
        }
        #expect(Vector.agree(try bench.merge(spec + ", parameters = { filter_wise = true }"), byRow))
      }
    }

    @Test(arguments: [false, true]) func modelStockAtTheEdges(byFilter: Bool) throws {
      let spec =
        "method = 'model_stock', base = x, models = { y, z }, parameters = { filter_wise = \(byFilter) }"
      // The same change: all of it. Opposite or orthogonal ones, or none: the base.
      #expect(isClose(try small(spec, [1, 1], [2, 3], [2, 3]), [2, 3]))
      #expect(try small(spec, [1, 1], [2, 3], [0, -1]) == [1, 1])
      #expect(try small(spec, [1, 1], [2, 1], [1, 2]) == [1, 1])
      #expect(try small(spec, [1, 1], [1, 1], [1, 1]) == [1, 1])
    }

    @Test func modelStockLeavesOutWhatTooFewHave() throws {
      let bench = try ScriptBench()
      for (name, extra) in [("base", ["all", "base", "few"]), ("p", ["all", "few", "new"]), ("q", ["all"])] {
        try bench.makeModel(name, extra.map { TestTensor($0, .f32, [2], [1, 2]) })
      }
      let output = try bench.output(
        "return mk.merge { method = 'model_stock', base = mk.model(here .. 'base'), models = { mk.model(here .. 'p'), mk.model(here .. 'q') } }"
      )
      #expect(output.map(\.name).sorted() == ["all", "base"])
    }
  }
}
