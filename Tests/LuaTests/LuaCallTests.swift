import Lua
import Testing

private struct Refusal: Error, CustomStringConvertible {
  var description: String { "shapes [2, 3] and [4] differ" }
}

/// A state with functions that read arguments in every way.
private func stateWithFunctions() throws -> LuaState {
  let lua = LuaState()
  try lua.setGlobal(function: "add") { call in try call.result(call.integer(1) + call.integer(2)) }
  try lua.setGlobal(function: "half") { call in try call.result(call.number(1) / 2) }
  try lua.setGlobal(function: "upper") { call in try call.result(call.string(1).uppercased()) }
  try lua.setGlobal(function: "negate") { call in try call.result(!call.boolean(1)) }
  try lua.setGlobal(function: "size") { call in try call.result(call.lua.length(at: call.table(1))) }
  try lua.setGlobal(function: "maybe") { call in try call.result(call.optional(1, call.integer) ?? -1) }
  try lua.setGlobal(function: "several") { call in try call.results(1, "two", true) }
  try lua.setGlobal(function: "none") { _ in 0 }
  try lua.setGlobal(function: "apply") { call in
    let function = try call.function(1)
    return try call.result(function.call(call.value(2)))
  }
  try lua.setGlobal(function: "refuse") { _ in throw Refusal() }
  return lua
}

@Suite struct LuaCallTests {
  @Test func argumentsAndResults() throws {
    let lua = try stateWithFunctions()
    #expect(try lua.run("return add(2, 3.0)", name: "r").integer == 5)
    #expect(try lua.run("return half(3)", name: "r").number == 1.5)
    #expect(try lua.run("return upper 'straße'", name: "r").string == "STRASSE")
    #expect(try lua.run("return negate(false)", name: "r").boolean == true)
    #expect(try lua.run("return size {1, 2, 3}", name: "r").integer == 3)
    #expect(try lua.run("return maybe()", name: "r").integer == -1)
    #expect(try lua.run("return maybe(nil)", name: "r").integer == -1)
    #expect(try lua.run("return maybe(7)", name: "r").integer == 7)
    #expect(try lua.run("return select('#', several()) + select('#', none())", name: "r").integer == 3)
    #expect(try lua.run("return apply(function(x) return x * 2 end, 21)", name: "r").integer == 42)
  }

  @Test(arguments: [
    ("add(1)", "bad argument #2 to 'add' (number expected, got no value)"),
    ("add(1, nil)", "bad argument #2 to 'add' (number expected, got nil)"),
    ("add(1, '2')", "bad argument #2 to 'add' (number expected, got string)"),
    ("add(1.5, 2)", "bad argument #1 to 'add' (number has no integer representation)"),
    ("half({})", "bad argument #1 to 'half' (number expected, got table)"),
    ("upper(1)", "bad argument #1 to 'upper' (string expected, got number)"),
    ("negate()", "bad argument #1 to 'negate' (boolean expected, got no value)"),
    ("size(print)", "bad argument #1 to 'size' (table expected, got function)"),
    ("maybe('x')", "bad argument #1 to 'maybe' (number expected, got string)"),
    ("apply(coroutine.create(print))", "bad argument #1 to 'apply' (function expected, got thread)"),
    ("refuse()", "shapes [2, 3] and [4] differ"),
  ])
  func errorsNameTheUsersLine(call: String, message: String) throws {
    let lua = try stateWithFunctions()
    let error = luaError { try lua.run("\n\(call)", name: "recipe.lua") }
    #expect(error?.description == "recipe.lua:2: \(message)")
    #expect(error?.file == "recipe.lua")
    #expect(error?.line == 2)
    #expect(error?.kind == .runtime)
    #expect(lua.top == 0)
  }

  @Test func scriptsCatchWhatSwiftThrows() throws {
    let lua = try stateWithFunctions()
    let caught = try text("local ok, message = pcall(refuse) return tostring(ok) .. ' ' .. message", in: lua)
    #expect(caught == "false recipe.lua:1: shapes [2, 3] and [4] differ")
  }

  @Test func errorsPassThroughManyLayers() throws {
    let lua = try stateWithFunctions()
    let error = luaError {
      try lua.run(
        """
        local function deep(n)
          if n == 0 then refuse() end
          return apply(deep, n - 1)
        end
        deep(20)
        """, name: "recipe.lua")
    }
    #expect(error?.description == "recipe.lua:2: shapes [2, 3] and [4] differ")
    #expect(error?.traceback?.contains("recipe.lua:2:") == true)
  }

  @Test func errorObjectsKeepTheirIdentity() throws {
    let lua = try stateWithFunctions()
    let same = try lua.run(
      """
      local object = { code = 7 }
      local ok, caught = pcall(apply, function() apply(error, object) end)
      return rawequal(caught, object)
      """, name: "recipe.lua")
    #expect(same.boolean == true)
    let error = luaError { try lua.run("apply(error, { code = 7 })", name: "recipe.lua") }
    #expect(try error?.value?.field("code").integer == 7)
  }

  @Test func recursionThroughSwiftEndsInAnError() throws {
    let lua = try stateWithFunctions()
    let error = luaError {
      try lua.run("local function f(x) return apply(f, x) end f(1)", name: "recipe.lua")
    }
    #expect(error?.kind == .runtime)
    #expect(error?.message.contains("C stack overflow") == true)
    #expect(try lua.run("return add(1, 1)", name: "r").integer == 2)
  }

  @Test func functionsMayMakeFunctions() throws {
    let lua = LuaState()
    try lua.setGlobal(function: "adder") { call in
      let number = try call.integer(1)
      try call.lua.pushFunction("added") { call in try call.result(call.integer(1) + number) }
      return 1
    }
    #expect(try lua.run("return adder(2)(40)", name: "r").integer == 42)
    #expect(luaError { try lua.run("adder(2)()", name: "r") }?.message.contains("to 'added'") == true)
  }

  @Test func swiftIsCalledFromCoroutines() throws {
    let lua = try stateWithFunctions()
    let result = try text(
      """
      local co = coroutine.wrap(function(a)
        local b = coroutine.yield(add(a, 1))
        local ok, message = pcall(refuse)
        coroutine.yield(message)
        apply(function() refuse() end)
      end)
      local first, second = co(1), co(5)
      local ok, third = pcall(co)
      return first .. "|" .. second .. "|" .. third
      """, in: lua)
    let refusal = "shapes [2, 3] and [4] differ"
    #expect(result == "2|recipe.lua:3: \(refusal)|recipe.lua:5: \(refusal)")
  }

  @Test func swiftCannotBeYieldedAcross() throws {
    let lua = try stateWithFunctions()
    let message = try text(
      """
      local co = coroutine.create(function() apply(coroutine.yield, 1) end)
      local ok, message = coroutine.resume(co)
      return message
      """, in: lua)
    #expect(message?.hasSuffix("attempt to yield across a C-call boundary") == true)
  }

  @Test func theInnermostLineOfTheUserCounts() throws {
    let lua = try stateWithFunctions()
    try lua.setGlobal(function: "where") { call in try call.result(call.lua.userPosition?.description) }
    try lua.run("function through(f) return f() end", name: "a.lua", origin: .standardLibrary)
    #expect(try lua.run("\nlocal r = through(where) return r", name: "recipe.lua").string == "recipe.lua:2")
    #expect(
      try lua.run("local r = through(coroutine.wrap(where)) return r", name: "recipe.lua").string
        == "recipe.lua:1",
      "a coroutine without code of its own is where it was resumed")
    #expect(try lua.run("return where()", name: "stdlib/mine.lua").string == "./stdlib/mine.lua:1")
    #expect(lua.userPosition == nil)
  }

  @Test func messagesCountMethodArgumentsAsLuaDoes() throws {
    let lua = try stateWithFunctions()
    try lua.run("object = { add = add, half = half }", name: "r")
    #expect(
      luaError { try lua.run("object:half()", name: "recipe.lua") }?.description
        == "recipe.lua:1: calling 'half' on bad self (number expected, got table)")
    try lua.setGlobal(function: "second") { call in try call.result(call.integer(2)) }
    #expect(
      luaError { try lua.run("object.second = second object:second('x')", name: "recipe.lua") }?.description
        == "recipe.lua:1: bad argument #1 to 'second' (number expected, got string)")
  }
}
