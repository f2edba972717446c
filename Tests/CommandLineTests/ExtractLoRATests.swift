import Foundation
import TestSupport
import Testing

/// `mergekit-lua extract-lora`, and mergekit-extract-lora.
@Suite struct ExtractLoRATests {
  let tool: Tool

  init() throws {
    tool = try Tool()
    try FileManager.default.createSymbolicLink(
      atPath: tool.path("adapters"),
      withDestinationPath: Tool.repository.appendingPathComponent("Tests/Fixtures/adapters").path)
    try FileManager.default.createSymbolicLink(
      atPath: tool.path("mergekit-extract-lora"), withDestinationPath: Tool.binary)
    try tool.run("convert", "adapters/bases/llama+adapters/plain", "tuned", "--quiet")
  }

  private let models = ["--model", "tuned", "--base-model", "adapters/bases/llama"]

  private func dropIn(_ arguments: String...) throws -> Tool.Outcome {
    try tool.run(models + arguments, executable: tool.path("mergekit-extract-lora"))
  }

  /// What an adapter and the base make, beside what the model is.
  private func distances(_ adapter: String) throws -> [Double] {
    try tool.write(
      """
      local mk = require 'mergekit'
      local tuned, back = mk.model 'tuned', mk.model 'adapters/bases/llama+\(adapter)'
      for name, tensor in tuned:tensors() do print((tensor - back:tensor(name)):norm():item()) end
      """, to: "distance.lua")
    let outcome = try tool.run("exec", "distance.lua")
    #expect(outcome.status == 0)
    return outcome.output.split(separator: "\n").compactMap { Double($0) }
  }

  @Test func theCommand() throws {
    let outcome = try tool.run(["extract-lora"] + models + ["--max-rank", "4", "out"])
    #expect(outcome.status == 0)
    #expect(
      outcome.output == """
        lost, in % of the change  down_proj  q_proj  v_proj  all
        model.layers.0                    0       0       0    0
        model.layers.1                    0       0       0    0
        all                               0       0       0    0

        6 modules, rank 4

        """)
    #expect(outcome.errors.contains("wrote out: 12 tensors in "))
    #expect(
      tool.tree().filter { $0.hasPrefix("out/") } == [
        "out/README.md", "out/adapter_config.json", "out/adapter_model.safetensors", "out/recipe.lua",
      ])
    #expect(
      tool.text("out/recipe.lua") == """
        local mk = require "mergekit"

        return mk.adapter {
          from = mk.model("tuned"),
          base = mk.model("adapters/bases/llama"),
          rank = 4,
        }

        """)
    let card = try #require(tool.text("out/README.md"))
    #expect(card.hasPrefix("---\nlibrary_name: peft\ntags:\n- lora\n- mergekit-lua\n---\n# out\n"))
    #expect(card.contains("This is an adapter (LoRA) made with mergekit-lua, for the model llama."))
    #expect(try distances("out").allSatisfy { $0 < 1e-5 })
    // The recipe makes the same again.
    try tool.run("out/recipe.lua", "again")
    #expect(tool.bytes("again/adapter_model.safetensors") == tool.bytes("out/adapter_model.safetensors"))
  }

  @Test func aLowerRank() throws {
    let outcome = try tool.run(["extract-lora"] + models + ["--max-rank", "2", "out"])
    let last = outcome.output.split(separator: "\n").first { $0.hasPrefix("all") }
    let shares = last?.split(separator: " ").dropFirst().compactMap { Double($0) } ?? []
    #expect(shares.count == 4 && shares.allSatisfy { $0 > 1 && $0 < 60 })
  }

  @Test func options() throws {
    let quiet = ["--quiet", "--dtype", "float16"]
    #expect(
      try tool.run(
        ["extract-lora"] + models + [
          "--max-rank", "4", "out", "-i", "q_proj", "-i", "v_proj", "-e", "layers.1", "--no-distribute-scale",
          "--embed-lora", "--skip-undecomposable", "--sv-epsilon", "0.001", "--save-module", "down_proj",
        ] + quiet
      ).errors == "warning: adapter: saved at full rank (modules_to_save): 'down_proj'\n")
    #expect(
      tool.text("out/recipe.lua")?.contains(
        """
          distribute_scale = false,
          embeddings = true,
          save_modules = { "down_proj" },
          exclude = { "layers.1" },
          include = { "q_proj", "v_proj" },
          epsilon = 0.001,
          skip_undecomposable = true,
        """) == true)
    #expect(try tool.run("inspect", "out/adapter_model.safetensors").output.contains("F16"))
  }

  @Test func theDropIn() throws {
    #expect(try dropIn("--out-path", "out", "--max-rank", "4", "--quiet", "--cuda") == Tool.Outcome(0))
    // An output that exists is written into.
    try tool.write("mine", to: "out/notes.txt")
    #expect(try dropIn("--out-path", "out", "--max-rank", "3", "--quiet") == Tool.Outcome(0))
    #expect(tool.text("out/notes.txt") == "mine")
    #expect(tool.text("out/adapter_config.json")?.contains("\"r\": 3") == true)
    #expect(
      try dropIn("--out-path", "out").errors.contains("wrote out: 12 tensors"))
  }

  /// The weights of a model would have to go.
  @Test func itIsNotWrittenIntoAModel() throws {
    try FileManager.default.copyItem(atPath: tool.path("models/base"), toPath: tool.path("other"))
    let outcome = try dropIn("--out-path", "other", "--quiet")
    #expect(
      outcome
        == Tool.Outcome(
          1,
          errors: "error: other holds a model, and an adapter is not written into it; choose another output\n"
        ))
    #expect(tool.tree().contains("other/config.json") && !tool.tree().contains("other/adapter_config.json"))
    #expect(try tool.run(["extract-lora"] + models + ["other", "--quiet"]).status == 1)
  }

  @Test func itIsNoFile() throws {
    let outcome = try dropIn("--out-path", "out.safetensors", "--quiet")
    #expect(
      outcome
        == Tool.Outcome(
          1,
          errors:
            "error: out.safetensors would be a file, and an adapter is a directory with its adapter_config.json\n"
        ))
    #expect(!tool.tree().contains("out.safetensors"))
  }

  @Test func plans() throws {
    let outcome = try dropIn("--dry-run", "--max-rank", "4")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"))
    #expect(tool.tree().allSatisfy { !$0.hasPrefix("out") })
  }

  @Test func badUsage() throws {
    #expect(try dropIn("--quiet").status == 2)
    #expect(try dropIn("--out-path", "out", "--max-rank", "0").status == 2)
    #expect(try dropIn("--out-path", "out", "--sv-epsilon", "-1").status == 2)
    #expect(try tool.run("extract-lora", "--model", "tuned", "out").status == 2)
    let same = try tool.run("extract-lora", "--model", "tuned", "--base-model", "tuned", "out", "--quiet")
    #expect(
      same
        == Tool.Outcome(
          1,
          errors:
            "error: extract-lora:3: adapter: models 'tuned' and 'tuned' are the same: there is nothing to extract\n"
        ))
    #expect(!tool.tree().contains("out"))
  }
}
