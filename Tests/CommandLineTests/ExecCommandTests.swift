import Testing

/// `exec`, which runs a script for what it prints, and `test`.
@Suite struct ExecCommandTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  @Test func aScriptRunsAndWritesNothing() throws {
    try tool.write(
      "local mk = require 'mergekit'\nlocal m = mk.model 'models/base'\nprint(m.num_layers, m:tensor('model.norm.weight').shape)",
      to: "look.lua")
    #expect(try tool.run("exec", "look.lua") == Tool.Outcome(0, "4\t[16]\n"))
    try tool.write("require('mergekit').model 'models/base':save 'out'", to: "save.lua")
    let outcome = try tool.run("exec", "save.lua")
    #expect(outcome.status == 1)
    #expect(outcome.errors.hasPrefix("error: save.lua:1: save: 'out' is outside of what this run may write"))
    #expect(tool.tree() == ["look.lua", "save.lua"])
    #expect(
      try tool.run("exec", "missing.lua")
        == Tool.Outcome(1, errors: "error: cannot read missing.lua: No such file or directory\n"))
  }

  @Test func warningsAreSentences() throws {
    try tool.write("warn('mind the gap')", to: "warn.lua")
    #expect(try tool.run("exec", "warn.lua") == Tool.Outcome(0, errors: "warning: mind the gap\n"))
  }

  @Test func testsPassAndFail() throws {
    try tool.write(
      """
      local mk = require "mergekit"
      return {
        norm = function() mk.assert_close(mk.tensor({ 3, 4 }):norm(), 5) end,
        sum = function()
          mk.assert_close(mk.tensor({ 3, 4 }):sum(), 8)
        end,
        draws = function() assert(mk.rand({ 2 }):sum():item() >= 0) end,
      }
      """, to: "tests.lua")
    #expect(
      try tool.run("test", "tests.lua")
        == Tool.Outcome(
          1,
          """
          ok draws
          ok norm
          FAILED sum: tests.lua:5: assert_close: 1 of 1 elements differ by more than 1e-06 + 1e-05 * |expected|; the largest difference is 1

          """, errors: "error: 1 of 3 tests failed\n"))
    try tool.write("return { one = function() end }", to: "tests.lua")
    #expect(try tool.run("test", "tests.lua") == Tool.Outcome(0, "ok one\n1 test passed\n"))
  }

  @Test(arguments: [
    ("return {}", "tests.lua has no tests"),
    ("", "tests.lua: a file of tests returns a table of functions, this one returned nothing"),
    ("return { 1 }", "tests.lua: tests are functions by their names, this one is a number at a number"),
    ("return { a = 1 }", "tests.lua: tests are functions by their names, this one is a number at a string"),
  ])
  func whatIsNoTest(text: String, message: String) throws {
    try tool.write(text, to: "tests.lua")
    let outcome = try tool.run("test", "tests.lua")
    #expect(outcome == Tool.Outcome(1, errors: "error: \(message)\n"))
  }
}
