import Foundation
import Lua
import Merging
import ScriptTestSupport
import Scripting
import SystemPackage
import Tensors
import Testing

/// Running recipes: what they return, where errors are placed, lifetimes and limits.
@Suite struct ScriptHostTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  // MARK: What a recipe returns

  @Test(arguments: [
    ("", "nothing"), ("return nil", "nothing"), ("return 1", "a number"), ("return {}", "an empty table"),
    ("return mk.tensor{ 1 }", "a tensor"), ("return print", "a function"),
  ])
  func aRecipeReturnsAModel(script: String, found: String) {
    #expect(bench.outputError(script) == "recipe.lua: a recipe returns a model, this one returned \(found)")
  }

  @Test func aRecipeMayReturnSeveralModels() throws {
    try bench.makeModel("m", [TestTensor("a", .f32, [2], [1, 3])])
    let script = """
      local mk = require 'mergekit'
      local m = mk.model '\(bench.folder)/m'
      local half = m:map(function(t) return t / 2 end)
      return { whole = m, half = half, ['a third'] = half:map(function(t) return t + 1 end) }
      """
    try bench.write(script, to: "several.lua")
    let host = try bench.makeHost()
    guard case .models(let models) = try host.results(path: "\(bench.folder)/several.lua") else {
      Issue.record("expected several models")
      return
    }
    #expect(models.map(\.name) == ["a third", "half", "whole"])
    let outputs = models.map {
      Output($0.model, path: FilePath("\(bench.folder)/out/\($0.name)"), options: bench.options.output)
    }
    try host.write(outputs)
    #expect(try bench.tensors("out/whole").map(\.elements) == [[1, 3]])
    #expect(try bench.tensors("out/half").map(\.elements) == [[0.5, 1.5]])
    #expect(try bench.tensors("out/a third").map(\.elements) == [[1.5, 2.5]])
  }

  @Test(arguments: [
    (
      "return { 5 }",
      "a recipe returns a model, or models by their names, this one a table with a number as a key"
    ),
    ("return { x = 5 }", "result 'x' is a number, expected a model"),
    ("return { ['a/b'] = 5 }", "'a/b' cannot name a result: it becomes a directory's name"),
    ("return { ['..'] = 5 }", "'..' cannot name a result: it becomes a directory's name"),
  ])
  func tablesThatAreNoResults(script: String, found: String) {
    #expect(bench.outputError(script) == "recipe.lua: \(found)")
  }

  @Test func syntaxAndRuntimeErrorsNameTheLine() {
    #expect(bench.error("local x = 1\nlocal y = = 2") == "recipe.lua:2: unexpected symbol near '='")
    #expect(bench.error("local x\n\nx.y = 1") == "recipe.lua:3: attempt to index a nil value (local 'x')")
    #expect(
      bench.error("local x = 1\nmk.mergee{}")
        == "recipe.lua:2: mergekit has no 'mergee' (did you mean 'merge'?)")
    #expect(bench.error("error('stop')") == "recipe.lua:1: stop")
    #expect(
      bench.error("error(setmetatable({}, { __tostring = function() return 'odd' end }))")
        == "recipe.lua:1: odd")
  }

  @Test func missingModelsNameTheLine() throws {
    try bench.write("x", to: "text.txt")
    #expect(
      bench.error("local m\nm = mk.model(here .. 'onr')")
        == #"recipe.lua:2: onr: no such file or directory; expected a directory with model.safetensors, or a .safetensors or .safetensors.index.json file (did you mean 'one'?)"#
    )
    #expect(
      bench.error("local _ = mk.model(here .. 'text.txt')")
        == "recipe.lua:1: text.txt: not a checkpoint; expected a directory, or a .safetensors or .safetensors.index.json file"
    )
    #expect(
      bench.error("local _ = mk.model()")
        == "recipe.lua:1: bad argument #1 to 'model' (string expected, got nil)")
  }

  // MARK: Places of errors

  @Test func tailCallsKeepTheUsersLine() {
    #expect(
      bench.outputError("local x = 1\nreturn mk.merge { method = 'linaer', models = {} }")
        == "recipe.lua:2: unknown method 'linaer' (did you mean 'linear'?)")
    #expect(bench.outputError("\n\nreturn mk.stack(3)").hasPrefix("recipe.lua:3: stack: "))
    #expect(bench.outputError("\nreturn mk.method { }") == "recipe.lua:2: method: expected a name")
  }

  @Test func errorsInCallbacksNameTheirLineAndTheTensor() throws {
    #expect(
      bench.outputError("return mk.model(here .. 'one'):map(function(x)\n  return x:nope()\nend)")
        == "recipe.lua:2: tensor 'x': a tensor has no field or method 'nope'")
    #expect(
      bench.outputError("return mk.model(here .. 'one'):map(function(x)\n  error('mine')\nend)")
        == "recipe.lua:2: tensor 'x': mine")
    #expect(
      bench.outputError("local one = mk.model(here .. 'one')\nreturn one:map(function(x) end)")
        == "recipe.lua:2: tensor 'x': the function given to map returned a nil, expected a tensor")
    // A rule.
    #expect(
      bench.outputError(
        """
        return mk.merge { method = "linear", models = { { mk.model(here .. "one"), weight = function(info)
          return info.nothing.more
        end } } }
        """) == "recipe.lua:2: tensor 'x': info has no field 'nothing'")
    // A method, and a tensor's operation in it.
    #expect(
      bench.outputError(
        """
        local mine = mk.method { name = "mine", merge = function(t)
          local x = t.inputs[1].tensor
          return x + mk.zeros { 2, 3 } + mk.zeros { 4 }
        end }
        return mk.merge { method = mine, models = { mk.model(here .. "one") } }
        """) == "recipe.lua:3: tensor 'x': +: shapes [2, 3] and [4] cannot be broadcast")
  }

  @Test func errorsInModulesNameTheirFile() throws {
    try bench.write("local M = {}\nfunction M.fail() error('in here') end\nreturn M", to: "lib/mine.lua")
    try bench.write("local x =\n\n", to: "bad.lua")
    try bench.write(
      "local mk = require 'mergekit'\nreturn mk.method { name = 'm', merge = function(t)\n  return t.missing.field\nend }",
      to: "m.lua")
    #expect(bench.error("require('lib.mine').fail()") == "lib/mine.lua:2: in here")
    #expect(bench.error("\nrequire 'bad'") == "bad.lua:3: unexpected symbol near <eof>")
    #expect(
      bench.outputError("return mk.merge { method = 'm', models = { mk.model(here .. 'one') } }")
        == "m.lua:3: tensor 'x': the method's argument has no field 'missing'")
    let missing = bench.error("\nrequire 'lib.mime'")
    #expect(
      missing.hasPrefix("recipe.lua:2: module 'lib.mime' not found (did you mean 'lib/mine'?); looked for "))
  }

  @Test func errorsCanBeCaught() throws {
    #expect(
      try bench.lines("print(pcall(function()\n  return mk.zeros { 2 } + mk.zeros { 3 }\nend))")
        == ["false\trecipe.lua:2: +: shapes [2] and [3] cannot be broadcast"])
  }

  // MARK: Lifetimes

  @Test func handlesOutliveCollections() throws {
    try bench.makeModel("m", [TestTensor("w", .f32, [3], [1, 2, 3])])
    let lines = try bench.lines(
      """
      local kept = {}
      do
        local m = mk.model(here .. "m")
        kept.sum = (m:tensor("w") * 2 + 1):sum()
        kept.mapped = m:map(function(x) return x * kept.factor end)
        for name, tensor in m:tensors() do kept[name] = tensor end
      end
      for _ = 1, 4 do collectgarbage() end
      kept.factor = mk.tensor(3)
      collectgarbage()
      print(kept.sum:item(), kept.w:sum():item(), kept.mapped:tensor("w"):sum():item())
      """)
    #expect(lines == ["15.0\t6.0\t18.0"])
  }

  @Test func noNodesAreLeft() throws {
    let host = try bench.makeHost()
    func run(_ body: String) throws {
      let text =
        "local mk = require 'mergekit'; local here = '\(bench.folder)/'\n\(body)\nreturn mk.model(here .. 'one')"
      _ = try host.run(text.utf8, name: "recipe.lua")
    }
    try run("collectgarbage() collectgarbage()")
    let before = host.graph.liveCount
    try run(
      """
      local m = mk.model(here .. "one")
      for i = 1, 10000 do
        local x = m:tensor("x") * i + mk.tensor { i }
        local y = mk.where(x:gt(0), x:norm() / 2, i)
        if i % 100 == 0 then
          local _ = y:sum():item()
          local _ = mk.defer({ x:sum() }, function(a) return a end, 1):item()
          pcall(function() return x + mk.zeros { 2, 2 } + mk.zeros { 3 } end)
          pcall(mk.cat, { x, x, "no" })
        end
      end
      collectgarbage() collectgarbage()
      """)
    #expect(host.graph.liveCount == before)
    // Models let go of what was built for them.
    try run(
      """
      for i = 1, 50 do
        local m = mk.model(here .. "one"):map(function(x) return x + i end)
        local merged = mk.merge { method = "linear", models = { { m, weight = 1 }, { m, weight = i } } }
        assert(merged:info("x").shape[1] == 1 and m:info("x").dtype == "float32")
        local _ = merged:tensor("x")
      end
      collectgarbage() collectgarbage()
      """)
    #expect(host.graph.liveCount == before)
  }

  /// Scratch files are none of Lua's memory: what a script has let go of is collected before they fill the disk.
  @Test func scratchMakesRoom() throws {
    let host = try bench.makeHost()
    func run(_ body: String) throws {
      let text = "local mk = require 'mergekit'; \(body)\nreturn mk.model('\(bench.folder)/one')"
      _ = try host.run(text.utf8, name: "recipe.lua")
    }
    try run("collectgarbage() collectgarbage()")
    let before = host.graph.liveCount
    try run("for i = 1, 100 do local _ = mk.tensor { i }:exp() end")
    let garbage = host.graph.liveCount
    #expect(garbage > before)
    host.graph.willMakeScratch(1 << 20)
    #expect(host.graph.liveCount == garbage)
    host.graph.willMakeScratch(1 << 30)
    #expect(host.graph.liveCount < garbage)
  }

  @Test func writingLeavesNoNodes() throws {
    let host = try bench.makeHost()
    let script =
      "local mk = require 'mergekit'; return mk.model('\(bench.folder)/one'):map(function(x) return x + 1 end)"
    for round in 0..<3 {
      var model: (any LazyModel)? = try host.run(script.utf8, name: "recipe.lua")
      try host.write(model!, to: "\(bench.folder)/out\(round)")
      model = nil
      _ = model
      _ = try host.evaluate("collectgarbage() collectgarbage()", name: "t")
      #expect(host.graph.liveCount == 0)
    }
  }

  // MARK: Limits

  @Test func aMillionNodesAreWithinTheLimit() throws {
    #expect(bench.options.limits.memoryBytes == 256_000_000)
    #expect(bench.error("local t = mk.tensor { 1 }\nfor _ = 1, 1000000 do t = t + 1 end") == "no error")
  }

  @Test func endlessExpressionsEndAtTheMemoryLimit() {
    bench.options.limits.memoryBytes = 16 << 20
    #expect(
      bench.error("local t = mk.tensor { 1 }\nwhile true do t = t + 1 end")
        == "recipe.lua:2: script used more than its limit of 16 MB of memory (--memory-limit)")
    // pcall does not help.
    #expect(
      bench.error("local t = mk.tensor { 1 }\nwhile true do pcall(function() t = t + 1 end) end")
        == "recipe.lua:2: script used more than its limit of 16 MB of memory (--memory-limit)")
    #expect(
      bench.error("local all = {}\nwhile true do all[#all + 1] = mk.tensor { 1, 2, 3 } end")
        == "recipe.lua:2: script used more than its limit of 16 MB of memory (--memory-limit)")
    // What nobody holds any more is not counted.
    #expect(bench.error("for i = 1, 200000 do local t = mk.tensor { i } * 2 end") == "no error")
  }

  @Test func endlessLoopsEndAtTheInstructionLimit() {
    bench.options.limits.instructions = 100_000
    #expect(
      bench.error("local x = 0\nwhile true do x = x + 1 end")
        == "recipe.lua:2: script ran more than 100,000 instructions: an endless loop?")
    #expect(
      bench.outputError("return mk.model(here .. 'one'):map(function(x)\n  while true do end\nend)")
        == "recipe.lua:2: script ran more than 100,000 instructions: an endless loop?")
  }

  @Test func interruptsEndScriptsAndPasses() throws {
    let interrupt = LuaInterrupt()
    let host = try ScriptHost(
      root: bench.folder, options: bench.options,
      messages: ScriptHost.Messages(output: { _ in interrupt.request() }), interrupt: interrupt)
    let error = #expect(throws: LuaError.self) {
      try host.run("print 'now'\nwhile true do pcall(error) end".utf8, name: "recipe.lua")
    }
    #expect(error?.kind == .interrupted)
    #expect(error.map { "\($0)" } == "recipe.lua:2: interrupted")
  }

  // MARK: The standard library

  @Test func anEditedStandardLibraryReplacesTheEmbedded() throws {
    for path in StandardLibrary.embedded.paths {
      try bench.write(StandardLibrary.embedded.text(of: path)!, to: "stdlib/\(path)")
    }
    try bench.write(
      "local mk = require 'mergekit'\nreturn mk.method { name = 'double', merge = function(t) return t.inputs[1].tensor * 2 end }",
      to: "stdlib/methods/double.lua")
    try bench.makeModel("m", [TestTensor("w", .f32, [1], [3])])
    let script = "return mk.merge { method = 'double', models = { mk.model(here .. 'm') } }"
    #expect(
      bench.outputError(script)
        == "recipe.lua:1: unknown method 'double' (expected one of \(StandardLibrary.embedded.methodNames.joined(separator: ", ")))"
    )
    bench.options.standardLibrary = try StandardLibrary(directory: "\(bench.folder)/stdlib")
    #expect(try bench.tensor(script, "w").elements == [6])
    #expect(throws: LuaError.self) { try StandardLibrary(directory: "\(bench.folder)/one") }
    let error = #expect(throws: LuaError.self) { try StandardLibrary(directory: "\(bench.folder)/nowhere") }
    #expect(error.map { "\($0)" } == "cannot list \(bench.folder)/nowhere: No such file or directory")
  }

  // MARK: Plans

  @Test func plansTellWhatIsReadAndWritten() throws {
    try bench.makeModel(
      "m",
      [
        TestTensor("a", .bf16, [4], [1, 2, 3, 4]), TestTensor("b", .bf16, [2], [1, 2]),
        TestTensor("c", integers: [1]),
      ])
    bench.options.output.dtype = .f32
    bench.options.output.maximumShardBytes = 16
    let host = try bench.makeHost()
    let model = try host.run(
      "local mk = require 'mergekit'; return mk.model('\(bench.folder)/m'):map(function(t) return t end)"
        .utf8, name: "r")
    let (plan, reads) = try host.plan(model)
    #expect(plan.tensors.map(\.name) == ["a", "b", "c"])
    #expect(plan.tensors.map(\.dtype) == [.f32, .f32, .i64])
    #expect(plan.commonDType == .f32)
    #expect(
      plan.layout.shards.map(\.fileName) == [
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
      ])
    #expect(plan.layout.totalBytes == 16 + 8 + 8)
    #expect(reads.map(\.bytes) == [8 + 4 + 8])
    #expect(reads.map(\.tensors) == [3])
  }
}
