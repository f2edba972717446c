import Foundation
import Testing

/// Configs of mergekit from the command line, and what they leave.
@Suite struct ConfigRunTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  private func weights(_ folder: String) -> Data? {
    FileManager.default.contents(atPath: tool.path("\(folder)/model.safetensors"))
  }

  /// Runs a config, in a file `config.yml`.
  private func config(_ text: String, _ arguments: String...) throws -> Tool.Outcome {
    try tool.write(text, to: "config.yml")
    return try tool.run(["config.yml"] + (arguments.isEmpty ? ["out", "--quiet"] : arguments))
  }

  // MARK: Outputs

  static let linear = """
    merge_method: linear
    models:
      - model: models/base
        parameters:
          weight: 1.0
      - model: models/math
        parameters:
          weight: [0, 0.5, 1]
    dtype: bfloat16

    """

  static let taskArithmetic = """
    merge_method: task_arithmetic
    base_model: models/base
    models:
      - model: models/math
        parameters:
          weight:
            - filter: self_attn
              value: 0.2
            - value: 0.6
      - model: models/code
        parameters: {weight: 3e-1}
    parameters:
      normalize: no
      lambda: 0.9

    """

  static let slices = """
    slices:
      - sources:
          - model: models/base
            layer_range: [0, 3]
      - sources:
          - model: models/math
            layer_range: [1, 4]
    merge_method: passthrough
    dtype: float32

    """

  @Test func aConfigBecomesADirectory() throws {
    try tool.write(Self.linear, to: "config.yml")
    let outcome = try tool.run("config.yml", "out")
    #expect(outcome.status == 0 && outcome.output == "")
    #expect(outcome.errors.hasSuffix(" s\n") && outcome.errors.contains("wrote out: 39 tensors in "))
    #expect(
      tool.tree() == [
        "config.yml", "out", "out/README.md", "out/config.json", "out/generation_config.json",
        "out/mergekit_config.yml", "out/model.safetensors",
      ])
    #expect(tool.text("out/mergekit_config.yml") == Self.linear)
    let card = try #require(tool.text("out/README.md"))
    #expect(card.contains("```yaml\n" + Self.linear + "```"))
    #expect(card.contains("[Linear](<https://arxiv.org/abs/2203.05482>)"))
  }

  @Test(arguments: [linear, taskArithmetic, slices]) func theRecipeGivesTheSameBytes(text: String) throws {
    #expect(try config(text) == Tool.Outcome(0))
    let translated = try tool.run("translate", "config.yml")
    #expect(translated.status == 0 && translated.errors == "")
    try tool.write(translated.output, to: "recipe.lua")
    #expect(try tool.run("recipe.lua", "again", "--quiet") == Tool.Outcome(0))
    #expect(weights("out") != nil && weights("out") == weights("again"))
    #expect(tool.text("out/config.json") == tool.text("again/config.json"))
  }

  @Test func modelsAreRelativeToTheWorkingDirectoryAndMethodsToTheConfig() throws {
    let method = """
      return require("mergekit").method {
        name = "mine", parameters = { scale = 1.0 }, per_input = { weight = 0.5 },
        merge = function(t)
          local total = 0
          for _, input in ipairs(t.inputs) do total = total + input.weight * input.tensor end
          return t.scale * total
        end,
      }

      """
    try tool.write(method, to: "configs/lib/mine.lua")
    try tool.write(
      """
      merge_method: ./lib/mine.lua
      models:
        - model: models/base
        - model: models/math
          parameters: {weight: 0.25}
      parameters: {scale: 2}

      """, to: "configs/config.yml")
    #expect(try tool.run("configs/config.yml", "out", "--quiet") == Tool.Outcome(0))
    #expect(tool.text("out/lib/mine.lua") == method)
    try tool.write(
      """
      local mk = require "mergekit"
      local base, math_ = mk.model "models/base", mk.model "models/math"
      return base:map(function(t, info) return 2 * (0.5 * t + 0.25 * math_:tensor(info.name)) end)
      """, to: "same.lua")
    #expect(try tool.run("same.lua", "same", "--quiet") == Tool.Outcome(0))
    #expect(weights("out") == weights("same"))
  }

  @Test(arguments: ["config.YAML", "config"]) func theFileOrItsTextSaysThatItIsAConfig(name: String) throws {
    try tool.write("# A comment.\n---\n\n" + Self.linear, to: name)
    #expect(try tool.run(name, "out", "--quiet") == Tool.Outcome(0))
    #expect(tool.tree().contains("out/mergekit_config.yml"))
    try tool.write(
      "--- A comment.\nlocal mk = require 'mergekit'\nreturn mk.model 'models/base'", to: "recipe")
    #expect(try tool.run("recipe", "other", "--quiet") == Tool.Outcome(0))
    #expect(tool.tree().contains("other/recipe.lua"))
  }

  @Test func theOptionsOfAnOutput() throws {
    try tool.write("{}", to: "models/base/tokenizer.json")
    #expect(try config(Self.linear) == Tool.Outcome(0))
    #expect(tool.text("out/tokenizer.json") == "{}")
    #expect(
      try config(
        Self.linear, "bare", "--quiet", "--no-copy-tokenizer", "--no-write-model-card", "--dtype", "float32")
        == Tool.Outcome(0))
    #expect(
      tool.tree().filter { $0.hasPrefix("bare/") } == [
        "bare/config.json", "bare/generation_config.json", "bare/model.safetensors",
      ])
    #expect(tool.text("bare/config.json")?.contains(#""torch_dtype": "float32""#) == true)
    let plan = try config(Self.linear, "--dry-run", "--quiet")
    #expect(plan.status == 0 && plan.output.contains("\nwrites 39 tensors, "))
  }

  @Test func aMegaMergeIsSaidToBeOne() throws {
    let text = """
      name: first
      merge_method: linear
      models:
        - {model: models/base, parameters: {weight: 1}}
        - {model: models/code, parameters: {weight: 1}}
      ---
      merge_method: slerp
      base_model: first
      models:
        - model: models/math
      parameters: {t: 0.25}

      """
    try tool.write(text, to: "config.yml")
    let outcome = try tool.run("config.yml", "out")
    #expect(outcome.status == 0)
    #expect(
      outcome.errors.hasPrefix("config.yml is a mega merge: all of its documents make one model\n"))
    #expect(try tool.run("config.yml", "quiet", "--quiet") == Tool.Outcome(0))
    let recipe = try tool.run("translate", "config.yml").output
    try tool.write(recipe, to: "recipe.lua")
    #expect(try tool.run("recipe.lua", "again", "--quiet") == Tool.Outcome(0))
    #expect(weights("out") != nil && weights("out") == weights("again"))
  }

  @Test func aSingleDocumentWithANameIsAMegaMergeOfOne() throws {
    let outcome = try config("name: mine\n" + Self.linear, "out")
    #expect(outcome.status == 0)
    #expect(outcome.errors.hasPrefix("config.yml is a mega merge: its document makes one model\n"))
    #expect(tool.text("out/mergekit_config.yml")?.hasPrefix("name: mine\n") == true)
  }

  // MARK: Warnings and errors

  /// Runs a config that must fail and leave nothing, and gives its one line of error without `error: `.
  private func failure(_ text: String, _ arguments: String...) throws -> String {
    try tool.write(text, to: "config.yml")
    let before = tool.tree()
    let outcome = try tool.run(["config.yml", "new/out", "--quiet"] + arguments)
    #expect(outcome.status == 1)
    #expect(outcome.output == "")
    #expect(tool.tree() == before)
    guard outcome.errors.hasPrefix("error: "), outcome.errors.hasSuffix("\n") else { return outcome.errors }
    return String(outcome.errors.dropFirst(7).dropLast())
  }

  static let misspelt = """
    merge_method: linear
    models:
      - model: models/base
        parameters:
          weight: 1
          wieght: 2
    dytpe: float16

    """

  @Test func whatIsLeftOutIsWarnedOf() throws {
    let parameter = "config.yml:6:7: models[1].parameters.wieght: unknown parameter of method 'linear'"
    let key = "config.yml:7:1: dytpe: unknown key"
    let warnings = """
      warning: \(parameter), left out (did you mean 'weight'?)
      warning: \(key), left out (did you mean 'dtype'?)

      """
    let outcome = try config(Self.misspelt)
    #expect(outcome.status == 0)
    #expect(Set(outcome.errors.split(separator: "\n")) == Set(warnings.split(separator: "\n")))
    let translated = try tool.run("translate", "config.yml")
    #expect(translated.status == 0 && translated.output.contains("return mk.merge {"))
    #expect(translated.errors == outcome.errors)
    let strict = try failure(Self.misspelt, "--strict")
    #expect(
      ["\(parameter) (did you mean 'weight'?)", "\(key) (did you mean 'dtype'?)"].contains(strict))
    #expect(
      try tool.run("translate", "config.yml", "--strict") == Tool.Outcome(1, errors: "error: \(strict)\n"))
  }

  @Test func errorsOfTheRecipeNameTheConfigsPlace() throws {
    // At a line of the recipe.
    #expect(
      try failure("merge_method: linear\nmodels:\n  - model: models/base\n  - model: models/bse\n")
        == #"config.yml:4:12: models/bse: no such file or directory; expected a directory with model.safetensors, or a .safetensors or .safetensors.index.json file (did you mean 'models/base'?)"#
    )
    for (reference, words) in [
      (
        "org/name@main",
        "org/name@main: no such directory, and models are not downloaded from a hub, whose names look like "
          + "org/name: "
      ),
      ("models/base+lora", "lora: no such file or directory; expected an adapter, "),
    ] {
      #expect(
        try failure("merge_method: linear\nmodels:\n  - model: \(reference)\n")
          .hasPrefix("config.yml:3:12: \(words)"))
    }
    // At a value of mk.merge.
    #expect(
      try failure(
        """
        merge_method: passthrough
        slices:
          - sources:
              - model: models/base
                layer_range: [0, 9]
        """)
        == "config.yml:5:22: slices[1].sources[1].layer_range: [0, 9] is not within the 4 layers of model 'models/base'"
    )
    // In a rule, when the model is written.
    #expect(
      try failure(
        """
        merge_method: linear
        models:
          - model: models/base
            parameters:
              weight: {lua: "shape.nothing.at_all"}
        """
      )
        == "config.yml:3:5: tensor 'model.embed_tokens.weight': attempt to index a nil value (field 'nothing')"
    )
  }

  /// A rule that Lua does not understand is named by its own place, however it is laid out in the recipe.
  @Test(arguments: [
    ("\"0.2 + * depth\"", "unexpected symbol near '*'"),
    ("0.2 depth", "<eof> expected near 'depth'"),
    ("\"0.2 +\"", "unexpected symbol near <eof>"),
    ("0.6 * depht", "variable 'depht' is not defined (did you mean 'depth'?)"),
  ])
  func badRules(rule: String, words: String) throws {
    let text =
      "merge_method: linear\nmodels:\n  - model: models/base\n    parameters: {weight: {lua: \(rule)}}\n"
    let error = "config.yml:4:32: models[1].parameters.weight.lua: \(words)"
    #expect(try failure(text) == error)
    #expect(try tool.run("translate", "config.yml") == Tool.Outcome(1, errors: "error: \(error)\n"))
  }

  @Test func errorsOfTheRecipeHaveTheNamesOfConfigs() throws {
    let outcome = try config(
      """
      merge_method: linear
      base_model: models/base
      models:
        - model: models/math
          parameters: {weight: 1}

      """)
    #expect(
      outcome
        == Tool.Outcome(
          0,
          errors:
            "warning: config.yml:2:13: base_model: model 'models/base' is no input of 'linear', as it has no weight: it provides config.json and the tokenizer\n"
        ))
  }

  @Test func errorsOfAMegaMergeNameTheirOwnDocument() throws {
    #expect(
      try failure(
        """
        name: first
        merge_method: passthrough
        slices:
          - sources: [{model: models/base, layer_range: [2, 9]}]
        ---
        merge_method: passthrough
        slices:
          - sources: [{model: first, layer_range: [0, 2]}]
        """)
        == "config.yml:4:49: slices[1].sources[1].layer_range: [2, 9] is not within the 4 layers of model 'models/base'"
    )
  }

  @Test func warningsOfTheRecipeNameTheConfigsPlace() throws {
    let outcome = try config(
      """
      merge_method: linear
      models:
        - model: models/base
          parameters:
            weight:
              - filter: nothing_like_it
                value: 1
              - value: 0.5
      """)
    #expect(
      outcome
        == Tool.Outcome(
          0,
          errors:
            "warning: config.yml:6:9: models[1].weight: filter 'nothing_like_it' matches no tensor\n"))
  }

  @Test(arguments: [
    ("tokenizer_source: unoin", "3:19: tokenizer_source", "unoin", "union"),
    ("tokenizer: {source: bse}", "3:21: tokenizer.source", "bse", "base"),
  ])
  func tokenizerSourcesThatAreNearlyRules(line: String, place: String, found: String, nearest: String) throws
  {
    #expect(
      try failure("merge_method: passthrough\nmodels: [{model: models/base}]\n\(line)\n")
        == "config.yml:\(place): expected union, base or a model, found '\(found)', and there is no such path "
        + "(did you mean '\(nearest)'?)")
  }

  @Test func unknownMethods() throws {
    #expect(
      try failure("merge_method: slrep\nmodels:\n  - model: models/base\n")
        == "config.yml:1:15: merge_method: unknown merge method 'slrep' (did you mean 'slerp'?)")
    #expect(
      try failure("merge_method: ./nope.lua\nmodels:\n  - model: models/base\n")
        == "config.yml:1:15: merge_method: unknown merge method './nope.lua': module 'nope' not found; looked for 'nope.lua', 'nope/init.lua', 'nope.lua' in the standard library, 'nope/init.lua' in the standard library"
    )
    try tool.write("\nreturn require('mergekit').method { name = 1 }", to: "mine.lua")
    #expect(
      try failure("merge_method: ./mine.lua\nmodels:\n  - model: models/base\n")
        == "mine.lua:2: method: expected a name")
  }

  @Test func filesThatAreNoConfigs() throws {
    #expect(
      try tool.run("nope.yml", "out")
        == Tool.Outcome(1, errors: "error: cannot read nope.yml: No such file or directory\n"))
    try FileManager.default.createDirectory(
      atPath: tool.path("folder.yml"), withIntermediateDirectories: false)
    #expect(
      try tool.run("folder.yml", "out")
        == Tool.Outcome(1, errors: "error: folder.yml is a directory, not a config\n"))
    #expect(
      try failure("")
        == "config.yml:1:1: there is no config in the file; expected merge_method, and models, slices or modules"
    )
    try tool.write(Array("merge_method: linear\n# gr".utf8) + [0xF6, 0xDF, 0x65], to: "latin1.yml")
    #expect(
      try tool.run("latin1.yml", "out")
        == Tool.Outcome(1, errors: "error: latin1.yml:2:5: the text is not UTF-8 (byte 0xF6)\n"))
    for command in ["run", "translate"] {
      let arguments = [command, "latin1.yml"] + (command == "run" ? ["out"] : [])
      #expect(try tool.run(arguments).status == 1)
    }
    #expect(tool.tree() == ["config.yml", "folder.yml", "latin1.yml"])
  }

  @Test func optionsOfConfigsAreNoneOfRecipes() throws {
    try tool.write("return require('mergekit').model 'models/base'", to: "recipe.lua")
    for (option, field) in [
      ("--allow-crimes", "allow_crimes"), ("--unsafe-truncate-embeddings", "truncate_embeddings"),
    ] {
      let outcome = try tool.run("recipe.lua", "out", option)
      #expect(outcome.status == 2)
      #expect(
        outcome.errors.hasPrefix(
          "error: \(option) is for configs; recipe.lua is a recipe, where mk.merge takes \(field) = true\n"))
      #expect(try tool.run("recipe.lua", "out", option, "--no-" + option.dropFirst(2), "--quiet").status == 0)
      try FileManager.default.removeItem(atPath: tool.path("out"))
    }
    #expect(
      try config(Self.linear, "out", "--allow-crimes", "--unsafe-truncate-embeddings", "--quiet")
        == Tool.Outcome(0))
  }
}
