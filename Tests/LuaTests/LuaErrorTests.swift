import Lua
import Testing

@Suite struct LuaErrorTests {
  @Test(arguments: [
    ("local x\nlocal y\nlocal z x", "recipe.lua:3: syntax error near <eof>"),
    ("\n\nx y = 1", "recipe.lua:3: syntax error near 'y'"),
    ("local t = {\n1 t", "recipe.lua:2: '}' expected (to close '{' at line 1) near 't'"),
    ("x = 'abc\n", "recipe.lua:1: unfinished string near ''abc'"),
  ])
  func syntaxErrorsReadAsLuaWordsThem(script: String, message: String) throws {
    let error = luaError { try LuaState().run(script, name: "recipe.lua") }
    #expect(error?.description == message)
    #expect(error?.kind == .syntax)
    #expect(error?.file == "recipe.lua")
  }

  @Test(arguments: [
    ("\nlocal t\nreturn t.x", "recipe.lua:3: attempt to index a nil value (local 't')"),
    ("return 1 + {}", "recipe.lua:1: attempt to perform arithmetic on a table value"),
    ("error 'no density'", "recipe.lua:1: no density"),
    ("error('no density', 0)", "no density"),
    ("error()", "recipe.lua:1: error object is a nil value"),
    ("\nerror {}", "recipe.lua:2: error object is a table value"),
    ("error(42)", "42"),
    ("error(setmetatable({}, { __tostring = function() return 'my error' end }))", "recipe.lua:1: my error"),
    ("string.rep()", "recipe.lua:1: bad argument #1 to 'rep' (string expected, got no value)"),
    ("coroutine.wrap(function() error 'inside' end)()", "recipe.lua:1: inside"),
    ("assert(false)", "recipe.lua:1: assertion failed!"),
    ("assert(nil, 'told')", "recipe.lua:1: told"),
    ("pairs(nil)", "recipe.lua:1: bad argument #1 to 'pairs' (table expected, got nil)"),
  ])
  func runtimeErrorsReadAsLuaWordsThem(script: String, message: String) throws {
    #expect(errorText(script) == message)
  }

  @Test func anErrorObjectThatCannotBeDescribedIsStillAnError() throws {
    let text = errorText("error(setmetatable({}, { __tostring = function() error 'twice' end }))")
    #expect(text == "recipe.lua:1: error object whose __tostring failed: recipe.lua:1: twice")
  }

  /// A state whose standard library has a function that fails on its line 2.
  private func stateWithLibrary(_ statement: String) throws -> LuaState {
    let lua = LuaState()
    try lua.run(
      "function library(x)\n  \(statement)\n  return x\nend", name: "mergekit/merge.lua",
      origin: .standardLibrary)
    return lua
  }

  @Test(arguments: [
    (
      "local z = x.y.z",
      "recipe.lua:2: attempt to index a nil value (field 'y') (stdlib/mergekit/merge.lua:2)"
    ),
    ("error 'bad'", "recipe.lua:2: bad (stdlib/mergekit/merge.lua:2)"),
    ("error('bad', 2)", "recipe.lua:2: bad"),
    ("error('bad', 0)", "bad"),
    ("coroutine.wrap(function() error 'bad' end)()", "recipe.lua:2: bad (stdlib/mergekit/merge.lua:2)"),
    (
      "string.rep()",
      "recipe.lua:2: bad argument #1 to 'rep' (string expected, got no value) (stdlib/mergekit/merge.lua:2)"
    ),
  ])
  func errorsOfTheStandardLibraryGainTheUsersLine(statement: String, message: String) throws {
    let lua = try stateWithLibrary(statement)
    let error = luaError { try lua.run("\nlocal r = library({}) return r", name: "recipe.lua") }
    #expect(error?.description == message)
  }

  @Test func anEntryPointKeepsTheLineOfATailCall() throws {
    let lua = try stateWithLibrary("error 'bad'")
    let place = "(stdlib/mergekit/merge.lua:2)"
    let lost = luaError { try lua.run("\nreturn library {}", name: "recipe.lua") }
    #expect(lost?.description == "stdlib/mergekit/merge.lua:2: bad")
    try lua.setGlobal(function: "entry") { call in
      try call.lua.makeEntryPoint()
      return 1
    }
    try lua.run("library = entry(library)", name: "x")
    let kept = luaError { try lua.run("\nreturn library {}", name: "recipe.lua") }
    #expect(kept?.description == "recipe.lua:2: bad \(place)")
    #expect(luaError { try lua.run("entry(1)", name: "x") }?.message == "function expected, got number")

    try lua.run("library = entry(function(...) return coroutine.yield(...) end)", name: "x")
    let yielded = try lua.run(
      """
      local co = coroutine.wrap(function(x) return library(x, 2) end)
      local a, b = co(1)
      return a + b + co(4)
      """, name: "recipe.lua")
    #expect(yielded.integer == 7)
  }

  @Test func errorsOfTheUserInsideTheStandardLibraryStayAsTheyAre() throws {
    let lua = try stateWithLibrary("x()")
    let error = luaError {
      try lua.run("\nlocal r = library(function()\n  error 'mine'\nend) return r", name: "recipe.lua")
    }
    #expect(error?.description == "recipe.lua:3: mine")
  }

  @Test func theTracebackShowsWhereItHappened() throws {
    let error = luaError {
      try LuaState().run(
        "local function inner() error 'x' end\nlocal function outer() inner() end\nouter()",
        name: "recipe.lua")
    }
    let traceback = try #require(error?.traceback)
    #expect(traceback.contains("recipe.lua:1: in upvalue 'inner'"))
    #expect(traceback.contains("recipe.lua:2: in local 'outer'"))
    #expect(traceback.contains("recipe.lua:3: in main chunk"))
  }

  @Test func theTracebackOfACoroutineIsItsOwn() throws {
    let error = luaError {
      try LuaState().run(
        "local function inside() error 'x' end\nlocal co = coroutine.wrap(function() inside() end)\nco()",
        name: "recipe.lua")
    }
    #expect(error?.traceback?.contains("in upvalue 'inside'") == true)
  }

  @Test func errorsAreReadableAfterTheirStateIsGone() throws {
    var lua: LuaState? = LuaState()
    let error = luaError { try lua?.run("error {}", name: "recipe.lua") }
    lua = nil
    #expect(error?.description == "recipe.lua:1: error object is a table value")
    #expect(error?.value != nil)
  }

  @Test func placesAreTakenFromTheBeginningOnly() {
    #expect(errorText("error('at 12:30: late', 0)") == "at 12:30: late")
    #expect(errorText("error('first\\nx:1: y', 0)") == "first\n  x:1: y")
  }

  @Test func stackOverflowIsAnOrdinaryError() throws {
    let lua = LuaState()
    let caught = try text(
      """
      local function f(n) return 1 + f(n + 1) end
      local ok, message = pcall(f, 1)
      return message
      """, in: lua)
    #expect(caught?.hasPrefix("recipe.lua:1: stack overflow") == true)
    #expect(try lua.run("return 1", name: "r").integer == 1)
  }

  @Test(arguments: [
    "local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end return f(10000)",
    "local s = string.rep('(', 100) .. '1' .. string.rep(')', 100) return 10000",
    "local t = {} for i = 1, 10000 do t = { t } end return 10000",
  ])
  func depthThatLuaAllowsWorks(script: String) throws {
    #expect(try LuaState().run(script, name: "r").integer == 10000)
  }

  @Test func nestingBeyondTheCStackIsAnError() {
    let nested = String(repeating: "(", count: 10_000) + "1" + String(repeating: ")", count: 10_000)
    let error = luaError { try LuaState().run("return \(nested)", name: "recipe.lua") }
    #expect(error?.kind == .syntax)
    #expect(error?.message.contains("C stack overflow") == true)
    let deep = "local function f(n) return pcall(f, n) end local ok, message = f(1) return tostring(message)"
    #expect((try? text(deep)) != nil)
    let coroutines = """
      local function f(n) return coroutine.wrap(f)(n + 1) end
      local ok, message = pcall(f, 1) return tostring(message)
      """
    #expect((try? text(coroutines))??.contains("C stack overflow") == true)
  }
}
