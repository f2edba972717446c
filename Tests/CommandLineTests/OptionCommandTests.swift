import Foundation
import Testing

/// The binary under the names of mergekit's commands that make a config of their options, or have one of their own.
@Suite struct OptionCommandTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  private func run(_ name: String, _ arguments: String...) throws -> Tool.Outcome {
    let link = tool.path(name)
    if !FileManager.default.fileExists(atPath: link) {
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: Tool.binary)
    }
    return try tool.run(arguments, executable: link)
  }

  private func weights(_ folder: String) -> Data? {
    FileManager.default.contents(atPath: tool.path("\(folder)/model.safetensors"))
  }

  // MARK: mergekit-layershuffle

  private let two = ["-m", "models/base", "--model", "models/math"]

  private func shuffle(_ arguments: String...) throws -> Tool.Outcome {
    let link = tool.path("mergekit-layershuffle")
    if !FileManager.default.fileExists(atPath: link) {
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: Tool.binary)
    }
    return try tool.run(arguments + two, executable: link)
  }

  @Test func theSameSeedPicksTheSameLayers() throws {
    for (out, seed) in [("a", "3"), ("b", "3"), ("c", "4")] {
      #expect(try shuffle(out, "--random-seed", seed, "--quiet") == Tool.Outcome(0))
    }
    #expect(weights("a") != nil && weights("a") == weights("b") && weights("a") != weights("c"))
    #expect(
      tool.text("a/mergekit_config.yml")?.hasPrefix("merge_method: passthrough\nslices:\n- sources:\n")
        == true)
  }

  @Test func configsThatArePrintedAndWritten() throws {
    let printed = try shuffle("--dry-run", "--print-yaml", "--write-yaml", "c.yml", "--seed", "3")
    #expect(printed.status == 0 && printed.output == tool.text("c.yml"))
    #expect(tool.tree() == ["c.yml", "mergekit-layershuffle"])
    // The config makes the same model by itself.
    #expect(try tool.run("c.yml", "a", "--quiet") == Tool.Outcome(0))
    #expect(try shuffle("b", "--seed", "3", "--quiet") == Tool.Outcome(0))
    #expect(weights("a") != nil && weights("a") == weights("b"))
    #expect(try shuffle("--dry-run", "--seed", "3").output.contains("writes 39 tensors"))
  }

  @Test func layersInAnyOrder() throws {
    #expect(
      try shuffle("out", "--full-random", "--fp16", "-w", "0.5", "-w", "0.25", "--quiet") == Tool.Outcome(0))
    #expect(tool.text("out/config.json")?.contains("\"num_hidden_layers\": 3") == true)
    #expect(try tool.run("inspect", "out").output.contains("F16"))
    #expect(
      try shuffle("out", "--full-random", "-w", "0.1", "-w", "0.1").errors.contains("less than a layer"))
  }

  @Test func usageOfShuffles() throws {
    for (arguments, expected) in [
      (["--dry-run", "-w", "1"], "--weight is given 1 times for 2 models"),
      (["--dry-run", "-w", "-1", "-w", "1"], "--weight: expected a number from 0 to 1000, got -1.0"),
      (["--dry-run", "-w", "0", "-w", "0"], "--weight: all weights are 0"),
      ([], "Missing expected argument '<out-path>'"),
    ] {
      let link = tool.path("mergekit-layershuffle")
      try? FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: Tool.binary)
      let outcome = try tool.run(arguments + two, executable: link)
      #expect(outcome.status == 2 && outcome.errors.hasPrefix("error: \(expected)\n"), "\(outcome.errors)")
    }
    #expect(
      try run("mergekit-layershuffle", "out").errors.hasPrefix(
        "error: Missing expected argument '--model <model>'"))
    let missing = try run("mergekit-layershuffle", "out", "-m", "models/bas")
    #expect(missing.status == 1 && missing.errors.contains("did you mean 'models/base'?"))
    #expect(!tool.tree().contains("out"))
  }

  // MARK: mergekit-legacy

  @Test func optionsAreAConfig() throws {
    let options = [
      "--merge", "models/math", "--merge", "models/code", "--base-model", "models/base", "--density", "0.5",
      "--weight", "0.3", "--weight", "0.7", "--print-yaml",
    ]
    let link = tool.path("mergekit-legacy")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: Tool.binary)
    let outcome = try tool.run(["out", "--quiet"] + options, executable: link)
    #expect(outcome.status == 0 && outcome.errors == "")
    #expect(outcome.output.hasSuffix("    density: 0.5\nparameters:\n  normalize: true\n"))
    #expect(tool.text("out/mergekit_config.yml") == outcome.output)
    try tool.write(outcome.output, to: "config.yml")
    #expect(try tool.run("config.yml", "same", "--quiet") == Tool.Outcome(0))
    #expect(weights("out") != nil && weights("out") == weights("same"))
  }

  @Test func methodsWithoutNormalize() throws {
    let outcome = try run(
      "mergekit-legacy", "out", "--method", "slerp", "--merge", "models/math", "--base-model", "models/base",
      "--weight", "0.25", "--int8-mask", "--print-yaml")
    #expect(outcome.status == 0 && outcome.output.hasSuffix("parameters:\n  t: 0.25\n"))
    #expect(!outcome.errors.contains("unknown parameter"))
    #expect(
      try run(
        "mergekit-legacy", "out", "--merge", "models/math", "--method", "linear", "--weight", "1",
        "--naive-count"
      )
      .errors.contains("--naive-count is ignored"))
  }

  @Test func faultsOfOptions() throws {
    #expect(
      try run("mergekit-legacy", "out", "--merge", "models/math", "--method", "tie").errors
        == "error: mergekit-legacy:1:15: merge_method: unknown merge method 'tie' (did you mean 'ties'?)\n")
    #expect(try run("mergekit-legacy", "out", "--merge", "models/math").errors.contains("needs a base model"))
    #expect(try run("mergekit-legacy", "out", "--merge", "models/math", "--weight", "x").status == 2)
    #expect(!tool.tree().contains("out"))
  }

  // MARK: bakllama

  private let layers = """
    layer_slices:
      - {model: models/base, start: 0, end: 3}
      - {model: models/math, start: 1, end: 4, scale: 0.5}
    embedding_source: models/code

    """

  @Test func runsOfLayers() throws {
    try tool.write(layers, to: "layers.yml")
    #expect(try run("bakllama", "layers.yml", "out", "--quiet") == Tool.Outcome(0))
    #expect(try tool.run("layers.yml", "same", "--quiet") == Tool.Outcome(0))
    #expect(weights("out") != nil && weights("out") == weights("same"))
    try tool.write(
      """
      local mk = require "mergekit"
      local out, base, math_, code = mk.model "out", mk.model "models/base", mk.model "models/math", mk.model "models/code"
      local function same(name, expected) assert((out:tensor(name) - expected):abs():max():item() == 0, name) end
      same("model.embed_tokens.weight", code:tensor "model.embed_tokens.weight")
      same("lm_head.weight", math_:tensor "lm_head.weight")
      same("model.layers.2.mlp.down_proj.weight", base:tensor "model.layers.2.mlp.down_proj.weight")
      same("model.layers.3.mlp.down_proj.weight", 0.5 * math_:tensor "model.layers.1.mlp.down_proj.weight")
      same("model.layers.3.mlp.up_proj.weight", math_:tensor "model.layers.1.mlp.up_proj.weight")
      """, to: "check.lua")
    #expect(try tool.run("exec", "check.lua") == Tool.Outcome(0))
    #expect(
      try run("bakllama", "layers.yml", "half", "--fp16", "--no-clone-tensors", "--quiet") == Tool.Outcome(0))
    #expect(try tool.run("inspect", "half").output.contains("F16"))
  }

  @Test func faultsOfLayers() throws {
    try tool.write(layers.replacingOccurrences(of: "end: 4", with: "end: 9"), to: "layers.yml")
    #expect(
      try run("bakllama", "layers.yml", "out").errors.hasPrefix(
        "error: layers.yml:3:5: slices[3].sources[1].layer_range:"))
    try tool.write(ConfigRunTests.linear, to: "config.yml")
    #expect(
      try run("bakllama", "config.yml", "out").errors
        == "error: config.yml: layer_slices is missing; mergekit-lua runs configs of merges\n")
    #expect(try run("bakllama", "layers.yml", "out", "--fp16", "--dtype", "float32").status == 2)
    #expect(!tool.tree().contains("out"))
  }
}
