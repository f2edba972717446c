import Foundation
import Testing

/// DARE and DELLA below density 1: which elements they keep is their own, what they make of them is not.
@Suite struct RandomMethodTests {
  private static let methods = ["dare_linear", "dare_ties", "della", "della_linear"]
  private let bench: GoldenBench
  private let base: [GoldenTensor]
  private let tuned: [GoldenTensor]

  init() throws {
    bench = try GoldenBench()
    base = try GoldenTensor.read("\(GoldenCase.folder)/models/base")
    // Differs from the base in every element.
    tuned = try GoldenTensor.read("\(GoldenCase.folder)/models/d")
  }

  private func config(
    _ method: String, models: String = "[{model: models/d}]", parameters: String = "density: 0.3"
  ) -> String {
    GoldenCase.absolute(
      """
      merge_method: \(method)
      base_model: models/base
      models: \(models)
      parameters: {weight: 1, \(parameters)}
      dtype: float32
      """)
  }

  /// One tensor's elements in the base, in the fine-tune and in the merge.
  private struct Sample {
    let name: String
    let shape: [Int]
    /// What each element is changed by in the fine-tune, and in the merge.
    let steps: [(whole: Double, merged: Double)]
    let base: [Double]

    func isKept(_ index: Int) -> Bool { abs(steps[index].merged) > 0.5 * abs(steps[index].whole) }
  }

  private func samples(_ config: String, seed: UInt64 = 42) throws -> [Sample] {
    let merged = try bench.tensors(config, seed: seed)
    try #require(merged.map(\.name) == base.map(\.name))
    return base.indices.map { index in
      let (start, end, found) = (base[index].elements, tuned[index].elements, merged[index].elements)
      return Sample(
        name: base[index].name, shape: base[index].shape,
        steps: start.indices.map { (end[$0] - start[$0], found[$0] - start[$0]) }, base: start)
    }
  }

  /// Whether a share of kept elements is within five standard deviations of the one that chance gives.
  private func isNear(_ kept: Int, of count: Int, _ probability: Double) -> Bool {
    let mean = probability * Double(count)
    return abs(Double(kept) - mean) <= 5 * (mean * (1 - probability)).squareRoot()
  }

  // MARK: What is kept

  @Test(arguments: methods, [0.15, 0.3, 0.8])
  func keptShareIsTheDensity(_ method: String, density: Double) throws {
    let samples = try samples(config(method, parameters: "density: \(density), epsilon: 0.1"))
    var kept = 0, count = 0
    for sample in samples {
      let own = sample.steps.indices.count(where: sample.isKept)
      #expect(isNear(own, of: sample.steps.count, density), "\(sample.name)")
      kept += own
      count += sample.steps.count
    }
    #expect(isNear(kept, of: count, density), "\(kept) of \(count)")
  }

  /// The step of every kept element is scaled by one factor, which restores the sum of magnitudes.
  @Test(arguments: methods, [true, false])
  func keptElementsAreRescaledTogether(_ method: String, rescales: Bool) throws {
    let settings = "density: 0.4, rescale: \(rescales), normalize: false"
    for sample in try samples(config(method, parameters: settings)) {
      let kept = sample.steps.indices.filter(sample.isKept)
      let whole = sample.steps.reduce(0) { $0 + abs($1.whole) }
      let left = kept.reduce(0) { $0 + abs(sample.steps[$1].whole) }
      // Where nothing is left, nothing can be rescaled.
      let factor = rescales && left > 0 ? whole / left : 1
      let wrong = sample.steps.enumerated().filter { index, step in
        let expected = sample.isKept(index) ? factor * step.whole : 0
        let allowed = sample.isKept(index) ? 5e-7 * (abs(sample.base[index]) + abs(expected)) : 0
        return abs(step.merged - expected) > allowed
      }
      #expect(wrong.isEmpty, "\(sample.name)")
    }
  }

  @Test(arguments: ["della", "della_linear"])
  func largerMagnitudesAreKeptMoreOften(_ method: String) throws {
    let (density, epsilon) = (0.5, 0.45)
    // By rank in a row of ten.
    var kept = [Int](repeating: 0, count: 10)
    var rows = 0
    let settings = "density: \(density), epsilon: \(epsilon), rescale: false"
    for seed in 1...4 as ClosedRange<UInt64> {
      for sample in try samples(config(method, parameters: settings), seed: seed)
      where sample.shape.last == kept.count {
        for row in 0..<sample.steps.count / kept.count {
          let indices = (row * kept.count..<(row + 1) * kept.count).sorted {
            abs(sample.steps[$0].whole) < abs(sample.steps[$1].whole)
          }
          for (rank, index) in indices.enumerated() where sample.isKept(index) { kept[rank] += 1 }
          rows += 1
        }
      }
    }
    for rank in kept.indices {
      let probability = density - epsilon + 2 * epsilon * Double(rank) / Double(kept.count - 1)
      #expect(isNear(kept[rank], of: rows, probability), "rank \(rank): \(kept[rank]) of \(rows)")
    }
  }

  // MARK: Seeds

  @Test(arguments: methods)
  func bytesFollowTheSeed(_ method: String) throws {
    let config = config(method, models: "[{model: models/d}, {model: models/far}]")
    let first = try bench.tensors(config, seed: 1)
    #expect(try bench.tensors(config, seed: 1) == first)
    #expect(try bench.tensors(config, seed: 1, tileSize: 7) == first)
    let other = try bench.tensors(config, seed: 2)
    for (one, two) in zip(first, other) where one.elements.count > 20 { #expect(one != two, "\(one.name)") }
  }

  /// Each input has draws of its own.
  @Test(arguments: methods)
  func inputsAreDrawnApart(_ method: String) throws {
    // The same steps twice, by way of a directory of another name.
    let twin = "\(bench.folder)/twin"
    try FileManager.default.createSymbolicLink(
      atPath: twin, withDestinationPath: "\(GoldenCase.folder)/models/d")
    let support = try [(1, 0), (0, 1)].map { own, others in
      let models =
        "[{model: models/d, parameters: {weight: \(own)}}, {model: \(twin), parameters: {weight: \(others)}}]"
      return try samples(config(method, models: models, parameters: "density: 0.5, normalize: false")).map {
        sample in sample.steps.indices.map(sample.isKept)
      }
    }
    for (one, two) in zip(support[0], support[1]) where one.count > 20 { #expect(one != two) }
  }
}
