import Foundation
import Lua
import TestSupport
import Testing

extension TemporaryDirectory {
  /// With files of these texts.
  fileprivate convenience init(_ files: [String: String]) throws {
    try self.init()
    for (name, text) in files { try write(text, to: name) }
  }
}

private let library = [
  "mergekit/init.lua": "return { name = 'mergekit', core = require 'mergekit.core' }",
  "methods/slerp.lua": "return 'slerp of stdlib'",
  "methods/linear.lua": "return 'linear of stdlib'",
  "broken.lua": "local x = ",
]

private func makeState(_ folder: TemporaryDirectory) throws -> LuaState {
  let lua = LuaState()
  let modules = LuaModules(root: folder.path, standardLibraryPaths: library.keys.sorted()) {
    library[$0].map { .text($0) }
  }
  let core = try #require(try lua.run("return { version = 1 }", name: "core").table)
  modules.preload("mergekit.core", core)
  try modules.install(in: lua)
  return lua
}

@Suite struct LuaModulesTests {
  @Test func modulesComeFromTheHostTheFolderAndTheLibraryInThisOrder() throws {
    let folder = try TemporaryDirectory([
      "helpers.lua": "return 'helpers'", "deep/er/init.lua": "return 'init of ' .. ...",
      "methods/slerp.lua": "return 'my slerp'", "mergekit/core.lua": "return 'not this'",
    ])
    let lua = try makeState(folder)
    #expect(try lua.run("return require 'mergekit.core'.version", name: "r").integer == 1)
    #expect(
      try lua.run("return require 'mergekit'.core == require 'mergekit/core'", name: "r").boolean == true)
    #expect(try lua.run("return require 'helpers'", name: "r").string == "helpers")
    #expect(try lua.run("return require 'deep.er'", name: "r").string == "init of deep/er")
    #expect(try lua.run("return require 'methods.slerp'", name: "r").string == "my slerp")
    #expect(try lua.run("return require 'methods/linear'", name: "r").string == "linear of stdlib")
  }

  @Test func aModuleRunsOnce() throws {
    let folder = try TemporaryDirectory([
      "m.lua": "count = (count or 0) + 1 return {}", "nothing.lua": "local x = 1", "d/m.lua": "return 1",
    ])
    let lua = try makeState(folder)
    let same = try lua.run("return require 'm' == require 'm' and require 'd.m' == require 'd/m'", name: "r")
    #expect(same.boolean == true)
    #expect(try lua.global("count").integer == 1)
    #expect(try lua.run("return require 'nothing'", name: "r").boolean == true)
  }

  @Test func aModuleThatFailedMayBeTriedAgain() throws {
    let folder = try TemporaryDirectory(["m.lua": "if not ready then error 'not ready' end return 5"])
    let lua = try makeState(folder)
    let result = try lua.run("assert(not pcall(require, 'm')) ready = true return require 'm'", name: "r")
    #expect(result.integer == 5)
  }

  @Test func circlesAreShown() throws {
    let folder = try TemporaryDirectory([
      "a.lua": "return require 'b'", "b.lua": "\nlocal c = require 'c' return c",
      "c.lua": "local x = require 'b' return x", "me.lua": "local me = require 'me' return me",
    ])
    let lua = try makeState(folder)
    #expect(
      luaError { try lua.run("require 'a'", name: "recipe.lua") }?.description
        == "\(folder.path)/c.lua:1: modules require each other in a circle: b -> c -> b".shortenedByLua)
    #expect(
      luaError { try lua.run("require 'me'", name: "recipe.lua") }?.message
        == "modules require each other in a circle: me -> me")
  }

  @Test func errorsCarryTheModulesFileAndLine() throws {
    let folder = try TemporaryDirectory(["syntax.lua": "\n\nx y", "fails.lua": "\nerror 'inside'"])
    let lua = try makeState(folder)
    let syntax = luaError { try lua.run("require 'syntax'", name: "recipe.lua") }
    #expect(syntax?.file?.hasSuffix("/syntax.lua") == true)
    #expect(syntax?.line == 3)
    #expect(syntax?.message == "syntax error near 'y'")
    let failure = luaError { try lua.run("require 'fails'", name: "recipe.lua") }
    #expect(failure?.file?.hasSuffix("/fails.lua") == true)
    #expect(failure?.line == 2)
    #expect(failure?.message == "inside")
    #expect(
      luaError { try lua.run("require 'broken'", name: "recipe.lua") }?.description
        == "recipe.lua:1: unexpected symbol near <eof> (stdlib/broken.lua:1)")
  }

  @Test func whatIsNotFoundSaysWhereItWasLookedFor() throws {
    let folder = try TemporaryDirectory(["helpers.lua": "", "methods/mine.lua": ""])
    let lua = try makeState(folder)
    let root = folder.path
    #expect(
      luaError { try lua.run("\nrequire 'helper'", name: "recipe.lua") }?.description
        == "recipe.lua:2: module 'helper' not found (did you mean 'helpers'?); looked for "
        + "'\(root)/helper.lua', '\(root)/helper/init.lua', 'helper.lua' in the standard library, "
        + "'helper/init.lua' in the standard library")
    #expect(
      luaError { try lua.run("require 'methods.slrp'", name: "recipe.lua") }?.message
        .hasPrefix("module 'methods.slrp' not found (did you mean 'methods/slerp'?); looked for ") == true)
    #expect(
      luaError { try lua.run("require 'methods.mime'", name: "recipe.lua") }?.message
        .hasPrefix("module 'methods.mime' not found (did you mean 'methods/mine'?); looked for ") == true)
    #expect(
      luaError { try lua.run("require 'zzzzzzzz'", name: "recipe.lua") }?.message
        .hasPrefix("module 'zzzzzzzz' not found; looked for ") == true)
  }

  @Test(arguments: ["../secret", "/etc/passwd", "a..b", "", ".", "a/../b", "a/", "./a", "a\\0b"])
  func namesStayBelowTheFolder(name: String) throws {
    let lua = try makeState(TemporaryDirectory([:]))
    let error = luaError { try lua.run("require '\(name)'", name: "recipe.lua") }
    #expect(
      error?.message.hasSuffix(
        "must be a path below the script's folder, such as 'methods.mine' or 'methods/mine'") == true)
  }

  @Test func onlyRegularFilesAreRead() throws {
    let folder = try TemporaryDirectory(["real.lua": "return 'linked'"])
    mkfifo(folder.path + "/pipe.lua", 0o600)
    try FileManager.default.createDirectory(
      atPath: folder.path + "/folder.lua", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/link.lua", withDestinationPath: folder.path + "/real.lua")
    let lua = try makeState(folder)
    #expect(try lua.run("return require 'link'", name: "r").string == "linked")
    #expect(luaError { try lua.run("require 'pipe'", name: "r") }?.message.contains("not found") == true)
    #expect(luaError { try lua.run("require 'folder'", name: "r") }?.message.contains("not found") == true)
  }

  /// A link out of the folder would carry what is there into a message; `exists` does not tell of it either.
  @Test(arguments: ["link", "folder/secret", "missing"])
  func linksStayBelowTheFolder(name: String) throws {
    let outside = try TemporaryDirectory(["secret.lua": "a secret"])
    let folder = try TemporaryDirectory(["real.lua": "return 1"])
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/link.lua", withDestinationPath: outside.path + "/secret.lua")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/folder", withDestinationPath: outside.path)
    let lua = try makeState(folder)
    let error = luaError { try lua.run("require '\(name)'", name: "recipe.lua") }
    #expect(error?.message.contains("a secret") == false)
    #expect(error?.message.contains("leads out of its folder") == (name != "missing"))
    let modules = LuaModules(root: folder.path)
    #expect(!modules.exists(name))
    #expect(modules.exists("real"))
    #expect(!modules.exists(outside.path + "/secret"))
    #expect(!modules.exists("../" + outside.path.split(separator: "/").last! + "/secret"))
  }

  @Test func existsDoesNotWaitForPipes() throws {
    let folder = try TemporaryDirectory([:])
    mkfifo(folder.path + "/pipe.lua", 0o600)
    #expect(!LuaModules(root: folder.path).exists("pipe"))
  }

  @Test func requireChecksItsArgument() throws {
    let lua = try makeState(TemporaryDirectory([:]))
    #expect(
      luaError { try lua.run("require()", name: "recipe.lua") }?.description
        == "recipe.lua:1: bad argument #1 to 'require' (string expected, got no value)")
  }
}

extension String {
  /// Lua shows the end of a file's name that is longer than 59 bytes.
  fileprivate var shortenedByLua: String {
    guard let end = range(of: ".lua:") else { return self }
    let file = self[..<self.index(end.lowerBound, offsetBy: 4)]
    return file.utf8.count < 60 ? self : "..." + self[self.index(end.lowerBound, offsetBy: 4 - 56)...]
  }
}
