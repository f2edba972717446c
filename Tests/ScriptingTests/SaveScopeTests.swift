import Foundation
import Lua
import ScriptTestSupport
import Scripting
import Testing

/// Where a script may save models, and what it may replace.
@Suite struct SaveScopeTests {
  let bench: ScriptBench

  init() throws {
    bench = try ScriptBench()
    bench.options.savesBelow = ["\(bench.folder)/out"]
  }

  private func failure(_ script: String) -> String? {
    do {
      try bench.lines("local m = mk.model(here .. 'one')\n\(script)")
      return nil
    } catch { return "\(error)".replacingOccurrences(of: bench.folder, with: "DIR") }
  }

  @Test(arguments: ["one", "other", "out", "out/../other", "out/link/x", "outside"])
  func whatIsNotBelowTheOutputIsRefused(_ path: String) throws {
    try bench.write("", to: "elsewhere/x")
    try bench.write("", to: "out/here")
    try FileManager.default.createSymbolicLink(
      atPath: "\(bench.folder)/out/link", withDestinationPath: "\(bench.folder)/elsewhere")
    let before = try bench.entries()
    #expect(
      failure("m:save(here .. '\(path)', { force = true })")
        == "recipe.lua:2: save: 'DIR/\(path)' is outside of what this run may write, which is what lies below "
        + "'DIR/out'; --allow-write DIR adds a folder")
    #expect(try bench.entries() == before)
  }

  @Test func belowTheOutputAndFurtherFoldersModelsAreSaved() throws {
    bench.options.savesBelow.append("\(bench.folder)/kept")
    #expect(failure("m:save(here .. 'out/a/b') m:save(here .. 'kept/c')") == nil)
    #expect(bench.exists("out/a/b/model.safetensors") && bench.exists("kept/c/model.safetensors"))
    // Nothing may be written where nothing is said.
    bench.options.savesBelow = []
    #expect(
      failure("m:save(here .. 'out/d')")
        == "recipe.lua:2: save: 'DIR/out/d' is outside of what this run may write; --allow-write DIR adds a folder"
    )
  }

  /// `force` replaces what the script itself has saved; what was there before, only if the user said so.
  @Test func forceReplacesWhatTheRunHasSaved() throws {
    try bench.makeModel("out/old", [TestTensor("kept", .f32, [1], [1])])
    #expect(
      failure("m:save(here .. 'out/old', { force = true })")
        == "recipe.lua:2: save: 'DIR/out/old' was there before this run: 'force' replaces it only with --force"
    )
    #expect(try bench.checkpoint("out/old").names == ["kept"])
    #expect(failure("m:save(here .. 'out/new') m:save(here .. 'out/new', { force = true })") == nil)
    bench.options.output.policy = .replace
    #expect(failure("m:save(here .. 'out/old')") == nil)
    #expect(try bench.checkpoint("out/old").names == ["x"])
  }

  /// The model's code is for OUT itself, not for where a script chooses.
  @Test func noCodeIsSaved() throws {
    try bench.write(#"{"auto_map": {"AutoModel": "code.Model"}}"#, to: "one/config.json")
    try bench.write("print 'run'", to: "one/code.py")
    #expect(failure("m:save(here .. 'out/a')") == nil)
    #expect(bench.exists("out/a/config.json") && !bench.exists("out/a/code.py"))
    #expect(bench.warnings.count == 1 && bench.warnings[0].contains("(code.py) is not copied"))
    let host = try bench.makeHost()
    let model = try host.run("return require('mergekit').model '\(bench.folder)/one'".utf8, name: "r")
    try host.write(model, to: "\(bench.folder)/out/result")
    #expect(bench.exists("out/result/code.py"))
  }

  /// What a script saves below OUT does not keep the result from being written there.
  @Test func theResultIsWrittenBesideWhatWasSaved() throws {
    let host = try bench.makeHost()
    let script =
      "local m = require('mergekit').model '\(bench.folder)/one' m:save '\(bench.folder)/out/part' return m"
    try host.write(host.run(script.utf8, name: "r"), to: "\(bench.folder)/out")
    #expect(bench.exists("out/model.safetensors") && bench.exists("out/part/model.safetensors"))
  }
}
