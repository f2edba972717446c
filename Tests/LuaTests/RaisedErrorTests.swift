import Basics
import Lua
import Testing

/// Errors of Swift functions on their way through Lua.
@Suite struct RaisedErrorTests {
  let lua: LuaState

  init() throws {
    lua = LuaState()
    try lua.setGlobal(function: "refuse") { _ in
      throw Diagnostic(expected: "a number", found: "\(name: "half")").suggesting("hall")
        .under(KeyPath().key("models").item(2))
    }
    unowned let state = lua
    try lua.setGlobal(function: "call") { call in
      try state.push(try call.function(1))
      try state.call(arguments: 0, results: 0)
      return 0
    }
  }

  private static let sentence = "models[2]: expected a number, found 'half' (did you mean 'hall'?)"

  @Test(arguments: [
    "refuse()", "call(refuse)", "call(function() call(refuse) end)",
    "local ok, e = pcall(refuse) error(e, 0)", "coroutine.wrap(refuse)()",
    "xpcall(refuse, function(e) caught = e end) error(caught, 0)",
  ])
  func theDiagnosticComesOutUnchanged(_ script: String) throws {
    let error = try #require(luaError { try lua.run("\n" + script, name: "r.lua") })
    #expect(error.description == "r.lua:2: " + Self.sentence)
    #expect(error.diagnostic.keyPath == KeyPath().key("models").item(2))
    #expect(error.diagnostic.suggestion?.name == "hall")
    #expect(error.diagnostic.location == SourceLocation(path: "r.lua", line: 2))
  }

  @Test func whatIsCaughtIsText() throws {
    let text = try lua.run(
      "local ok, e = pcall(refuse) return 'x' .. 'y' .. e .. '|' .. e:sub(1, 4)", name: "r.lua"
    )
    .string
    #expect(text == "xyr.lua:1: \(Self.sentence)|r.lu")
  }

  /// Others in between do not matter, but what is long gone is text alone.
  @Test(arguments: [(20, true), (100, false)]) func theLatestAreRemembered(_ others: Int, _ isKnown: Bool)
    throws
  {
    let script = """
      local ok, e = pcall(refuse)
      for i = 1, \(others) do pcall(number, i) end
      error(e, 0)
      """
    try lua.setGlobal(function: "number") { call in throw LuaError("number \(try call.integer(1))") }
    let error = try #require(luaError { try lua.run(script, name: "r.lua") })
    #expect(error.description == "r.lua:1: " + Self.sentence)
    #expect((error.diagnostic.suggestion != nil) == isKnown)
  }

  /// Words that look like a place are words.
  @Test func placesAreThoseOfTheStack() throws {
    func described(_ script: String) throws -> LuaError {
      try #require(luaError { try lua.run(script, name: "r.lua") })
    }
    let words = try described("\nerror('x.lua:7: base: no', 0)")
    #expect(words.diagnostic.location == nil && words.message == "x.lua:7: base: no")
    #expect(words.raisedAt == SourceLocation(path: "r.lua", line: 2))
    let doubled = try described("\nerror('r.lua:7: no')")
    #expect(doubled.diagnostic.location?.line == 2 && doubled.message == "r.lua:7: no")
    // One that is caught and raised again keeps where it was raised first.
    let again = try described(
      "local ok, e = pcall(error, 'gone')\n\nlocal ok, e = pcall(function() error 'no' end) error(e, 0)")
    #expect(again.diagnostic.location?.line == 3 && again.message == "no")
    let second = try described("local ok, e = pcall(function()\nerror 'no' end)\n\nerror(e, 0)")
    #expect(second.diagnostic.location?.line == 2 && second.message == "no")
  }

  @Test func linesOfSyntaxErrorsAreThoseOfTheFile() throws {
    let name = String(repeating: "long/", count: 20) + "name:3: x.lua"
    let error = try #require(luaError { try lua.run("\n\nx y", name: name) })
    #expect(error.kind == .syntax && error.line == 3 && error.message == "syntax error near 'y'")
  }
}
