import Basics
import Foundation
import Testing

/// Where errors are said to be: by what they carry, and not by how they read.
@Suite struct LocationTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  private func errors(_ config: String, _ arguments: String...) throws -> String {
    try tool.write(config, to: "config.yml")
    let outcome = try tool.run(["config.yml", "out", "--quiet"] + arguments)
    #expect(outcome.status == 1)
    return outcome.errors
  }

  /// The method's words begin as those of an error about `base` would, and are about something else.
  @Test func aMethodFileThatNamesAKeyInItsWords() throws {
    try tool.write(
      """
      local mk = require "mergekit"
      return mk.method {
        name = "far",
        base = "required",
        merge = function(t)
          error("base: too far away", 0)
        end,
      }
      """, to: "far.lua")
    let config = """
      merge_method: ./far.lua
      base_model: models/base
      models:
        - model: models/math
      """
    let found = try errors(config)
    #expect(found.hasPrefix("error: far.lua:6: tensor '"), "\(found)")
    #expect(found.hasSuffix("': base: too far away\n"), "\(found)")
  }

  @Test func aMethodFileThatLooksLikeTheRecipe() throws {
    try tool.write(
      """
      local mk = require "mergekit"
      return mk.method {
        name = "far",
        merge = function(t) error("recipe:3: models[1].weight: no", 0) end,
      }
      """, to: "far.lua")
    let found = try errors("merge_method: ./far.lua\nmodels: [{model: models/math}]\n")
    #expect(found.hasPrefix("error: far.lua:4: tensor '"), "\(found)")
    #expect(found.hasSuffix("': recipe:3: models[1].weight: no\n"), "\(found)")
  }

  @Test(arguments: [
    (
      "merge_method: ties\nmodels: [{model: models/math, parameters: {weight: 1}}]",
      "config.yml:1:15: merge_method: method 'ties' needs a base model"
    ),
    (
      "merge_method: slerp\nbase_model: models/base\nmodels: [{model: models/math}, {model: models/code}]\n"
        + "parameters: {t: 0.5}",
      "config.yml:3:9: models: method 'slerp' takes exactly 1 model beside the base, got 2"
    ),
    (
      "merge_method: passthrough\nslices:\n- sources:\n  - {model: models/base, layer_range: [0, 1]}\n"
        + "  - {model: models/math, layer_range: [0, 1]}",
      "config.yml:4:3: slices[1].sources: method 'passthrough' takes exactly 1 model, got 2"
    ),
    (
      "merge_method: linear\nslices:\n- merge_method: ties\n  sources:\n"
        + "  - {model: models/base, layer_range: [0, 1], parameters: {weight: 1}}",
      "config.yml:3:3: slices[1]: method 'ties' needs a base model"
    ),
    (
      "merge_method: passthrough\nslices:\n- sources:\n  - {model: models/base, layer_range: [0, 90]}",
      "config.yml:4:39: slices[1].sources[1].layer_range: [0, 90] is not within the 4 layers of model 'models/base'"
    ),
  ])
  func whatLuaJudgesIsPlacedInTheConfig(_ config: String, _ expected: String) throws {
    #expect(try errors(config) == "error: \(expected)\n")
  }

  // MARK: For programs

  private func lines(_ text: String) throws -> [JSON] {
    try text.split(separator: "\n").map { try JSON(parsing: String($0)) }
  }

  @Test func anErrorIsAnObject() throws {
    let config =
      "merge_method: slerp\nbase_model: models/base\nmodels: [{model: models/math}, {model: models/code}]\n"
      + "parameters: {t: 0.5}"
    let error = try #require(try lines(errors(config, "--log-format", "json")).last)
    #expect(error["event"]?.stringValue == "diagnostic" && error["severity"]?.stringValue == "error")
    #expect(error["location"]?["path"]?.stringValue == "config.yml")
    #expect(error["location"]?["line"]?.intValue == 3 && error["location"]?["column"]?.intValue == 9)
    #expect(error["key_path"]?.stringValue == "models")
    #expect(
      error["message"]?.stringValue
        == "config.yml:3:9: models: method 'slerp' takes exactly 1 model beside the base, got 2")
  }

  @Test func aSuggestionIsAField() throws {
    let outcome = try tool.recipe(
      "return mk.merge { method = 'linaer', models = {} }", "out", "--log-format=json")
    #expect(outcome.status == 1)
    let error = try #require(try lines(outcome.errors).last)
    #expect(error["suggestion"]?.stringValue == "linear")
    #expect(error["message"]?.stringValue == "recipe.lua:1: unknown method 'linaer' (did you mean 'linear'?)")
  }

  @Test func usageErrorsAreObjectsToo() throws {
    let outcome = try tool.run("recipe.lua", "out", "--threads", "0", "--log-format", "json")
    #expect(outcome.status == 2)
    let error = try #require(try lines(outcome.errors).first)
    #expect(error["severity"]?.stringValue == "error")
    #expect(error["message"]?.stringValue?.contains("--threads: expected 1 to 1024, got 0") == true)
  }

  @Test func eventsAreObjectsInTheirOrder() throws {
    let outcome = try tool.recipe(
      "warn 'careful'; return mk.model('models/base'):map(function(t) return t * 2 end)", "out",
      "--log-format",
      "json")
    #expect(outcome.status == 0)
    let events = try lines(outcome.errors)
    let names = events.compactMap { $0["event"]?.stringValue }
    #expect(names.count == events.count)
    #expect(names.first == "diagnostic" && events.first?["message"]?.stringValue == "careful")
    #expect(events.first?["severity"]?.stringValue == "warning")
    let planned = try #require(events.first { $0["event"]?.stringValue == "planned" })
    let output = try #require(planned["outputs"]?.arrayValue?.first)
    let tensors = try #require(output["tensors"]?.intValue)
    #expect(output["path"]?.stringValue == "out" && tensors > 0)
    #expect(names.filter { $0 == "tensor_begun" }.count == tensors)
    let done = events.filter { $0["event"]?.stringValue == "tensor_done" }
    #expect(done.count == tensors)
    #expect(done.compactMap { $0["bytes"]?.intValue }.reduce(0, +) == output["bytes"]?.intValue)
    #expect(
      done.allSatisfy { $0["tensor"]?.stringValue?.isEmpty == false && $0["output"]?.stringValue == "out" })
    #expect(names.last == "finished")
  }
}
