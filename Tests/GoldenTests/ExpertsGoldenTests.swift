import Basics
import Foundation
import Testing

/// Mixtures of experts made here and by mergekit-moe 0.1.5: see scripts/make-moe-goldens.
@Suite struct ExpertsGoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    /// The config, with absolute paths of its models.
    let text: String

    static let folder = GoldenCase.folder.replacingOccurrences(of: "/goldens", with: "/moe")

    static let all: [Case] = {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/cases")) ?? []
      return names.filter { $0.hasSuffix(".yml") }.sorted().compactMap { name in
        guard let text = try? String(contentsOfFile: "\(folder)/cases/\(name)", encoding: .utf8) else {
          return nil
        }
        return Case(
          name: String(name.dropLast(4)),
          text: text.replacingOccurrences(of: "models/", with: "\(folder)/models/"))
      }
    }()

    var testDescription: String { name }

    /// The same config with gates that need no tokenizer.
    var withRandomGates: String {
      text.replacing(/gate_mode: \w+/, with: "gate_mode: random")
    }

    func expected() throws -> [GoldenTensor] {
      try GoldenTensor.read("\(Self.folder)/expected/\(name).safetensors")
    }

    func expectedConfig() throws -> JSON { try Self.json("\(Self.folder)/expected/\(name).json") }

    static func json(_ path: String) throws -> JSON {
      try JSON(parsing: String(contentsOfFile: path, encoding: .utf8))
    }
  }

  @Test func thereAreCases() { #expect(Case.all.count == 15) }

  /// All but the gates are the peer's tensors, to the bit.
  @Test(arguments: Case.all) func tensorsBesideTheGates(_ golden: Case) throws {
    let bench = try GoldenBench()
    let found = try GoldenTensor.read(bench.run(golden.withRandomGates))
    let expected = try golden.expected()
    #expect(found.map(\.name) == expected.map(\.name))
    for (found, expected) in zip(found, expected) {
      let isGate = found.name.hasSuffix("gate.weight")
      #expect(found.shape == expected.shape && found.dtype == expected.dtype, "\(found.name)")
      #expect(isGate || found.bytes == expected.bytes, "\(found.name)")
    }
  }

  /// What both write into config.json is the same, and what the peer writes beside that is what transformers takes
  /// for a key that is not there.
  @Test(arguments: Case.all) func configs(_ golden: Case) throws {
    let bench = try GoldenBench()
    let found = try Case.json(bench.run(golden.withRandomGates) + "/config.json")
    var expected = try #require(golden.expectedConfig().objectValue)
    // Of other names since transformers 5.
    expected["torch_dtype"] = expected["dtype"]
    expected["rope_theta"] = expected["rope_parameters"]?["rope_theta"]
    if expected["model_type"] == .string("qwen3_moe") {
      expected["num_experts"] = expected["num_local_experts"]
    }
    let isMixtral = expected["model_type"] == .string("mixtral")
    for key in ["dtype", "rope_parameters"] + (isMixtral ? [] : ["num_local_experts"]) { expected[key] = nil }
    for (key, value) in try #require(found.objectValue) {
      let isAddition = Self.additions.contains(key)
      #expect(expected[key] == value || isAddition && expected[key] == nil, "\(key)")
    }
    let missing = Set(expected.map { $0.key }).subtracting(try #require(found.objectValue).map { $0.key })
    #expect(missing.subtracting(Self.defaults) == [])
  }

  /// Keys that the peer leaves out.
  private static let additions: Set = [
    "decoder_sparse_step", "qkv_bias", "norm_topk_prob", "use_sliding_window",
  ]

  /// Keys that say what transformers takes for granted, or that the output's type has not got.
  private static let defaults: Set = [
    "attention_bias", "attention_dropout", "head_dim", "initializer_range", "mlp_bias",
    "output_router_logits",
    "pad_token_id", "pretraining_tp", "router_aux_loss_coef", "router_jitter_noise", "sliding_window",
    "use_cache", "layer_types", "max_window_layers", "mlp_only_layers", "bos_token_id", "eos_token_id",
    "use_sliding_window", "n_shared_experts",
    // Of all configs, in what the peer writes for DeepSeek.
    "id2label", "label2id", "return_dict", "output_attentions", "output_hidden_states", "_name_or_path",
    "is_encoder_decoder", "problem_type", "chunk_size_feed_forward",
  ]
}
