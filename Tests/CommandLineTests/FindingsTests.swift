import TestSupport
import Testing

/// Elements that are not finite, and integers that differ: said once, with the tensors.
@Suite struct FindingsTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  private func merge(_ fields: String, _ options: String...) throws -> Tool.Outcome {
    try tool.write(
      """
      models:
        - {model: a, parameters: {weight: 1}}
        - {model: b, parameters: {weight: 1}}
      merge_method: linear
      parameters: {normalize: false}
      \(fields)
      """, to: "config.yml")
    return try tool.run(["config.yml", "out", "--quiet"] + options)
  }

  private func makeModels(_ first: [Float], _ second: [Float]) throws {
    try tool.write(safetensors([("w", first), ("fine", [1])]), to: "a/model.safetensors")
    try tool.write(safetensors([("w", second), ("fine", [1])]), to: "b/model.safetensors")
  }

  @Test func overflow() throws {
    try makeModels([60_000, 1], [60_000, 1])
    #expect(try merge("dtype: float32") == Tool.Outcome(0))
    #expect(
      try merge("dtype: float16", "--force").errors
        == "warning: elements that are not finite in 1 tensor: 'w' (1 infinite); float16 holds nothing above 65504, "
        + "bfloat16 and float32 do\n")
  }

  @Test func inputsThatAreNotFinite() throws {
    try makeModels([.nan, 1, .infinity], [1, 2, 3])
    #expect(
      try merge("dtype: float32").errors
        == "warning: elements that are not finite in 1 tensor: 'w' (1 NaN, 1 infinite)\n")
    // Copied, without any arithmetic; and in a stack of scripts.
    let copied = try tool.recipe("return mk.model 'a'", "copy", "--quiet")
    #expect(copied.status == 0)
    #expect(copied.errors == "warning: elements that are not finite in 1 tensor: 'w' (1 NaN, 1 infinite)\n")
  }

  @Test func manyTensorsAreCounted() throws {
    let names = (0..<6).map { "w\($0)" }
    for model in ["a", "b"] {
      try tool.write(safetensors(names.map { ($0, [.infinity]) }), to: "\(model)/model.safetensors")
    }
    #expect(
      try merge("dtype: float32").errors
        == "warning: elements that are not finite in 6 tensors: 'w0' (1 infinite), 'w1' (1 infinite), 'w2' (1 infinite), "
        + "'w3' (1 infinite) and 2 more\n")
  }

  @Test func strictnessMakesAnErrorOfThem() throws {
    try makeModels([.nan], [1])
    let outcome = try merge("dtype: float32", "--strict")
    #expect(outcome.status == 1)
    #expect(outcome.errors == "error: out: elements that are not finite in 1 tensor: 'w' (1 NaN)\n")
    #expect(!tool.tree().contains { $0.hasPrefix("out") || $0.hasPrefix(".out") })
    // What is finite is no matter.
    try makeModels([1], [1])
    #expect(try merge("dtype: float32", "--strict") == Tool.Outcome(0))
  }

  @Test func integersThatDiffer() throws {
    for (model, count) in [("a", 10), ("b", 20)] {
      try tool.write(
        safetensors(
          header: #"{"bn.num_batches_tracked":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#,
          data: [UInt8(count)] + [UInt8](repeating: 0, count: 7)), to: "\(model)/model.safetensors")
    }
    let outcome = try merge("dtype: float32")
    #expect(outcome.status == 0)
    #expect(
      outcome.errors
        == "warning: 1 tensor that cannot be computed with has the first model's values, though others differ: "
        + "'bn.num_batches_tracked' (a/model.safetensors: tensor 'bn.num_batches_tracked' and b/model.safetensors: "
        + "tensor 'bn.num_batches_tracked')\n")
    // Equal ones are not worth a word.
    try tool.write(try #require(tool.bytes("a/model.safetensors")), to: "b/model.safetensors")
    #expect(try merge("dtype: float32", "--force") == Tool.Outcome(0))
  }
}
