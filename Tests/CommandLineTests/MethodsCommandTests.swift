import Foundation
import Testing

@Suite struct MethodsCommandTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  private let slerp = """
    slerp (SLERP)
      Interpolates along the arc from the base (t = 0) to the other model (t = 1).
      1 model, needs a base model
      t (required), usually from 0 to 1
      https://en.wikipedia.org/wiki/Slerp

    """

  @Test func listsAllMethods() throws {
    let outcome = try tool.run("methods")
    #expect(outcome.status == 0 && outcome.errors == "")
    #expect(outcome.output.contains("\n\n" + slerp + "\n"))
    let folder = Tool.repository.appendingPathComponent("stdlib/methods").path
    let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".lua") }
      .sorted()
    let listed = outcome.output.split(separator: "\n").filter { !$0.hasPrefix(" ") }
    #expect(listed.map { $0.prefix { $0 != " " } } == files.map { $0.dropLast(4) })
  }

  @Test func showsOneMethod() throws {
    #expect(try tool.run("methods", "slerp") == Tool.Outcome(0, slerp))
    let source = try tool.run("methods", "slerp", "--source")
    let file = Tool.repository.appendingPathComponent("stdlib/methods/slerp.lua")
    #expect(source == Tool.Outcome(0, try String(contentsOf: file, encoding: .utf8)))
    #expect(
      try tool.run("methods", "slrep")
        == Tool.Outcome(1, errors: "error: unknown method 'slrep' (did you mean 'slerp'?)\n"))
  }

  @Test func showsAMethodOfOnesOwn() throws {
    let text = """
      local mk = require "mergekit"
      return mk.method { name = "mine", base = "optional", min_inputs = 2, max_inputs = 3,
        parameters = { mode = "fast" }, per_input = { scale = { type = "number" } }, merge = print }

      """
    try tool.write(text, to: "mine.lua")
    #expect(
      try tool.run("methods", "./mine.lua")
        == Tool.Outcome(
          0, "mine\n  2 to 3 models, takes a base model\n  mode = fast\n  each model: scale (optional)\n"))
    #expect(try tool.run("methods", "mine.lua", "--source") == Tool.Outcome(0, text))
    #expect(try tool.run("methods", "nope.lua", "--source").status == 1)
  }

  @Test func anotherStandardLibrary() throws {
    let library = Tool.repository.appendingPathComponent("stdlib").path
    try FileManager.default.copyItem(
      atPath: URL(fileURLWithPath: library).resolvingSymlinksInPath().path, toPath: tool.path("lib"))
    try FileManager.default.removeItem(atPath: tool.path("lib/methods/slerp.lua"))
    #expect(try tool.run("methods", "slerp", "--stdlib", "lib").status == 1)
    #expect(
      try tool.run("methods", "--stdlib", "models")
        == Tool.Outcome(1, errors: "error: models is no standard library: mergekit/init.lua is missing\n"))
  }
}
