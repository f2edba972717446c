import Lua
import Testing

/// Runs `body`, which must throw a `LuaError`, and returns that.
func luaError(_ body: () throws -> Void) -> LuaError? {
  do {
    try body()
    Issue.record("no error was thrown")
  } catch let error as LuaError {
    return error
  } catch {
    Issue.record("\(error) is no LuaError")
  }
  return nil
}

/// Runs `text` as `recipe.lua` in a new state and returns the description of its error.
func errorText(_ text: String, limits: LuaLimits = LuaLimits()) -> String? {
  luaError { try LuaState(limits: limits).run(text, name: "recipe.lua") }?.description
}

/// Runs `text` as `recipe.lua` and returns the string that it gives.
func text(_ text: String, in lua: LuaState = LuaState()) throws -> String? {
  try lua.run(text, name: "recipe.lua").string
}

@Suite struct LuaStateTests {
  @Test func valuesComeBackAsTheyWent() throws {
    let lua = LuaState()
    #expect(try lua.run("return nil", name: "r").isNil)
    #expect(try lua.run("return true", name: "r").boolean == true)
    #expect(try lua.run("return 42", name: "r").integer == 42)
    #expect(try lua.run("return 42.0", name: "r").integer == 42)
    #expect(try lua.run("return 4.5", name: "r").integer == nil)
    #expect(try lua.run("return 4.5", name: "r").number == 4.5)
    #expect(try lua.run("return math.mininteger", name: "r").integer == Int.min)
    #expect(try lua.run("return 'é\\0x'", name: "r").string == "é\0x")
    #expect(try lua.run("return '\\xff'", name: "r").string == "\u{FFFD}")
    #expect(try lua.run("return '12'", name: "r").number == nil)

    try lua.setGlobal("list", to: [1, 2, 3])
    try lua.setGlobal("record", to: ["b": "zwei", "a": "eins"])
    try lua.setGlobal("none", to: Int?.none)
    try lua.setGlobal("empty", to: "")
    #expect(
      try text("return #list .. record.a .. record.b .. tostring(none) .. empty", in: lua) == "3einszweinil")
    #expect(lua.top == 0)
  }

  @Test func bytesThatAreNoTextStayExact() throws {
    let lua = LuaState()
    let bytes: [UInt8] = [0xFF, 0, 0x80]
    try bytes.withUnsafeBytes { try lua.push(bytes: $0) }
    let read = lua.withBytes(at: -1) { Array($0) }
    #expect(read == bytes)
  }

  @Test func tablesAreReadWithoutMetamethods() throws {
    let lua = LuaState()
    try lua.load(
      """
      local t = setmetatable({10, 20, x = 1, [2.5] = "f"}, {
        __index = function() error "called" end, __len = function() return 99 end,
        __pairs = function() error "called" end })
      return t
      """.utf8, name: "r")
    try lua.call(arguments: 0, results: 1)
    #expect(lua.length(at: 1) == 2)
    #expect(try lua.field("missing", at: 1).isNil)
    #expect(try lua.element(2, at: 1).integer == 20)
    #expect(try lua.element(3, at: 1).isNil)

    var keys: [String] = []
    try lua.forEachPair(at: 1) {
      keys.append(lua.string(at: -2) ?? "\(lua.number(at: -2) ?? 0)")
    }
    #expect(keys == ["1.0", "2.0", "2.5", "x"])
    var elements: [Int?] = []
    try lua.forEachElement(at: 1) { _ in elements.append(lua.integer(at: -1)) }
    #expect(elements == [10, 20])
    #expect(lua.top == 1)
  }

  @Test func aTableMayChangeWhileItIsRead() throws {
    let lua = LuaState()
    try lua.load("local t = {} for i = 1, 100 do t['k' .. i] = i end return t".utf8, name: "r")
    try lua.call(arguments: 0, results: 1)
    var seen = 0
    try lua.forEachPair(at: 1) {
      seen += 1
      try lua.setField("k99", to: Int?.none, at: 1)
      try lua.setField("new\(seen)", to: seen, at: 1)
      lua.collectGarbage()
    }
    #expect(seen == 99)
  }

  @Test func referencesKeepValuesAndOutliveTheState() throws {
    var lua: LuaState? = LuaState()
    let counter = try lua?.run("local n = 0 return function(k) n = n + k return n end", name: "r")
    let function = try #require(counter?.function)
    lua?.collectGarbage()
    #expect(try function.call(2).integer == 2)
    #expect(try function.call(3).integer == 5)
    lua = nil
    let error = luaError { _ = try function.call(1) }
    #expect(error?.description == "a Lua value is used after its state was closed")
  }

  @Test func aReferenceOfAnotherStateIsRefused() throws {
    let lua = LuaState()
    let table = try #require(try LuaState().run("return {}", name: "r").table)
    #expect(luaError { try lua.setGlobal("t", to: table) } != nil)
    let other = LuaState()
    let foreign = try #require(try other.run("return {}", name: "r").table)
    let error = luaError { try lua.setGlobal("t", to: foreign) }
    #expect(error?.description == "a Lua value is used in another state than its own")
  }

  @Test func slotsOfReferencesAreUsedAgain() throws {
    let lua = LuaState()
    try lua.setGlobal("t", to: [1])
    _ = try lua.global("t")
    lua.collectGarbage()
    let before = lua.memoryInUse
    for _ in 0..<10_000 { _ = try lua.global("t") }
    lua.collectGarbage()
    #expect(lua.memoryInUse - before < 1000)
  }

  @Test func textMayBeginWithAMarkOrAHash() throws {
    let lua = LuaState()
    #expect(try lua.run("\u{FEFF}return 1", name: "r").integer == 1)
    #expect(try lua.run("#!/usr/bin/mergekit-lua\nreturn 2", name: "r").integer == 2)
    #expect(errorText("# a line\nx y") == "recipe.lua:2: syntax error near 'y'")
  }

  @Test func bytecodeIsRefused() throws {
    let error = luaError { try LuaState().load([0x1B, 0x4C, 0x75, 0x61, 0x54], name: "recipe.lua") }
    #expect(error?.kind == .syntax)
    #expect(error?.message.contains("attempt to load a binary chunk") == true)
  }

  @Test func callsTakeAndGiveManyValues() throws {
    let lua = LuaState()
    try lua.load("return ...".utf8, name: "r")
    for number in 1...300 { try lua.push(number) }
    try lua.call(arguments: 300, results: nil)
    #expect(lua.top == 300)
    #expect(lua.integer(at: -1) == 300)
  }
}
