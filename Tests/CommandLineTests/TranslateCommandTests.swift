import Foundation
import Testing

/// `mergekit-lua translate`.
@Suite struct TranslateCommandTests {
  let tool: Tool

  init() throws {
    tool = try Tool()
    try tool.write(ConfigRunTests.taskArithmetic, to: "config.yml")
  }

  static let recipe = """
    -- From config.yml
    local mk = require "mergekit"

    local base = mk.model "models/base"
    local math_ = mk.model "models/math"
    local code = mk.model "models/code"

    return mk.merge {
      method = "task_arithmetic",
      base = base,
      models = {
        { math_, weight = { { filter = "self_attn", value = 0.2 }, { value = 0.6 } } },
        { code, weight = 3e-1 },
      },
      parameters = { normalize = false, lambda = 0.9 },
    }

    """

  @Test func printsTheRecipe() throws {
    #expect(try tool.run("translate", "config.yml") == Tool.Outcome(0, Self.recipe))
  }

  @Test func writesTheRecipe() throws {
    #expect(try tool.run("translate", "config.yml", "-o", "recipe.lua") == Tool.Outcome(0))
    #expect(tool.text("recipe.lua") == Self.recipe)
    // An older one, or an empty file, is replaced as a whole.
    try tool.write("", to: "recipe.lua")
    #expect(try tool.run("translate", "config.yml", "-o", "recipe.lua") == Tool.Outcome(0))
    #expect(tool.text("recipe.lua") == Self.recipe)
    try tool.write(Self.recipe + "-- more\n", to: "recipe.lua")
    #expect(try tool.run("translate", "config.yml", "--output=recipe.lua") == Tool.Outcome(0))
    #expect(tool.text("recipe.lua") == Self.recipe)
  }

  @Test func theOptionsOfConfigsAreFieldsOfTheRecipe() throws {
    let outcome = try tool.run(
      "translate", "config.yml", "--allow-crimes", "--unsafe-truncate-embeddings")
    #expect(outcome.output.contains("\n  truncate_embeddings = true,\n"))
    #expect(outcome.output.contains("\n  allow_crimes = true,\n"))
  }

  @Test func filesThatCannotBeReadOrWritten() throws {
    try FileManager.default.createSymbolicLink(
      atPath: tool.path("link.yml"), withDestinationPath: "config.yml")
    try tool.write("-- Mine\n", to: "mine.lua")
    for (arguments, expected) in [
      (["nope.yml"], "cannot read nope.yml: No such file or directory"),
      (["models"], "models is a directory, not a config"),
      (["config.yml", "-o", "models"], "cannot write models: Is a directory"),
      (["config.yml", "-o", "none/recipe.lua"], "cannot write none/recipe.lua: No such file or directory"),
      (["config.yml", "-o", "link.yml"], "cannot write link.yml: it is the config"),
      (
        ["config.yml", "-o", "mine.lua"],
        "cannot write mine.lua: it is no recipe that translate wrote, and is kept"
      ),
    ] {
      #expect(try tool.run(["translate"] + arguments) == Tool.Outcome(1, errors: "error: \(expected)\n"))
    }
    #expect(tool.text("config.yml") == ConfigRunTests.taskArithmetic)
    #expect(tool.text("mine.lua") == "-- Mine\n")
    #expect(try tool.run("translate").status == 2)
  }
}
