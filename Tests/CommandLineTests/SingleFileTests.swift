import Checkpoints
import Foundation
import TestSupport
import Testing

/// Checkpoints that are single files, as outputs and as models.
@Suite struct SingleFileTests {
  let tool: Tool

  init() throws {
    tool = try Tool()
    try tool.write(safetensors([("a", [1, 2]), ("b", [3])]), to: "x.safetensors")
    try tool.write(safetensors([("a", [3, 4]), ("c", [5])]), to: "y.safetensors")
    try tool.write(
      """
      merge_method: linear
      models:
        - {model: x.safetensors, parameters: {weight: 0.25}}
        - {model: y.safetensors, parameters: {weight: 0.75}}
      """, to: "config.yml")
  }

  private func tensors(_ path: String) throws -> [String: [Float]] {
    var found: [String: [Float]] = [:]
    for tensor in try Checkpoint(path: .init(tool.path(path))).tensors {
      var elements = [Float](repeating: 0, count: tensor.source.byteCount / 4)
      try elements.withUnsafeMutableBytes { try tensor.source.read(into: $0, at: 0) }
      found[tensor.name] = elements
    }
    return found
  }

  @Test func aConfigWritesAFile() throws {
    let outcome = try tool.run("config.yml", "new/out.safetensors", "--tensor-intersection", "--quiet")
    #expect(outcome == Tool.Outcome(0))
    #expect(tool.tree().filter { $0.hasPrefix("new/") } == ["new/out.safetensors"])
    #expect(try tensors("new/out.safetensors") == ["a": [2.5, 3.5]])
    #expect(
      try tool.run("config.yml", "new/out.safetensors", "-i").errors
        == "error: new/out.safetensors exists; pass --force to replace it\n")
    #expect(try tool.run("config.yml", "new/out.safetensors", "-u", "--force", "--quiet").status == 0)
    #expect(try tensors("new/out.safetensors") == ["a": [2.5, 3.5], "b": [3], "c": [5]])
    #expect(tool.tree().filter { $0.hasPrefix("new/") } == ["new/out.safetensors"])
    #expect(
      try tool.run("config.yml", "x.safetensors", "-i", "--force").errors
        == "error: cannot write x.safetensors: it is an input of this merge; choose another output\n")
  }

  /// The file is the directory's, but for what stands beside the weights.
  @Test func theSameBytes() throws {
    try tool.write("return require('mergekit').model 'models/base'", to: "recipe.lua")
    let outcome = try tool.run("recipe.lua", "out.safetensors", "--out-shard-size", "10K")
    #expect(outcome.status == 0)
    #expect(outcome.errors.contains("out.safetensors is a single file: the maximum shard size has no effect"))
    #expect(
      outcome.errors.contains(
        "out.safetensors is a single file: config.json and what belongs to it are not written"))
    #expect(try tool.run("recipe.lua", "out", "--quiet") == Tool.Outcome(0))
    #expect(
      tool.bytes("out.safetensors") != nil
        && tool.bytes("out.safetensors") == tool.bytes("out/model.safetensors"))
    #expect(try tool.run("recipe.lua", "plan.safetensors", "--dry-run").output.contains("plan.safetensors"))
    #expect(!tool.tree().contains("plan.safetensors"))
  }

  @Test func mergekitPyTorchWritesAFile() throws {
    let link = tool.path("mergekit-pytorch")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: Tool.binary)
    for _ in 0..<2 {
      #expect(
        try tool.run(["config.yml", "o.safetensors", "-i", "--quiet"], executable: link) == Tool.Outcome(0))
    }
    #expect(try tensors("o.safetensors") == ["a": [2.5, 3.5]])
    #expect(
      try tool.run(["config.yml", "o.pt", "-i"], executable: link).errors
        == "error: cannot write o.pt: only safetensors are written; name OUT a directory, or a file that ends in .safetensors\n"
    )
  }

  @Test func convertWritesAFile() throws {
    #expect(
      try tool.run("convert", "x.safetensors", "z.safetensors", "--quiet", "--dtype", "float16")
        == Tool.Outcome(0))
    #expect(try tool.run("inspect", "z.safetensors").output.contains("F16"))
    #expect(try tool.run("convert", "x.safetensors", "x.safetensors", "--force").status == 1)
    let unknown = try tool.run("convert", "x.safetensors", "z", "--format", "onnx")
    #expect(
      unknown.status == 2 && unknown.errors.contains("'onnx'") && unknown.errors.contains("safetensors"))
  }

  @Test func faults() throws {
    try tool.write(
      "local mk = require 'mergekit'; local x = mk.model 'x.safetensors'; return { a = x, b = x }",
      to: "two.lua")
    #expect(
      try tool.run("two.lua", "out.safetensors").errors
        == "error: out.safetensors is a single file, and two.lua makes 2 models: name OUT a directory\n")
    let recipe = try tool.run("two.lua", "out", "-u")
    #expect(
      recipe.status == 2
        && recipe.errors.hasPrefix(
          "error: --tensor-union is for configs; two.lua is a recipe, where mk.merge takes bare = 'union'\n")
    )
    try tool.write("base_model: models/base\nexperts: [{source_model: models/math}]", to: "moe.yml")
    #expect(try tool.run("moe.yml", "out", "-i").status == 2)
    #expect(!tool.tree().contains { $0.hasPrefix("out") })
  }

  @Test func savesOfScripts() throws {
    let recipe = """
      local x = mk.model "x.safetensors"
      x:save "out/a.safetensors"
      return x
      """
    #expect(try tool.recipe(recipe, "out", "--quiet").status == 0)
    #expect(try tensors("out/a.safetensors") == ["a": [1, 2], "b": [3]])
    #expect(
      try tool.recipe("mk.model('x.safetensors'):save 'y.safetensors'", "other").errors.contains("outside"))
  }

  // MARK: Block weights

  /// Names as those of Stable Diffusion XL, with fewer blocks.
  private func diffusion(_ value: Float, inputs: Int = 5, outputs: Int = 3) -> [UInt8] {
    let prefix = "model.diffusion_model."
    var names = ["conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight"]
    for block in 0..<inputs { names.append("\(prefix)input_blocks.\(block).0.in_layers.2.weight") }
    names.append("\(prefix)input_blocks.4.1.transformer_blocks.1.attn1.to_q.weight")
    names.append("\(prefix)middle_block.1.proj_in.weight")
    for block in 0..<outputs { names.append("\(prefix)output_blocks.\(block).0.in_layers.2.weight") }
    names.append("\(prefix)out.2.weight")
    return safetensors(names.map { ($0, [value]) })
  }

  @Test func weightsByBlock() throws {
    try tool.write(diffusion(0), to: "a.safetensors")
    try tool.write(diffusion(1), to: "b.safetensors")
    let recipe = """
      local a, b = mk.model "a.safetensors", mk.model "b.safetensors"
      local weight = mk.block_weights(b, {
        input_blocks = { 0, 1 }, middle_block = 0.75, output_blocks = { 1, 0.5, 0.125 }, conditioner = 0, default = 0.25,
      })
      return mk.merge { method = "linear", models = {
        { a, weight = function(info) return 1 - weight(info) end }, { b, weight = weight } } }
      """
    #expect(try tool.recipe(recipe, "out.safetensors", "--quiet") == Tool.Outcome(0))
    let found = try tensors("out.safetensors")
    let prefix = "model.diffusion_model."
    for block in 0..<5 {
      #expect(found["\(prefix)input_blocks.\(block).0.in_layers.2.weight"] == [Float(block) / 4])
    }
    // The outer list counts, not that of the transformer within.
    #expect(found["\(prefix)input_blocks.4.1.transformer_blocks.1.attn1.to_q.weight"] == [1])
    #expect(found["\(prefix)middle_block.1.proj_in.weight"] == [0.75])
    #expect(
      (0..<3).map { found["\(prefix)output_blocks.\($0).0.in_layers.2.weight"] } == [[1], [0.5], [0.125]])
    #expect(found["\(prefix)out.2.weight"] == [0.25])
    #expect(found["conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight"] == [0])
  }

  @Test func theExample() throws {
    try tool.write(diffusion(1, inputs: 9, outputs: 9), to: "a.safetensors")
    try tool.write(diffusion(2, inputs: 9, outputs: 9), to: "b.safetensors")
    let file = Tool.repository.appendingPathComponent("stdlib/examples/block_weights.lua").path
    #expect(try tool.run(file, "out.safetensors", "--quiet") == Tool.Outcome(0))
    let found = try tensors("out.safetensors")
    for (block, value) in [Float(0), 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1, 1].enumerated() {
      let element = try #require(
        found["model.diffusion_model.input_blocks.\(block).0.in_layers.2.weight"]?.first)
      #expect(abs(element - 1 - value) < 1e-6)
    }
    #expect(found["model.diffusion_model.output_blocks.8.0.in_layers.2.weight"] == [1])
  }

  /// The same by a config's filters; Flux's names.
  @Test func filtersOverBlocks() throws {
    let names =
      (0..<2).map { "double_blocks.\($0).img_attn.qkv.weight" }
      + (0..<3).map { "single_blocks.\($0).linear1.weight" }
      + ["img_in.weight"]
    for (file, value) in [("a", 1), ("b", 2)] {
      try tool.write(safetensors(names.map { ($0, [Float(value)]) }), to: "\(file).safetensors")
    }
    try tool.write(
      """
      merge_method: slerp
      base_model: a.safetensors
      models: [{model: b.safetensors}]
      parameters:
        t:
          - {filter: double_blocks.1., value: 1}
          - {filter: double_blocks, value: 0.25}
          - {filter: single_blocks, value: 0.75}
          - {value: 0.5}
      """, to: "flux.yml")
    #expect(try tool.run("flux.yml", "out.safetensors", "--quiet") == Tool.Outcome(0))
    #expect(
      try tensors("out.safetensors") == [
        names[0]: [1.25], names[1]: [2], names[2]: [1.75], names[3]: [1.75], names[4]: [1.75],
        names[5]: [1.5],
      ])
  }

  @Test(arguments: [
    (
      "{ input_block = 1 }",
      "block_weights: unknown list of blocks 'input_block' of model 'b.safetensors' (did you mean 'input_blocks'?)"
    ),
    ("{ input_blocks = 'x' }", "block_weights: input_blocks: expected a number, got string 'x'"),
    ("{ middle_block = { 0, 1 }, default = { 1 } }", "block_weights: default: expected a number"),
    (
      "{ conditioner = { 0, 1 } }",
      "block_weights: conditioner: expected a number, as its blocks are not numbered"
    ),
    ("3", "block_weights: expected a table of values by lists of blocks, got number"),
    (
      "{ input_blocks = { { filter = 'x', value = 1 } } }",
      "block_weights: input_blocks: expected a number or a list of numbers"
    ),
  ])
  func faultsOfBlockWeights(values: String, expected: String) throws {
    try tool.write(diffusion(0), to: "b.safetensors")
    let outcome = try tool.recipe("mk.block_weights(mk.model 'b.safetensors', \(values))")
    #expect(outcome.status == 1 && outcome.errors.contains(expected), "\(outcome.errors)")
  }
}
