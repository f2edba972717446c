import Lua
import Testing

@Suite struct SandboxTests {
  @Test func theGlobalsAreThese() throws {
    let names = try text(
      """
      local names = {}
      for name, value in pairs(_G) do
        if type(value) == "table" and name ~= "_G" then
          -- Debian builds Lua with functions of Lua 5.2 that others leave out.
          for _, old in ipairs { "atan2", "cosh", "frexp", "ldexp", "log10", "pow", "sinh", "tanh" } do
            if value == math then value[old] = nil end
          end
          for field in pairs(value) do names[#names + 1] = name .. "." .. field end
        else
          names[#names + 1] = name
        end
      end
      return table.concat(names, " ")
      """)
    #expect(
      names == """
        _G _VERSION assert collectgarbage coroutine.close coroutine.create coroutine.isyieldable \
        coroutine.resume coroutine.running coroutine.status coroutine.wrap coroutine.yield error \
        getmetatable ipairs math.abs math.acos math.asin math.atan math.ceil math.cos math.deg math.exp \
        math.floor math.fmod math.huge math.log math.max math.maxinteger math.min math.mininteger \
        math.modf math.pi math.rad math.random math.randomseed math.sin math.sqrt math.tan math.tointeger \
        math.type math.ult next pairs pcall print rawequal rawget rawlen rawset select setmetatable \
        string.byte string.char string.find string.format string.gmatch string.gsub string.len \
        string.lower string.match string.pack string.packsize string.rep string.reverse string.sub \
        string.unpack string.upper table.concat table.insert table.move table.pack table.remove table.sort \
        table.unpack tonumber tostring type utf8.char utf8.charpattern utf8.codepoint utf8.codes utf8.len \
        utf8.offset warn xpcall
        """)
  }

  @Test(arguments: [
    "load", "loadstring", "loadfile", "dofile", "io", "os", "debug", "package", "string.dump", "('').dump",
    "getmetatable('').__index.dump",
  ])
  func dangerousNamesAreAbsent(name: String) throws {
    #expect(try LuaState().run("return \(name)", name: "r").isNil)
  }

  @Test func stringsLookIntoTheSandboxedTable() throws {
    #expect(try LuaState().run("return getmetatable('').__index == string", name: "r").boolean == true)
    #expect(try LuaState().run("return _VERSION", name: "r").string == "Lua 5.4")
    #expect(try LuaState().run("mine = 1 return _G.mine", name: "r").integer == 1)
  }

  @Test(arguments: [
    "setmetatable({}, { __gc = function() end })",
    "setmetatable({}, { __gc = true })",
    "local mt = setmetatable({}, {}) rawset(mt, '__gc', print) setmetatable({}, mt)",
    "local mt = {} local t = setmetatable({}, mt) mt.__gc = print setmetatable(t, mt)",
    "setmetatable({}, setmetatable({ __gc = print }, { __index = function() end }))",
  ])
  func finalizersAreRefused(script: String) {
    #expect(
      errorText(script)
        == "recipe.lua:1: bad argument #2 to 'setmetatable' (scripts cannot have finalizers: '__gc')")
  }

  @Test func finalizersByOtherWaysDoNotRun() throws {
    let lua = LuaState()
    try lua.run(
      """
      ran = false
      local inherited = setmetatable({}, { __index = { __gc = function() ran = true end } })
      setmetatable({}, inherited)
      local mt = {}
      setmetatable({}, mt)
      mt.__gc = function() ran = true end
      collectgarbage() collectgarbage()
      """, name: "r")
    #expect(try lua.global("ran").boolean == false)
  }

  @Test func setmetatableIsOtherwiseLuasOwn() throws {
    let kept = try LuaState().run("local mt = {} return getmetatable(setmetatable({}, mt)) == mt", name: "r")
    #expect(kept.boolean == true)
    #expect(
      errorText("setmetatable(setmetatable({}, { __metatable = 1 }), {})")
        == "recipe.lua:1: cannot change a protected metatable")
    #expect(
      errorText("setmetatable({}, 1)")
        == "recipe.lua:1: bad argument #2 to 'setmetatable' (nil or table expected, got number)")
    #expect(
      errorText("setmetatable(1, {})")
        == "recipe.lua:1: bad argument #1 to 'setmetatable' (table expected, got number)")
  }

  @Test func collectgarbageKnowsThreeOptions() throws {
    #expect(try LuaState().run("return collectgarbage 'count'", name: "r").number ?? 0 > 1)
    #expect(try LuaState().run("return collectgarbage()", name: "r").integer == 0)
    #expect(try LuaState().run("return collectgarbage('step', 100)", name: "r").boolean != nil)
    #expect(
      errorText("collectgarbage 'stop'")
        == "recipe.lua:1: bad argument #1 to 'collectgarbage' (invalid option 'stop')")
  }

  // MARK: pairs

  @Test func pairsSortsItsKeys() throws {
    let keys = try text(
      """
      local t = { "a", "b", [0] = "z", [-3] = 1, [1.5] = 1, [-0.5] = 1, [1e300] = 1, [-1e300] = 1,
        [math.maxinteger] = 1, [math.mininteger] = 1, [2^63] = 1, z = 1, a = 1, B = 1, ["a\\0b"] = 1, ab = 1,
        [""] = 1, ["é"] = 1,
        [true] = 1, [false] = 1, [print] = 1, [1/0] = 1 }
      local keys = {}
      for k in pairs(t) do keys[#keys + 1] = k == print and "function" or string.format("%q", k) end
      return table.concat(keys, " ")
      """)
    #expect(
      keys == """
        -0x1.7e43c8800759cp+996 0x8000000000000000 -3 -0x1p-1 0 1 0x1.8p+0 2 9223372036854775807 0x1p+63 \
        0x1.7e43c8800759cp+996 1e9999 "" "B" "a" "a\\0b" "ab" "z" "é" false true function
        """)
  }

  @Test(arguments: [0, 1, 2, 63, 64, 65, 66, 1000])
  func pairsVisitsEveryKeyOnce(count: Int) throws {
    let lua = LuaState()
    try lua.setGlobal("n", to: count)
    for fill in [
      "t[i] = i", "t['k' .. i] = i", "t[i * 7 % 1009] = i", "t[-i] = i", "t[i + 0.5] = i",
      "t[i] = i t[0] = 0",
    ] {
      let sum = try lua.run(
        """
        local t, sum = {}, 0
        for i = 1, n do \(fill) end
        for k, v in pairs(t) do assert(t[k] == v) sum = sum + v end
        return sum
        """, name: "r")
      #expect(sum.integer == count * (count + 1) / 2, "\(fill)")
    }
  }

  @Test func pairsOrderDoesNotDependOnHistory() throws {
    let script = """
      local t = {}
      for i = FIRST, LAST, STEP do t["key" .. i] = i end
      local keys = {}
      for k in pairs(t) do keys[#keys + 1] = k end
      return table.concat(keys, " ")
      """
    func keys(_ first: Int, _ last: Int, _ step: Int) throws -> String? {
      let lua = LuaState()
      try lua.setGlobal("FIRST", to: first)
      try lua.setGlobal("LAST", to: last)
      try lua.setGlobal("STEP", to: step)
      return try lua.run(script, name: "r").string
    }
    #expect(try keys(1, 500, 1) == keys(500, 1, -1))
  }

  @Test func tablesMayLoseKeysDuringPairs() throws {
    let result = try text(
      """
      local t = { a = 1, b = 2, c = 3, d = 4, 10, 20, 30 }
      local seen = {}
      for k, v in pairs(t) do
        seen[#seen + 1] = tostring(k)
        t[k] = nil
        t.c = nil
        t[2] = nil
      end
      return table.concat(seen, " ") .. " " .. tostring(next(t))
      """)
    #expect(result == "1 3 a b d nil")
    let sequence = try text(
      """
      local t, seen = { 1, 2, 3, 4 }, {}
      for k in pairs(t) do seen[#seen + 1] = k t[3] = nil t[#t + 1] = 9 end
      return table.concat(seen, " ")
      """)
    #expect(sequence == "1 2 4")
  }

  @Test func pairsHonoursItsMetamethodAndBegins() throws {
    let own = try text(
      """
      local function once(_, k) if not k then return 1, 'v' end end
      local s = ''
      for k, v in pairs(setmetatable({}, { __pairs = function(t) return once, t end })) do s = s .. k .. v end
      return s
      """)
    #expect(own == "1v")
    let again = try LuaState().run(
      "local f, t = pairs { x = 5 } return f(t) == 'x' and select(2, f(t)) == 5", name: "r")
    #expect(again.boolean == true)
    func count(_ table: String) throws -> Int? {
      try LuaState().run("local n = 0 for _ in pairs(\(table)) do n = n + 1 end return n", name: "r").integer
    }
    #expect(try count("{}") == 0)
    #expect(try count("{ 1, 2, nil, 4, x = 1 }") == 4)
  }

  @Test func nestedPairsDoNotMix() throws {
    let result = try text(
      """
      local t, out = { b = 1, a = 2 }, {}
      for k in pairs(t) do for l in pairs(t) do out[#out + 1] = k .. l end end
      return table.concat(out, " ")
      """)
    #expect(result == "aa ab ba bb")
  }

  // MARK: Random numbers

  @Test func randomNumbersFollowTheSeed() throws {
    let script = "local t = {} for i = 1, 5 do t[i] = math.random(1 << 30) end return table.concat(t, ' ')"
    let first = try text(script, in: LuaState(seed: 7))
    #expect(try text(script, in: LuaState(seed: 7)) == first)
    #expect(try text(script, in: LuaState(seed: 8)) != first)
    #expect(try text("math.random() math.randomseed() " + script, in: LuaState(seed: 7)) == first)
    let seeded = try text("math.randomseed(3) " + script, in: LuaState(seed: 7))
    #expect(try text("math.randomseed(3) " + script, in: LuaState(seed: 8)) == seeded)
    #expect(seeded != first)
    #expect(try text("math.randomseed(7) " + script) == first)
  }

  // MARK: Output

  @Test func printAndWarnGoToTheHost() throws {
    final class Lines { var printed: [String] = [], warned: [String] = [] }
    let lines = Lines()
    let lua = LuaState(output: { lines.printed.append($0) }, log: { lines.warned.append($0) })
    try lua.run(
      """
      print("a", 1, 2.5, nil, true)
      print()
      print(setmetatable({}, { __tostring = function() return "object" end }))
      print(("x"):rep(5000))
      warn("one ", "two")
      warn "@off"
      warn "unheard"
      warn "@on"
      warn "heard"
      """, name: "r")
    #expect(lines.printed == ["a\t1\t2.5\tnil\ttrue", "", "object", String(repeating: "x", count: 5000)])
    #expect(lines.warned == ["one two", "heard"])
    #expect(
      errorText("print(setmetatable({}, { __tostring = function() end }))")
        == "recipe.lua:1: '__tostring' must return a string")
  }
}
