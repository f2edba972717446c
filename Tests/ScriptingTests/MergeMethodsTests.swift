import Foundation
import Scripting
import Tensors
import Testing

/// The built-in methods against their formulas, computed here in Double.
@Suite struct MergeMethodsTests {
  let bench: ScriptBench
  let a = noise(96), b = noise(96, seed: 2), c = noise(96, seed: 3)

  init() throws {
    bench = try ScriptBench()
    for (name, elements) in [("a", a), ("b", b), ("c", c)] { try make(name, elements) }
    try make("parallel", a.map { $0 * 3 })
    try make("opposite", a.map { $0 * -2 })
    for name in ["zero", "nought"] { try make(name, a.map { _ in 0 }) }
  }

  private func make(_ name: String, _ elements: [Float]) throws {
    try bench.makeModel(name, [TestTensor("w", .f32, [8, 12], elements)])
  }

  private func merge(_ spec: String) throws -> [Float] {
    let names = ["a", "b", "c", "parallel", "opposite", "zero", "nought"]
    let models = names.map { "local \($0) = mk.model(here .. '\($0)')" }.joined(separator: "; ")
    let script = "\(models)\nreturn mk.merge { \(spec) }"
    bench.options.threads = 1
    bench.options.tileSize = nil
    let expected = try bench.tensor(script, "w")
    for (threads, tileSize) in [(2, 7), (3, 7), (7, 1), (7, nil)] as [(Int, Int?)] {
      bench.options.threads = threads
      bench.options.tileSize = tileSize
      let found = try bench.tensor(script, "w")
      #expect(found == expected, "\(threads) threads, tiles of \(tileSize ?? 0): \(spec)")
    }
    return expected.elements
  }

  private func sum(_ terms: (Double, [Float])...) -> [Double] {
    a.indices.map { i in terms.reduce(0) { $0 + $1.0 * Double($1.1[i]) } }
  }

  // MARK: linear

  @Test func linear() throws {
    let models = "method = 'linear', models = { { a, weight = 1 }, { b, weight = 2 }, { c, weight = -0.5 } }"
    #expect(isClose(try merge(models), sum((1 / 2.5, a), (2 / 2.5, b), (-0.5 / 2.5, c))))
    #expect(
      isClose(try merge(models + ", parameters = { normalize = false }"), sum((1, a), (2, b), (-0.5, c))))
    #expect(
      try merge("method = 'linear', models = { { a, weight = 5 } }, parameters = { normalize = false }")
        == a.map { $0 * 5 })
    #expect(try merge("method = 'linear', models = { { a, weight = 4 } }") == a)
    // Lazy weights.
    #expect(
      isClose(
        try merge(
          "method = 'linear', models = { { a, weight = function() return mk.tensor { 1, 2 }:sum() end }, { b, weight = 1 } }"
        ),
        sum((0.75, a), (0.25, b))))
    // A total of zero is no number, as in mergekit.
    #expect(
      try merge("method = 'linear', models = { { a, weight = 1 }, { b, weight = -1 } }").allSatisfy {
        !$0.isFinite
      })
  }

  // MARK: slerp

  /// Interpolation on the arc, as mergekit has it: linear where the vectors are nearly parallel.
  private func arc(_ t: Double, _ from: [Float], _ to: [Float]) -> [Double] {
    func norm(_ x: [Float]) -> Double { x.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
    let lengths = (norm(from) > 1e-8 ? norm(from) : 1) * (norm(to) > 1e-8 ? norm(to) : 1)
    let cosine = zip(from, to).reduce(0) { $0 + Double($1.0) * Double($1.1) } / lengths
    if abs(cosine) > 0.9995 { return zip(from, to).map { (1 - t) * Double($0) + t * Double($1) } }
    let angle = acos(cosine)
    let (first, second) = (sin((1 - t) * angle) / sin(angle), sin(t * angle) / sin(angle))
    return zip(from, to).map { first * Double($0) + second * Double($1) }
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
        sum((sin(0.3 * Double.pi / 2), b))))
  }

  @Test func slerpTakesTheBaseFromAmongTheModels() throws {
    let expected = try merge("method = 'slerp', base = a, models = { b }, parameters = { t = 0.3 }")
    #expect(try merge("method = 'slerp', base = a, models = { b, a }, parameters = { t = 0.3 }") == expected)
  }

  @Test func slerpCopiesWhatOneModelHas() throws {
    try bench.makeModel("more", [TestTensor("w", .f32, [8, 12], b), TestTensor("extra", .f16, [1], [5])])
    let output = try bench.output(
      "return mk.merge { method = 'slerp', base = mk.model(here .. 'a'), models = { mk.model(here .. 'more') }, parameters = { t = 0.5 } }"
    )
    #expect(output.contains(TestTensor("extra", .f16, [1], [5])))
    #expect(output.count == 2)
  }

  // MARK: task_arithmetic

  @Test func taskArithmetic() throws {
    let spec = "method = 'task_arithmetic', base = a, models = { { b, weight = 0.7 }, { c, weight = 0.5 } }"
    #expect(isClose(try merge(spec), sum((1 - 1.2, a), (0.7, b), (0.5, c)), absolute: 5e-7))
    #expect(
      isClose(
        try merge(spec + ", parameters = { lambda = 0.5 }"), sum((1 - 0.6, a), (0.35, b), (0.25, c)),
        absolute: 5e-7))
    #expect(
      isClose(
        try merge(spec + ", parameters = { normalize = true }"), sum((0.7 / 1.2, b), (0.5 / 1.2, c)),
        absolute: 5e-7))
    // Weights that cancel are not divided by.
    let cancelling =
      "method = 'task_arithmetic', base = a, models = { { b, weight = 1 }, { c, weight = -1 } }, parameters = { normalize = true }"
    #expect(isClose(try merge(cancelling), sum((1, a), (1, b), (-1, c)), absolute: 5e-7))
    #expect(try merge("method = 'task_arithmetic', base = a, models = { { b, weight = 0 } }") == a)
  }

  // MARK: passthrough

  @Test func passthrough() throws {
    #expect(try merge("method = 'passthrough', models = { a }") == a)
    #expect(try merge("method = 'passthrough', models = { { a, scale = -0.5 } }") == a.map { $0 * -0.5 })
    #expect(
      try merge("method = 'passthrough', models = { { a, scale = { { filter = 'x', value = 2 } } } }") == a)
  }
}
