import Foundation
import Testing

/// The options of mergekit-yaml, and the binary under its name.
@Suite struct MergekitYamlTests {
  let tool: Tool

  init() throws {
    tool = try Tool()
    try FileManager.default.createDirectory(atPath: tool.path("bin"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(
      atPath: tool.path("bin/mergekit-yaml"), withDestinationPath: Tool.binary)
    try tool.write(ConfigRunTests.linear, to: "config.yml")
  }

  private func mergekitYaml(_ arguments: String...) throws -> Tool.Outcome {
    try tool.run(arguments, executable: tool.path("bin/mergekit-yaml"))
  }

  private func weights(_ folder: String) -> Data? {
    FileManager.default.contents(atPath: tool.path("\(folder)/model.safetensors"))
  }

  // MARK: Under its name

  @Test func theBinaryStandsInForMergekitYaml() throws {
    #expect(try mergekitYaml("config.yml", "out", "--quiet") == Tool.Outcome(0))
    #expect(try tool.run("config.yml", "same", "--quiet") == Tool.Outcome(0))
    #expect(weights("out") != nil && weights("out") == weights("same"))
    #expect(tool.text("out/mergekit_config.yml") == ConfigRunTests.linear)
    // Its files may have any name, and there are no commands.
    try tool.write(ConfigRunTests.linear, to: "inspect")
    #expect(try mergekitYaml("inspect", "methods", "--quiet") == Tool.Outcome(0))
    #expect(weights("methods") == weights("out"))
  }

  @Test func anOutputThatExistsIsWrittenInto() throws {
    try tool.write("mine", to: "out/notes.txt")
    try tool.write("old", to: "out/config.json")
    try tool.write("old", to: "out/model-00001-of-00002.safetensors")
    #expect(try mergekitYaml("config.yml", "out", "--quiet") == Tool.Outcome(0))
    #expect(
      tool.tree().filter { $0.hasPrefix("out/") } == [
        "out/README.md", "out/config.json", "out/generation_config.json", "out/mergekit_config.yml",
        "out/model.safetensors", "out/notes.txt",
      ])
    #expect(tool.text("out/notes.txt") == "mine" && tool.text("out/config.json") != "old")
    // And again, from the config that was kept there.
    #expect(try mergekitYaml("out/mergekit_config.yml", "out", "--quiet") == Tool.Outcome(0))
    #expect(
      try mergekitYaml("config.yml", "models/base", "--quiet")
        == Tool.Outcome(
          1, errors: "error: cannot write models/base: it is an input of this merge; choose another output\n")
    )
  }

  @Test func usageErrors() throws {
    try tool.write("return 1", to: "recipe.lua")
    for (arguments, expected) in [
      ([], "Missing expected argument '<config-file>'"),
      (["config.yml"], "Missing expected argument '<out-path>'"),
      (["recipe.lua", "out"], "recipe.lua is a recipe: mergekit-lua runs it"),
      (["config.yml", "out", "--cudo"], "Unknown option '--cudo'. Did you mean '--cuda'?"),
    ] {
      let outcome = try tool.run(arguments, executable: tool.path("bin/mergekit-yaml"))
      #expect(outcome.status == 2 && outcome.output == "")
      #expect(outcome.errors.hasPrefix("error: \(expected)\n"))
      #expect(outcome.errors.contains("mergekit-yaml CONFIG_FILE OUT_PATH [options]"))
    }
    #expect(
      try mergekitYaml("nope.yml", "out")
        == Tool.Outcome(1, errors: "error: cannot read nope.yml: No such file or directory\n"))
  }

  // MARK: Its options

  /// Every option of mergekit-yaml 0.1.5 that works the same with any other.
  private static let all = [
    "--no-allow-crimes", "--no-unsafe-truncate-embeddings", "--transformers-cache", "a", "--lora-merge-cache",
    "b", "--lora-merge-dtype", "float16", "--cuda", "--device", "cuda", "--low-cpu-memory",
    "--out-shard-size",
    "5B", "--copy-tokenizer", "--clone-tensors", "--trust-remote-code", "--random-seed", "7",
    "--lazy-unpickle", "--write-model-card", "--safe-serialization", "-vv", "--no-quiet", "--read-to-gpu",
    "--multi-gpu", "--num-threads", "2", "--gpu-rich", "--async-write", "--write-threads", "3",
  ]

  @Test func everyOptionIsAccepted() throws {
    let notice =
      "--transformers-cache, --lora-merge-cache, --lora-merge-dtype, --cuda, --device, --low-cpu-memory, --clone-tensors, --trust-remote-code, --lazy-unpickle, --read-to-gpu, --multi-gpu, --gpu-rich, --async-write, --write-threads have no meaning here and are ignored\n"
    for (executable, out) in [(Tool.binary, "a"), (tool.path("bin/mergekit-yaml"), "b")] {
      let outcome = try tool.run(["config.yml", out] + Self.all, executable: executable)
      #expect(outcome.status == 0)
      #expect(outcome.errors.contains(notice))
      #expect(outcome.errors.contains("\n2 threads, seed 7\n"))
    }
    let negated = Self.all.filter { $0.hasPrefix("--") && $0 != "--gpu-rich" }
      .filter { option in
        !["cache", "dtype", "device", "size", "seed", "threads", "no-"].contains { option.contains($0) }
      }
      .map { "--no-" + $0.dropFirst(2) }
    #expect(negated.count == 11)
    let outcome = try tool.run(
      ["config.yml", "c", "--quiet", "-j2"] + negated.filter { $0 != "--no-safe-serialization" })
    #expect(outcome == Tool.Outcome(0))
    #expect(tool.tree().contains("c/model.safetensors") && !tool.tree().contains("c/README.md"))
  }

  @Test(arguments: [
    (["--lazy-unpickle"], "--lazy-unpickle has no meaning here and is ignored\n"),
    (["--lazy-unpickle", "--cuda"], "--cuda, --lazy-unpickle have no meaning here and are ignored\n"),
    (["--cuda", "--no-cuda", "--device", "cpu", "--no-quiet"], ""),
    (["--device", "auto"], ""),
  ])
  func optionsWithoutAMeaning(options: [String], notice: String) throws {
    let plan = try tool.run(["config.yml", "--dry-run"])
    #expect(
      try tool.run(["config.yml", "--dry-run"] + options) == Tool.Outcome(0, plan.output, errors: notice))
    #expect(try tool.run(["config.yml", "--dry-run", "--quiet"] + options).errors == "")
  }

  @Test(arguments: [
    (
      ["--no-safe-serialization"],
      "--no-safe-serialization: pickled output is not written, only safetensors"
    ),
    (["--seed", "1", "--random-seed", "2"], "--seed 1 and --random-seed 2 contradict each other"),
    (["-j", "1", "--num-threads", "2"], "--threads 1 and --num-threads 2 contradict each other"),
    (["--num-threads", "0"], "--num-threads: expected 1 to 1024, got 0"),
    (["--num-threads", "many"], "The value 'many' is invalid for '--num-threads"),
  ])
  func optionsThatCannotBe(options: [String], expected: String) throws {
    for executable in [Tool.binary, tool.path("bin/mergekit-yaml")] {
      let outcome = try tool.run(["config.yml", "out"] + options, executable: executable)
      #expect(outcome.status == 2)
      #expect(outcome.errors.hasPrefix("error: \(expected)"))
    }
    #expect(!tool.tree().contains("out"))
  }

  @Test func theSameSeedUnderBothNames() throws {
    try tool.write(
      "local mk = require 'mergekit'; return mk.model 'models/base':map(function(t) return t + mk.randn(t.shape) end)",
      to: "recipe.lua")
    for (out, options) in [
      ("a", ["--seed", "7"]), ("b", ["--random-seed", "7", "--seed", "7"]), ("c", ["--random-seed=7"]),
    ] {
      #expect(try tool.run(["recipe.lua", out, "--quiet"] + options) == Tool.Outcome(0))
    }
    #expect(weights("a") == weights("b") && weights("b") == weights("c"))
  }

  @Test(arguments: ["10KB", "10K", "10000"]) func shardSizes(size: String) throws {
    #expect(
      try tool.run("config.yml", "out", "--out-shard-size", size, "--dtype", "float32", "--quiet")
        == Tool.Outcome(0))
    #expect(tool.tree().contains("out/model-00005-of-00005.safetensors"))
  }
}
