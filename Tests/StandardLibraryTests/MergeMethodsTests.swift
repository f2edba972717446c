import Foundation
import ScriptTestSupport
import Scripting
import Tensors
import TestSupport
import Testing

/// Models of one tensor `w` each, and merges of them. Specifications name the models as Lua variables.
struct MethodBench {
  let bench: ScriptBench
  let shape: [Int]
  private(set) var names: [String] = []

  init(_ shape: [Int], _ models: [String: [Float]]) throws {
    bench = try ScriptBench()
    self.shape = shape
    for (name, elements) in models.sorted(by: { $0.key < $1.key }) {
      try bench.makeModel(name, [TestTensor("w", .f32, shape, elements)])
      names.append(name)
    }
  }

  private func script(_ spec: String) -> String {
    let models = names.map { "local \($0) = mk.model(here .. '\($0)')" }.joined(separator: "; ")
    return "\(models)\nreturn mk.merge { \(spec) }"
  }

  /// The elements of the merge; checks that they are the same for every number of threads and size of tiles.
  func merge(_ spec: String) throws -> [Float] {
    bench.options.threads = 1
    bench.options.tileSize = nil
    let expected = try bench.tensor(script(spec), "w")
    for (threads, tileSize) in [(2, 7), (7, 1), (3, nil)] as [(Int, Int?)] {
      bench.options.threads = threads
      bench.options.tileSize = tileSize
      let found = try bench.tensor(script(spec), "w")
      #expect(found == expected, "\(threads) threads, tiles of \(tileSize ?? 0): \(spec)")
    }
    return expected.elements
  }

  /// The message of the error that the merge ends with.
  func error(_ spec: String) -> String { bench.outputError(script(spec)) }
}

/// Vectors in Double, for the formulas that tests compare with.
enum Vector {
  static func of(_ x: [Float]) -> [Double] { x.map(Double.init) }
  static func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
  static func norm(_ x: [Double]) -> Double { dot(x, x).squareRoot() }
  static func scaled(_ x: [Double], _ factor: Double) -> [Double] { x.map { $0 * factor } }
  static func plus(_ x: [Double], _ y: [Double]) -> [Double] { zip(x, y).map { $0 + $1 } }
  static func minus(_ x: [Double], _ y: [Double]) -> [Double] { zip(x, y).map { $0 - $1 } }
  static func sum(_ terms: (Double, [Float])...) -> [Double] {
    terms[0].1.indices.map { i in terms.reduce(0) { $0 + $1.0 * Double($1.1[i]) } }
  }

  /// Whether no element is farther off than 5e-6 of the greatest one.
  static func agree(_ found: [Float], _ expected: [Double]) -> Bool {
    let greatest = expected.map(abs).max() ?? 0
    return found.count == expected.count
      && zip(found, expected).allSatisfy { abs(Double($0) - $1) <= 5e-6 * greatest }
  }
}

/// The built-in methods against their formulas, computed here in Double.
@Suite struct MergeMethodsTests {
  let bench: MethodBench
  let a = noise(96), b = noise(96, seed: 2), c = noise(96, seed: 3)

  init() throws {
    let zeros = [Float](repeating: 0, count: 96)
    bench = try MethodBench(
      [8, 12],
      [
        "a": a, "b": b, "c": c, "parallel": a.map { $0 * 3 }, "opposite": a.map { $0 * -2 }, "zero": zeros,
        "nought": zeros,
      ])
  }

  private func merge(_ spec: String) throws -> [Float] { try bench.merge(spec) }

  // MARK: linear

  @Test func linear() throws {
    let models = "method = 'linear', models = { { a, weight = 1 }, { b, weight = 2 }, { c, weight = -0.5 } }"
    #expect(isClose(try merge(models), Vector.sum((1 / 2.5, a), (2 / 2.5, b), (-0.5 / 2.5, c))))
    #expect(
      isClose(
        try merge(models + ", parameters = { normalize = false }"), Vector.sum((1, a), (2, b), (-0.5, c)))
    )
    #expect(
      try merge("method = 'linear', models = { { a, weight = 5 } }, parameters = { normalize = false }")
        == a.map { $0 * 5 })
    #expect(try merge("method = 'linear', models = { { a, weight = 4 } }") == a)
    // The base is a model like the others.
    #expect(
      isClose(
        try merge("method = 'linear', base = a, models = { { b, weight = 3 }, { a, weight = 1 } }"),
        Vector.sum((0.25, a), (0.75, b))))
    // Lazy weights.
    #expect(
      isClose(
        try merge(
          "method = 'linear', models = { { a, weight = function() return mk.tensor { 1, 2 }:sum() end }, { b, weight = 1 } }"
        ),
        Vector.sum((0.75, a), (0.25, b))))
  }

  @Test func weightsThatSumToZeroAreNotDividedBy() throws {
    #expect(
      bench.error("method = 'linear', models = { { a, weight = 1 }, { b, weight = -1 } }")
        == "recipe.lua:2: tensor 'w': weights sum to 0: 1, -1")
    #expect(
      bench.error(
        "method = 'linear', models = { { a, weight = 0.1 }, { b, weight = 0.2 }, { c, weight = -0.3 } }")
        == "recipe.lua:2: tensor 'w': weights sum to 0: 0.1, 0.2, -0.3")
    #expect(
      isClose(
        try merge(
          "method = 'linear', models = { { a, weight = 1 }, { b, weight = -1 } }, parameters = { normalize = false }"
        ),
        Vector.sum((1, a), (-1, b))))
  }

  // MARK: slerp

  /// Interpolation on the arc, as mergekit has it: linear where the vectors are nearly parallel.
  private func arc(_ t: Double, _ from: [Float], _ to: [Float]) -> [Double] {
    func norm(_ x: [Float]) -> Double { Vector.norm(Vector.of(x)) }
    let lengths = (norm(from) > 1e-8 ? norm(from) : 1) * (norm(to) > 1e-8 ? norm(to) : 1)
    let cosine = Vector.dot(Vector.of(from), Vector.of(to)) / lengths
    if abs(cosine) > 0.9995 { return Vector.sum((1 - t, from), (t, to)) }
    let angle = acos(cosine)
    return Vector.sum((sin((1 - t) * angle) / sin(angle), from), (sin(t * angle) / sin(angle), to))
  }

  @Test(arguments: ["b", "c", "parallel", "opposite", "zero"], [0, 0.25, 0.5, 1])
  func slerp(other: String, t: Double) throws {
    let elements = [
      "b": b, "c": c, "parallel": a.map { $0 * 3 }, "opposite": a.map { $0 * -2 }, "zero": a.map { _ in 0 },
    ]
    let found = try merge("method = 'slerp', base = a, models = { \(other) }, parameters = { t = \(t) }")
    #expect(isClose(found, arc(t, a, elements[other]!), absolute: 5e-7))
    if t == 0 { #expect(found == a) }
    if t == 1 { #expect(isClose(found, elements[other]!.map(Double.init), relative: 1e-7, absolute: 1e-7)) }
  }

  @Test func slerpOfZeroVectors() throws {
    #expect(
      try merge("method = 'slerp', base = zero, models = { nought }, parameters = { t = 0.3 }").allSatisfy {
        $0 == 0
      })
    #expect(
      isClose(
        try merge("method = 'slerp', base = zero, models = { b }, parameters = { t = 0.3 }"),
        Vector.sum((sin(0.3 * Double.pi / 2), b))))
  }

  @Test func slerpTakesTheBaseFromAmongTheModels() throws {
    let expected = try merge("method = 'slerp', base = a, models = { b }, parameters = { t = 0.3 }")
    #expect(try merge("method = 'slerp', base = a, models = { b, a }, parameters = { t = 0.3 }") == expected)
  }

  @Test func slerpCopiesWhatOneModelHas() throws {
    try bench.bench.makeModel(
      "more", [TestTensor("w", .f32, [8, 12], b), TestTensor("extra", .f16, [1], [5])])
    let output = try bench.bench.output(
      "return mk.merge { method = 'slerp', base = mk.model(here .. 'a'), models = { mk.model(here .. 'more') }, parameters = { t = 0.5 } }"
    )
    #expect(output.contains(TestTensor("extra", .f16, [1], [5])))
    #expect(output.count == 2)
  }

  // MARK: passthrough

  @Test func passthrough() throws {
    #expect(try merge("method = 'passthrough', models = { a }") == a)
    #expect(try merge("method = 'passthrough', models = { { a, scale = -0.5 } }") == a.map { $0 * -0.5 })
    #expect(
      try merge("method = 'passthrough', models = { { a, scale = { { filter = 'x', value = 2 } } } }") == a)
  }
}
