import Basics
import Foundation
import Merging
import ScriptTestSupport
import Tensors
import TestSupport
import Testing

/// GGUF files as models, beside the models of transformers that llama.cpp's converter made them of: see
/// scripts/make-gguf-models.py.
@Suite struct GGUFModelTests {
  let bench: ScriptBench

  init() throws {
    bench = try ScriptBench()
    try FileManager.default.createSymbolicLink(
      atPath: bench.folder + "/f", withDestinationPath: fixture("gguf"))
  }

  static let models = [
    "llama", "llama3", "mixtral", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "gemma", "gemma2", "gemma3",
    "phi3",
    "phi3-long",
  ]

  /// Names and shapes are those of the hub, and the numbers the same, but for norms that had 1 added in float32.
  @Test(arguments: models) func tensorsAreThoseThatWereConverted(name: String) throws {
    let found = try bench.output("return mk.model(here .. 'f/models/\(name).gguf')")
    let expected = try bench.tensors("f/models/\(name)")
    #expect(bench.warnings == [])
    #expect(found.map(\.name).sorted() == expected.map(\.name).sorted())
    for tensor in expected {
      guard let other = found.first(where: { $0.name == tensor.name }), other.shape == tensor.shape else {
        Issue.record("\(tensor.name) is missing, or has another shape")
        continue
      }
      let isShifted = name.hasPrefix("gemma") && tensor.name.hasSuffix("norm.weight")
      for (a, b) in zip(other.elements, tensor.elements) where a != b {
        #expect(isShifted && abs(a - b) < 1e-7, "\(tensor.name): \(a) and \(b)")
      }
    }
  }

  /// What both say is the same; rotary positions are said in the way that all releases of transformers read.
  @Test(arguments: models) func configIsThatOfTheModel(name: String) throws {
    let found = try #require(try bench.model("return mk.model(here .. 'f/models/\(name).gguf')").config)
    let expected = try JSON(
      parsing: Array(Data(contentsOf: URL(filePath: fixture("gguf/models/\(name)/config.json")))))
    for (key, value) in try #require(found.objectValue) {
      guard let other = expected[key], !other.isNull else { continue }
      #expect(value == other || value.doubleValue == other.doubleValue && value.doubleValue != nil, "\(key)")
    }
    let required = [
      "architectures", "model_type", "hidden_size", "num_hidden_layers", "intermediate_size",
      "num_attention_heads",
      "num_key_value_heads", "vocab_size", "rms_norm_eps", "max_position_embeddings", "tie_word_embeddings",
    ]
    for key in required { #expect(found[key] != nil, "\(key)") }
    for key in [
      "num_experts", "num_local_experts", "num_experts_per_tok", "moe_intermediate_size", "sliding_window",
    ] {
      if let other = expected[key], !other.isNull, expected["use_sliding_window"]?.boolValue != false {
        #expect(found[key] == other, "\(key)")
      }
    }
    let rope = expected["rope_parameters"]
    let theta = rope?["rope_theta"] ?? rope?["full_attention"]?["rope_theta"]
    #expect(found["rope_theta"]?.doubleValue == theta?.doubleValue)
    if let local = rope?["sliding_attention"]?["rope_theta"] {
      #expect(found["rope_local_base_freq"]?.doubleValue == local.doubleValue)
    }
    for key in ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"] {
      let stretched = name == "llama3" ? rope?[key]?.doubleValue : nil
      #expect(found["rope_scaling"]?[key]?.doubleValue == stretched, "\(key)")
    }
    for key in ["short_factor", "long_factor"] {
      #expect(
        found["rope_scaling"]?[key]?.arrayValue?.map(\.doubleValue)
          == rope?[key]?.arrayValue?.map(\.doubleValue))
    }
  }

  /// A merge of a GGUF file with the model that it was made of.
  @Test func merges() throws {
    let merged = try bench.output(
      """
      return mk.merge { method = "linear", models = {
        { mk.model(here .. 'f/models/llama.gguf'), weight = 1 }, { mk.model(here .. 'f/models/llama'), weight = 1 } } }
      """)
    let expected = try bench.tensors("f/models/llama")
    for tensor in expected { #expect(merged.first { $0.name == tensor.name }?.elements == tensor.elements) }
  }

  // MARK: Tokenizers

  /// The bytes of a GGUF file with the tensors of a llama of one layer, and metadata.
  private func writeLlama(_ values: [[UInt8]], to name: String) throws {
    let names = [
      "token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight",
    ]
    var file: [UInt8] =
      Array("GGUF".utf8) + le(UInt32(3)) + le(UInt64(names.count)) + le(UInt64(values.count + 7))
    file += text("general.architecture") + le(UInt32(8)) + text("llama")
    for (key, number) in [
      ("block_count", 1), ("embedding_length", 4), ("feed_forward_length", 4), ("context_length", 8),
      ("attention.head_count", 1),
    ] { file += text("llama." + key) + le(UInt32(4)) + le(UInt32(number)) }
    file += text("llama.attention.layer_norm_rms_epsilon") + le(UInt32(6)) + le(Float(1e-5).bitPattern)
    file += values.flatMap { $0 }
    for (index, name) in names.enumerated() {
      let shape: [UInt64] = index == 0 ? [4, 8] : [4]
      file += text(name) + le(UInt32(shape.count)) + shape.flatMap { le($0) } + le(UInt32(0))
      file += le(UInt64(index == 0 ? 0 : 128 + 32 * (index - 1)))
    }
    file += Array(repeating: 0, count: (32 - file.count % 32) % 32 + 128 + 96)
    try file.withUnsafeBytes { try Data($0).write(to: URL(filePath: "\(bench.folder)/\(name)")) }
  }

  private func le<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian, Array.init)
  }
  private func text(_ text: String) -> [UInt8] { le(UInt64(text.utf8.count)) + Array(text.utf8) }
  private func value(_ key: String, _ string: String) -> [UInt8] { text(key) + le(UInt32(8)) + text(string) }
  private func value(_ key: String, _ number: Int) -> [UInt8] {
    text(key) + le(UInt32(4)) + le(UInt32(number))
  }
  private func list(_ key: String, _ texts: [String]) -> [UInt8] {
    text(key) + le(UInt32(9)) + le(UInt32(8)) + le(UInt64(texts.count)) + texts.flatMap { text($0) }
  }
  private func list(_ key: String, _ numbers: [Int32]) -> [UInt8] {
    text(key) + le(UInt32(9)) + le(UInt32(5)) + le(UInt64(numbers.count)) + numbers.flatMap { le($0) }
  }
  private func floats(_ key: String, _ numbers: [Float]) -> [UInt8] {
    text(key) + le(UInt32(9)) + le(UInt32(6)) + le(UInt64(numbers.count))
      + numbers.flatMap { le($0.bitPattern) }
  }

  private func written(_ name: String) throws -> JSON {
    try bench.writeModel(of: "return mk.model(here .. '\(name).gguf')", to: name)
    return try JSON(parsing: bench.bytes("\(name)/tokenizer.json"))
  }

  @Test func byteLevelTokenizers() throws {
    try writeLlama(
      [
        value("tokenizer.ggml.model", "gpt2"), value("tokenizer.ggml.pre", "llama-bpe"),
        list("tokenizer.ggml.tokens", ["a", "b", "Ġ", "ab", "Ġab", "<s>", "<tool>", "[PAD7]"]),
        list("tokenizer.ggml.token_type", [1, 1, 1, 1, 1, 3, 4, 5]),
        list("tokenizer.ggml.merges", ["a b", "Ġ ab"]),
        value("tokenizer.ggml.bos_token_id", 5), value("tokenizer.ggml.eos_token_id", 5),
        value("tokenizer.chat_template", "{{ x }}"),
      ], to: "bpe.gguf")
    let json = try written("bpe")
    #expect(json["model"]?["vocab"]?.text(.compact) == #"{"a":0,"b":1,"Ġ":2,"ab":3,"Ġab":4}"#)
    #expect(json["model"]?["merges"]?.text(.compact) == #"[["a","b"],["Ġ","ab"]]"#)
    #expect(json["model"]?["ignore_merges"] == .bool(true))
    let added = try #require(json["added_tokens"]?.arrayValue)
    #expect(
      added.map { $0["content"] } == ["<s>", "<tool>"]
        && added.map { $0["special"] } == [.bool(true), .bool(false)])
    let config = try JSON(parsing: bench.bytes("bpe/tokenizer_config.json"))
    #expect(config["bos_token"] == "<s>" && config["chat_template"] == "{{ x }}")
    #expect(try JSON(parsing: bench.bytes("bpe/generation_config.json"))["bos_token_id"]?.intValue == 5)
    #expect(try JSON(parsing: bench.bytes("bpe/config.json"))["bos_token_id"]?.intValue == 5)
    let ids =
      "table.concat(mk.model(here .. 'bpe.gguf').tokenizer:encode('ab ab<tool>', { special = true }), ' ')"
    #expect(try bench.shown(ids) == "5 3 4 6")
  }

  @Test func scoredTokenizers() throws {
    try writeLlama(
      [
        value("tokenizer.ggml.model", "llama"),
        list("tokenizer.ggml.tokens", ["<unk>", "<s>", "<0x21>", "▁", "a", "▁a", "aa", "  "]),
        list("tokenizer.ggml.token_type", [2, 3, 6, 1, 1, 1, 1, 4]),
        floats("tokenizer.ggml.scores", [0, 0, 0, -4, -3, -2, -1, -1000]),
        value("tokenizer.ggml.bos_token_id", 1), value("tokenizer.ggml.unknown_token_id", 0),
      ], to: "sp.gguf")
    let json = try written("sp")
    // The user's token is first, then by score; spaces are marked as in SentencePiece's own vocabulary.
    #expect(json["model"]?["merges"]?.text(.compact) == #"[["▁","▁"],["a","a"],["▁","a"]]"#)
    #expect(json["model"]?["vocab"]?["▁▁"]?.intValue == 7 && json["model"]?["unk_token"] == "<unk>")
    let ids = "table.concat(mk.model(here .. 'sp.gguf').tokenizer:encode('aaa!', { special = true }), ' ')"
    #expect(try bench.shown(ids) == "1 3 6 4 2")
  }

  @Test func unknownTokenizersAreLeftOut() throws {
    try writeLlama([value("tokenizer.ggml.model", "rwkv")], to: "other.gguf")
    try bench.writeModel(of: "return mk.model(here .. 'other.gguf')", to: "other")
    #expect(
      bench.warnings.contains { $0.contains("the tokenizer 'rwkv' is not known, so none is made of it") })
    #expect(!bench.exists("other/tokenizer.json") && bench.exists("other/config.json"))
  }

  @Test func listsOfOtherLengths() throws {
    try writeLlama(
      [
        value("tokenizer.ggml.model", "gpt2"), list("tokenizer.ggml.tokens", ["a", "b"]),
        list("tokenizer.ggml.token_type", [1]), list("tokenizer.ggml.merges", [String]()),
        value("tokenizer.ggml.bos_token_id", 0),
      ], to: "short.gguf")
    #expect(
      bench.error("mk.model(here .. 'short.gguf'):save(here .. 'x')")
        .contains("the vocabulary has 2 tokens and 1 types"))
  }

  // MARK: What is no model

  @Test func otherFiles() throws {
    #expect(
      bench.error("mk.model(here .. 'f/types.gguf')").contains(
        "the architecture 'test' is not read; expected one of llama, qwen2"))
    try writeLlama([value("general.type", "adapter")], to: "adapter.gguf")
    #expect(
      bench.error("mk.model(here .. 'adapter.gguf')").contains(
        "holds no model, but general.type is 'adapter'"))
  }
}
