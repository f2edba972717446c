import Foundation
import Testing

/// Gates made of prompts here and by mergekit-moe 0.1.5.
@Suite struct ExpertsGateGoldenTests {
  private func gates(_ tensors: [GoldenTensor]) -> [GoldenTensor] {
    tensors.filter { $0.name.hasSuffix("gate.weight") }
  }

  /// Sums of embeddings are the peer's but for the order in which they are summed.
  @Test(arguments: ExpertsGoldenTests.Case.all.filter { $0.text.contains("gate_mode: cheap_embed") })
  func cheapGates(_ golden: ExpertsGoldenTests.Case) throws {
    let bench = try GoldenBench()
    let found = try gates(GoldenTensor.read(bench.run(golden.text)))
    let expected = try gates(golden.expected())
    #expect(found.map(\.name) == expected.map(\.name) && !found.isEmpty)
    for (found, expected) in zip(found, expected) {
      let tolerance = expected.dtype == .bf16 ? 0x1p-8 : 2e-6
      let isNear = zip(found.elements, expected.elements).allSatisfy { abs($0 - $1) <= tolerance }
      #expect(isNear, "\(found.name): \(found.elements), expected \(expected.elements)")
    }
  }

  /// The peer computes in bfloat16, and counts padding in means.
  @Test(arguments: ExpertsGoldenTests.Case.all.filter { $0.text.contains("gate_mode: hidden") })
  func hiddenGates(_ golden: ExpertsGoldenTests.Case) throws {
    let bench = try GoldenBench()
    let found = try gates(GoldenTensor.read(bench.run(golden.text)))
    let expected = try gates(golden.expected())
    #expect(found.map(\.name) == expected.map(\.name) && !found.isEmpty)
    for (found, expected) in zip(found, expected) {
      let width = found.shape[1]
      for row in 0..<found.shape[0] {
        let (a, b) = (
          found.elements[row * width..<(row + 1) * width], expected.elements[row * width..<(row + 1) * width]
        )
        func dot(_ x: ArraySlice<Double>, _ y: ArraySlice<Double>) -> Double {
          zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
        #expect(cosine > 0.999, "\(found.name), row \(row)")
        #expect(abs(dot(a, a) - 1) < 1e-5, "\(found.name), row \(row)")
      }
    }
  }
}
