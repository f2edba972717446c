import Checkpoints
import Inference
import SystemPackage
import Tensors
import Testing

/// What enters linear layers, beside what hooks in transformers saw: see scripts/make-inference-fixtures.py.
@Suite struct InputStatisticsTests {
  private func floats(_ leaf: StoredLeaf) throws -> [Float] {
    var values = [Float](repeating: 0, count: leaf.count)
    try values.withUnsafeMutableBytes { try leaf.source.read(into: $0, at: 0) }
    return values
  }

  /// A statistic by the names of the weights.
  private func found(
    _ name: String, _ statistic: InputStatistic, threads: Int = 2, activationBytes: Int = 256 << 20
  ) throws -> [String: [Float]] {
    let bench = try InferenceBench()
    let model = try bench.model(.named(name))
    let pass = try ForwardPass(
      model: model, graph: bench.graph, evaluator: bench.evaluator(threads: threads),
      activationBytes: activationBytes)
    let tensors = try pass.inputStatistics(of: InferenceCase.prompts, statistic)
    var result: [String: [Float]] = [:]
    for tensor in tensors {
      #expect(tensor.shape.count == tensor.leaf.count)
      for name in tensor.names { result[name] = try floats(tensor.leaf) }
    }
    return result
  }

  private static let expected = try! Checkpoint(path: InferenceCase.folder.appending("inputs.safetensors"))

  private func expected(_ name: String) throws -> [Float] {
    let tensor = try #require(Self.expected.tensor(named: name))
    return try floats(tensor.leaf)
  }

  @Test(arguments: ["llama", "qwen3"]) func statisticsAreThoseOfTransformers(_ name: String) throws {
    let grams = try found(name, .gram)
    let magnitudes = try found(name, .meanAbs)
    let squares = try found(name, .sumSquares)
    #expect(grams.count == 7 * 3)
    for layer in 0..<3 {
      for part in ["self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"] {
        let weight = "model.layers.\(layer).\(part).weight"
        let gram = try expected("\(name)/gram/\(weight)")
        #expect(relativeError(try #require(grams[weight]), gram) < 2e-6, "\(weight)")
        let mean = try expected("\(name)/mean_abs/\(weight)")
        #expect(relativeError(try #require(magnitudes[weight]), mean) < 2e-6, "\(weight)")
        let diagonal = mean.indices.map { gram[$0 * (mean.count + 1)] }
        #expect(relativeError(try #require(squares[weight]), diagonal) < 2e-6, "\(weight)")
      }
      let prefix = "model.layers.\(layer)."
      for (part, other) in [
        ("self_attn.k", "self_attn.q"), ("self_attn.v", "self_attn.q"), ("mlp.up", "mlp.gate"),
      ] {
        #expect(grams["\(prefix)\(part)_proj.weight"] == grams["\(prefix)\(other)_proj.weight"])
      }
    }
  }

  @Test func statisticsAreTheSameBitsForAnyNumberOfWorkers() throws {
    for statistic in InputStatistic.allCases {
      let one = try found("qwen3", statistic, threads: 1)
      #expect(try found("qwen3", statistic, threads: 5) == one)
    }
  }

  /// Prompts that have no room together are run one after the other, layer by layer.
  @Test func batchesDoNotChangeStatistics() throws {
    for statistic in InputStatistic.allCases {
      let together = try found("llama", statistic)
      for (name, values) in try found("llama", statistic, activationBytes: 5000) {
        #expect(relativeError(values, try #require(together[name])) < 2e-6)
      }
    }
  }
}
