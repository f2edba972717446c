import Foundation
import Testing

@Suite struct MethodsCommandTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  private let slerp = """
    slerp (SLERP)
      Interpolates along the arc from the base (t = 0) to the other model (t = 1).
      1 model, needs a base model
      t (required)
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

@Suite struct HelpTests {
  @Test func theHelpIsThis() throws {
    let outcome = try Tool().run("--help")
    #expect(
      outcome
        == Tool.Outcome(
          0,
          """
          OVERVIEW: Merges language models by recipes in Lua.

          USAGE: mergekit-lua [run] FILE OUT [options]
                 mergekit-lua inspect MODEL [--stats] [--json]
                 mergekit-lua methods [NAME [--source]]

          OPTIONS:
            --version               Show the version.
            -h, --help              Show help information.

          SUBCOMMANDS:
            run (default)           Run a recipe and write the model that it returns.
            inspect                 List the tensors of a model.
            methods                 List the merge methods with their parameters, or show
                                    one.

            See 'mergekit-lua help <subcommand>' for detailed help.

          """))
  }

  @Test func everyOptionIsInTheHelpOfItsCommand() throws {
    let run = try Tool().run("run", "--help").output
    for option in [
      "--dtype <dtype>", "--out-shard-size <size>", "--force", "--dry-run", "--threads <threads>",
      "--seed <seed>",
      "--stdlib <dir>", "--memory-limit <size>", "--quiet", "-v, --verbose",
    ] {
      #expect(run.contains("\n  \(option)"), "\(option)")
    }
    #expect(try Tool().run("--version") == Tool.Outcome(0, "0.1.0\n"))
  }
}
