import Basics
import Checkpoints
import Foundation
import SystemPackage
import Testing

/// Mixtures of experts from the command line, and the binary under the name mergekit-moe.
@Suite struct MergekitMoeTests {
  let tool: Tool

  static let random = """
    base_model: models/base
    gate_mode: random
    experts:
      - source_model: models/math
      - source_model: models/code

    """

  init() throws {
    tool = try Tool()
    try FileManager.default.createDirectory(atPath: tool.path("bin"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(
      atPath: tool.path("bin/mergekit-moe"), withDestinationPath: Tool.binary)
    try tool.write(Self.random, to: "config.yml")
  }

  private func mergekitMoe(_ arguments: String...) throws -> Tool.Outcome {
    try tool.run(arguments, executable: tool.path("bin/mergekit-moe"))
  }

  private func weights(_ folder: String) -> Data? {
    FileManager.default.contents(atPath: tool.path("\(folder)/model.safetensors"))
  }

  private func config(_ folder: String) throws -> JSON {
    try JSON(parsing: tool.text("\(folder)/config.json") ?? "")
  }

  // MARK: Under its name

  @Test func theBinaryStandsInForMergekitMoe() throws {
    #expect(try mergekitMoe("config.yml", "out", "--quiet") == Tool.Outcome(0))
    #expect(try tool.run("config.yml", "same", "--quiet") == Tool.Outcome(0))
    #expect(weights("out") != nil && weights("out") == weights("same"))
    #expect(try config("out")["model_type"]?.stringValue == "mixtral")
    #expect(
      tool.tree().filter { $0.hasPrefix("out/") } == [
        "out/README.md", "out/config.json", "out/generation_config.json", "out/mergekit_moe_config.yml",
        "out/model.safetensors",
      ])
    #expect(tool.text("out/mergekit_moe_config.yml") == Self.random)
    #expect(tool.text("out/README.md")?.contains("Mixture of Experts (Mixtral)") == true)
    // An output that exists is written into, as mergekit does.
    #expect(try mergekitMoe("config.yml", "out", "--quiet", "--random-seed", "7") == Tool.Outcome(0))
    #expect(weights("out") != weights("same"))
  }

  @Test func theRecipeWritesTheSame() throws {
    #expect(try tool.run("translate", "config.yml", "-o", "recipe.lua") == Tool.Outcome(0))
    #expect(try tool.run("config.yml", "a", "--quiet") == Tool.Outcome(0))
    #expect(try tool.run("recipe.lua", "b", "--quiet") == Tool.Outcome(0))
    #expect(weights("a") != nil && weights("a") == weights("b"))
    #expect(tool.text("a/config.json") == tool.text("b/config.json"))
  }

  @Test func optionsOfItsOwn() throws {
    let outcome = try mergekitMoe(
      "config.yml", "out", "--load-in-4bit", "--load-in-8bit", "--device", "cuda", "--trust-remote-code",
      "--i-understand-this-is-not-useful-without-training", "--copy-tokenizer")
    #expect(outcome.status == 0)
    #expect(
      outcome.errors.hasPrefix(
        """
        --load-in-4bit is ignored: hidden states are computed in float32, with one layer in memory
        --load-in-8bit is ignored: hidden states are computed in float32, with one layer in memory
        --device, --trust-remote-code have no meaning here and are ignored

        """))
  }

  @Test func usageErrors() throws {
    try tool.write("return 1", to: "recipe.lua")
    for (arguments, expected) in [
      ([], "Missing expected argument '<config-file>'"),
      (["config.yml"], "Missing expected argument '<out-path>'"),
      (["recipe.lua", "out"], "recipe.lua is a recipe: mergekit-lua runs it"),
      (
        ["config.yml", "out", "--load-in-4bits"],
        "Unknown option '--load-in-4bits'. Did you mean '--load-in-4bit'?"
      ),
    ] {
      let outcome = try tool.run(arguments, executable: tool.path("bin/mergekit-moe"))
      #expect(outcome.status == 2)
      #expect(outcome.errors.hasPrefix("error: \(expected)\n"), "\(outcome.errors)")
      #expect(outcome.errors.contains("mergekit-moe CONFIG_FILE OUT_PATH [options]"))
    }
    try tool.write(ConfigRunTests.linear, to: "merge.yml")
    #expect(
      try mergekitMoe("merge.yml", "out")
        == Tool.Outcome(
          1, errors: "error: merge.yml: experts is missing; mergekit-lua runs configs of merges\n"))
    let flag = "--i-understand-this-is-not-useful-without-training"
    #expect(
      try tool.run("recipe.lua", "out", flag).errors.hasPrefix(
        "error: \(flag) is for configs; recipe.lua is a recipe, where mk.moe takes allow_all_same = true\n"))
  }

  // MARK: Errors and warnings at their places

  private func failure(_ text: String, _ arguments: String...) throws -> String {
    try tool.write(text, to: "config.yml")
    let outcome = try tool.run(["config.yml", "out", "--quiet"] + arguments)
    #expect(outcome.status == 1 && outcome.output == "")
    #expect(!tool.tree().contains("out"))
    return outcome.errors.replacing("error: ", with: "").trimmingCharacters(in: .newlines)
  }

  @Test func errorsNameTheConfigsPlace() throws {
    let start = "base_model: models/base\nexperts:\n"
    #expect(
      try failure(start + "  - source_model: models/math\n  - source_model: models/code\n")
        == "config.yml:3:5: experts[1]: expected positive_prompts, of which gates 'hidden' are made")
    #expect(
      try failure(start + "  - source_model: models/math\nexperts_per_token: 3\n")
        == "config.yml:4:20: experts_per_token: 3 experts are to run for each token, and there is 1")
    #expect(
      try failure(Self.random + "architecture: qwen3\n")
        == "config.yml:6:15: architecture: none takes these models: Qwen3 MoE is made of qwen3 models, and the base is of type llama"
    )
    #expect(
      try failure(Self.random + "architecture: moxtral\n")
        == "config.yml:6:15: architecture: there is no 'moxtral' (did you mean 'Mixtral'?)")
    #expect(
      try failure(Self.random + "architecture: ./none.lua\n")
        == "config.yml:6:15: architecture: there is no file './none.lua' below the folder of the recipe or config"
    )
    let same =
      start + """
          - source_model: models/math
            positive_prompts: [a]
          - source_model: models/math
            positive_prompts: [b]
        gate_mode: cheap_embed

        """
    #expect(
      try failure(same).hasPrefix(
        "config.yml:3:3: experts: all are model 'models/math', so the result computes what that one does"))
    // With the option, what is missing next is the tokenizer.
    #expect(
      try failure(same, "--i-understand-this-is-not-useful-without-training").contains("tokenizer"))
  }

  /// What is found only when the gates are made is the base's, too.
  @Test func errorsOfTheBaseNameItsPlace() throws {
    let fixtures = Tool.repository.appendingPathComponent("Tests/Fixtures/moe/models").path
    func copy(_ name: String, _ file: String, replacing old: String, with new: String) throws {
      try FileManager.default.copyItem(atPath: "\(fixtures)/llama-base", toPath: tool.path(name))
      let text = try #require(tool.text("\(name)/\(file)"))
      #expect(text.contains(old))
      try tool.write(text.replacing(old, with: new), to: "\(name)/\(file)")
    }
    func config(_ base: String) -> String {
      """
      base_model: \(base)
      experts:
        - { source_model: \(fixtures)/llama-a, positive_prompts: [a] }
        - { source_model: \(fixtures)/llama-b, positive_prompts: [b] }

      """
    }
    let gate = "tensor 'model.layers.0.block_sparse_moe.gate.weight'"

    try copy("activation", "config.json", replacing: "\"silu\"", with: "\"tanh\"")
    #expect(
      try failure(config("activation")).hasPrefix(
        "config.yml:1:13: \(gate): base_model: hidden_states: model 'activation' cannot be run: 'hidden_act'")
    )

    try FileManager.default.copyItem(atPath: "\(fixtures)/llama-base", toPath: tool.path("silent"))
    for file in ["tokenizer.json", "tokenizer_config.json"] {
      try FileManager.default.removeItem(atPath: tool.path("silent/\(file)"))
    }
    #expect(
      try failure(config("silent")).hasPrefix(
        "config.yml:1:13: base_model: gates 'hidden' need its tokenizer: silent: has no tokenizer"))

    try copy("large", "tokenizer.json", replacing: "\"a\": 4", with: "\"a\": 5000")
    #expect(
      try failure(config("large") + "gate_mode: cheap_embed\n")
        == "config.yml:1:13: \(gate): base_model: token 2 of the prompt 'a' is 5000, expected 0 to 38, the rows of 'model.embed_tokens.weight' of model 'large'"
    )
  }

  @Test func warningsNameTheConfigsPlace() throws {
    try tool.write(Self.random + "  - source_model: models/base\n", to: "config.yml")
    #expect(
      try tool.run("config.yml", "out", "--quiet")
        == Tool.Outcome(
          0,
          errors:
            "warning: config.yml:4:3: experts: 3 is no power of two, which old versions of llama.cpp do not run on a GPU\n"
        ))
  }

  // MARK: The example

  @Test func theExampleRuns() throws {
    let file = Tool.repository.appendingPathComponent("stdlib/examples/moe.lua").path
    #expect(try tool.run(file, "out", "--quiet") == Tool.Outcome(0))
    let out = try Checkpoint(path: FilePath(tool.path("out")))
    #expect(out.names.count == 3 + 4 * (6 + 1 + 2 * 3))
    #expect(out.tensor(named: "model.layers.3.block_sparse_moe.gate.weight")?.shape == [2, 16])
    #expect(Set(out.tensors.map(\.dtype)) == [.bf16])
    let config = try config("out")
    #expect(config["num_local_experts"]?.intValue == 2 && config["num_experts_per_tok"]?.intValue == 1)
  }
}
