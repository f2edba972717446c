import Foundation
import Lua
import Synchronization
import Testing

private let loopMessage = "script ran more than 1,000,000 instructions: an endless loop?"
private let memoryMessage = "script used more than its limit of 16 MB of memory"

private let limits = LuaLimits(memoryBytes: 16 << 20, instructions: 1_000_000)

/// Ways in which a script could try to go on after a limit's error. `LIMIT` runs into one.
private let dodges: [(name: String, script: String)] = [
  ("none", "LIMIT()"),
  ("pcall", "pcall(LIMIT)"),
  ("pcall in a loop", "while true do pcall(LIMIT) end"),
  ("pcall within pcall", "while true do pcall(pcall, pcall, LIMIT) end"),
  ("pcall as a method", "while true do pcall(function() LIMIT() end) end"),
  ("xpcall", "while true do xpcall(LIMIT, function() return 1 end) end"),
  ("xpcall whose handler loops", "xpcall(LIMIT, function() while true do end end)"),
  ("xpcall whose handler fails", "xpcall(LIMIT, function() error 'other' end)"),
  ("xpcall whose handler is at its limit", "xpcall(LIMIT, LIMIT)"),
  ("xpcall whose handler needs memory", "xpcall(LIMIT, function() return ('x'):rep(1 << 30) end)"),
  ("handler of an ordinary error", "xpcall(error, function() LIMIT() end)"),
  ("handler that calls pcall", "while true do xpcall(error, function() pcall(LIMIT) end) end"),
  ("resume", "while true do coroutine.resume(coroutine.create(LIMIT)) end"),
  ("wrap", "while true do pcall(coroutine.wrap(LIMIT)) end"),
  ("wrap within resume", "while true do coroutine.resume(coroutine.create(coroutine.wrap(LIMIT))) end"),
  ("pcall within a coroutine", "while true do coroutine.wrap(function() pcall(LIMIT) end)() end"),
  (
    "pcall across a yield",
    """
    while true do
      local co = coroutine.wrap(function()
        pcall(function() coroutine.yield() LIMIT() end)
        coroutine.yield()
      end)
      co() co()
    end
    """
  ),
  (
    "close",
    """
    while true do
      local co = coroutine.create(function()
        local c <close> = setmetatable({}, { __close = LIMIT })
        coroutine.yield()
      end)
      coroutine.resume(co)
      coroutine.close(co)
    end
    """
  ),
  (
    "__close that fails",
    """
    local function block()
      local c <close> = setmetatable({}, { __close = function() error 'other' end })
      LIMIT()
    end
    while true do pcall(block) end
    """
  ),
  (
    "__close that loops",
    """
    local function block()
      local c <close> = setmetatable({}, { __close = function() while true do end end })
      LIMIT()
    end
    while true do pcall(block) end
    """
  ),
  (
    "__close that calls pcall",
    """
    local function block()
      local c <close> = setmetatable({}, { __close = function() while true do pcall(LIMIT) end end })
      LIMIT()
    end
    while true do pcall(block) end
    """
  ),
  (
    "many __close",
    """
    local function block(n)
      local c <close> = setmetatable({}, { __close = function() while true do end end })
      if n == 0 then LIMIT() else block(n - 1) end
    end
    pcall(block, 150)
    """
  ),
  ("__index", "while true do pcall(function() return setmetatable({}, { __index = LIMIT }).x end) end"),
  ("sort", "while true do pcall(table.sort, { 3, 2, 1 }, LIMIT) end"),
  ("gsub", "while true do pcall(string.gsub, 'abc', '.', function() LIMIT() end) end"),
  ("tostring", "while true do pcall(tostring, setmetatable({}, { __tostring = LIMIT })) end"),
  ("print", "while true do pcall(print, setmetatable({}, { __tostring = LIMIT })) end"),
  ("pairs", "while true do pcall(pairs, setmetatable({}, { __pairs = LIMIT })) end"),
  ("error object", "pcall(LIMIT) error(setmetatable({}, { __tostring = function() return 'mine' end }))"),
  ("Swift", "while true do pcall(swift, LIMIT) end"),
  ("Swift that swallows", "while true do pcall(swallow, LIMIT) end"),
  ("require", "while true do pcall(require, 'limit') end"),
]

private func makeState(_ limits: LuaLimits, defining function: String) throws -> LuaState {
  let lua = LuaState(limits: limits, output: { _ in })
  try lua.setGlobal(function: "swift") { call in try call.result(call.function(1).call()) }
  try lua.setGlobal(function: "swallow") { call in
    _ = try? call.function(1).call()
    return 0
  }
  let modules = LuaModules(root: "/nonexistent") { $0 == "limit.lua" ? .text("LIMIT()") : nil }
  try modules.install(in: lua)
  try lua.run("function LIMIT()\n\(function)\nend", name: "limit.lua")
  return lua
}

private final class Flag: Sendable {
  private let value = Atomic(false)
  var isSet: Bool { value.load(ordering: .relaxed) }
  func set() { value.store(true, ordering: .relaxed) }
}

@Suite struct LuaLimitsTests {
  @Test(arguments: dodges)
  func anEndlessLoopCannotBeHidden(name: String, script: String) throws {
    let lua = try makeState(limits, defining: "while true do end")
    let error = luaError { try lua.run(script, name: "recipe.lua") }
    #expect(error?.kind == .instructionLimit)
    #expect(error?.message == loopMessage)
    #expect(error?.file == "limit.lua" || error?.file == "recipe.lua")
    #expect(error?.line != nil)
  }

  @Test(arguments: dodges)
  func hungerForMemoryCannotBeHidden(name: String, script: String) throws {
    let limits = LuaLimits(memoryBytes: 16 << 20, instructions: 100_000_000)
    let lua = try makeState(limits, defining: "local t = {} for i = 1, 1e9 do t[i] = i end")
    let error = luaError { try lua.run(script, name: "recipe.lua") }
    #expect(error?.description == "limit.lua:2: \(memoryMessage)")
    #expect(error?.kind == .memoryLimit)
    #expect(lua.memoryInUse < 20 << 20)
  }

  @Test(arguments: dodges)
  func anInterruptCannotBeHidden(name: String, script: String) throws {
    let lua = try makeState(LuaLimits(instructions: 100_000_000), defining: "interrupt() while true do end")
    try lua.setGlobal(function: "interrupt") { call in
      call.lua.interrupt.request()
      return 0
    }
    let error = luaError { try lua.run(script, name: "recipe.lua") }
    #expect(error?.kind == .interrupted)
    #expect(error?.message == "interrupted")
  }

  @Test(arguments: [
    "('x'):rep(1 << 30)",
    "local s = 'x' while true do s = s .. s end",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "local t = {} while true do t = { t } end",
    "local t = {} for i = 1, math.huge do t['k' .. i] = true end",
    "return table.concat(setmetatable({}, { __index = function() return ('x'):rep(1e5) end }), '', 1, 1e9)",
    "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
    "local t = {} while true do t[#t + 1] = function() return t end end",
    "return ('x'):rep(1e6):gsub('.', ('y'):rep(1000))",
    "t = setmetatable({}, { __index = table.pack }) x = ('%9d'):rep(2e5):format(table.unpack(t, 1, 2e5))",
    "local function f(...) return f(1, 2, 3, 4, 5, 6, 7, 8, ...) end f()",
  ])
  func everyWayToTakeMemoryIsCounted(script: String) {
    let error = luaError {
      try LuaState(limits: LuaLimits(memoryBytes: 8 << 20)).run(
        "while true do pcall(function() \(script) end) end", name: "recipe.lua")
    }
    #expect(
      error?.description
        == "recipe.lua:1: script used more than its limit of 8 MB of memory")
  }

  @Test func memoryThatIsFreedIsNotCounted() throws {
    let lua = LuaState(limits: LuaLimits(memoryBytes: 4 << 20, instructions: nil))
    try lua.run("for i = 1, 100000 do local s = ('x'):rep(1000) .. i end", name: "recipe.lua")
    lua.collectGarbage()
    #expect(lua.memoryInUse < 200_000)
  }

  @Test func anAllocationThatFitsAfterACollectionSucceeds() throws {
    let lua = LuaState(limits: LuaLimits(memoryBytes: 8 << 20))
    try lua.run("for i = 1, 50 do local s = ('x'):rep(2 << 20) end", name: "recipe.lua")
  }

  @Test func aStoppedStateStaysStopped() throws {
    let lua = try makeState(limits, defining: "while true do end")
    let first = luaError { try lua.run("LIMIT()", name: "recipe.lua") }
    let second = luaError { try lua.run("return 1", name: "recipe.lua") }
    #expect(first?.description == second?.description)
    #expect(luaError { try lua.load("return 1".utf8, name: "x") }?.kind == .instructionLimit)
    #expect(luaError { try lua.charge(1) }?.kind == .instructionLimit)
  }

  @Test func ordinaryErrorsAreStillCaught() throws {
    let lua = LuaState(limits: limits)
    let result = try text(
      """
      local results = {}
      for _, run in ipairs {
        function() return pcall(error, "a", 0) end,
        function() return xpcall(error, function(m) return m .. "!" end, "b", 0) end,
        function() return xpcall(function(...) return ... end, print, "c") end,
        function() return coroutine.resume(coroutine.create(error), "d", 0) end,
        function() return pcall(coroutine.wrap(error), "e", 0) end,
        function() return coroutine.resume(coroutine.create(coroutine.yield), "f") end,
        function() return pcall(pcall) end,
        function() return select("#", pcall(function() return 1, nil, nil end)) end,
      } do
        local ok, value = run()
        results[#results + 1] = tostring(ok) .. " " .. tostring(value)
      end
      return table.concat(results, ";")
      """, in: lua)
    #expect(
      result
        == "false a;false b!;true c;false d;false e;true f;"
        + "false bad argument #1 to 'pcall' (value expected);4 nil"
    )
  }

  @Test func yieldsCrossPcallAndXpcall() throws {
    let result = try text(
      """
      local co = coroutine.wrap(function(...)
        local ok, a = pcall(coroutine.yield, ...)
        local ok2, b = xpcall(function(x)
          local y = coroutine.yield(x)
          error(y, 0)
        end, function(m) return "<" .. m .. ">" end, a)
        local slow = setmetatable({}, {
          __pairs = function() coroutine.yield("p") return next, { k = 1 } end })
        for k in pairs(slow) do coroutine.yield(k) end
        return tostring(ok) .. tostring(ok2) .. b
      end)
      return table.concat({ co("1"), co("2"), co("3"), co(), co() }, " ")
      """)
    #expect(result == "1 2 p k truefalse<3>")
  }

  @Test func coroutinesCloseAndTellTheirStatus() throws {
    let result = try text(
      """
      local log = {}
      local co = coroutine.create(function()
        local c <close> = setmetatable({}, { __close = function() log[#log + 1] = "closed" end })
        coroutine.yield()
      end)
      log[#log + 1] = coroutine.status(co)
      coroutine.resume(co)
      local closed = coroutine.close(co)
      log[#log + 1] = tostring(closed)
      log[#log + 1] = coroutine.status(co)
      local bad = coroutine.create(function()
        local c <close> = setmetatable({}, { __close = function() error("in close", 0) end })
        coroutine.yield()
      end)
      coroutine.resume(bad)
      local ok, message = coroutine.close(bad)
      log[#log + 1] = tostring(ok) .. message
      log[#log + 1] = select(2, pcall(coroutine.close, coroutine.running()))
      log[#log + 1] = select(2, coroutine.resume(co))
      log[#log + 1] = select(2, pcall(coroutine.resume, 1))
      return table.concat(log, ";")
      """)
    #expect(
      result
        == "suspended;closed;true;dead;falsein close;cannot close a running coroutine;"
        + "cannot resume dead coroutine;"
        + "bad argument #1 to 'coroutine.resume' (coroutine expected, got number)"
    )
  }

  @Test func manyShortCoroutinesAreCounted() {
    let error = luaError {
      try LuaState(limits: limits).run(
        "while true do coroutine.wrap(function() for i = 1, 900 do end end)() end", name: "recipe.lua")
    }
    #expect(error?.kind == .instructionLimit)
  }

  @Test(arguments: [
    (1_000_000_000, "script ran more than 1,000,000,000 instructions: an endless loop?"),
    (500, "script ran more than 500 instructions: an endless loop?"),
  ])
  func theInstructionLimitIsTold(limit: Int, message: String) {
    guard limit < 1_000_000 else {
      #expect(LuaLimits().instructions == limit)
      return
    }
    #expect(
      errorText("\nwhile true do end", limits: LuaLimits(instructions: limit)) == "recipe.lua:2: \(message)")
  }

  @Test(arguments: [
    (256 << 10, "256 KB"), (4 << 20, "4 MB"), (5_000_000, "5 MB"), (1_000_001, "1,000,001 bytes"),
  ])
  func theMemoryLimitIsTold(limit: Int, size: String) {
    var limits = LuaLimits(memoryBytes: limit)
    let message = "recipe.lua:1: script used more than its limit of \(size) of memory"
    #expect(errorText("local s = ('x'):rep(1 << 30)", limits: limits) == message)
    limits.memoryOption = "--more"
    #expect(errorText("local s = ('x'):rep(1 << 30)", limits: limits) == message + " (--more)")
  }

  @Test func compilingCountsToo() {
    let long = "return {" + String(repeating: "'a' .. 'b', ", count: 200_000) + "}"
    let lua = LuaState(limits: LuaLimits(memoryBytes: 1 << 20))
    #expect(luaError { try lua.run(long, name: "r") }?.kind == .memoryLimit)
  }

  @Test func interruptsComeFromOtherThreads() throws {
    let interrupt = LuaInterrupt()
    let started = Flag()
    let stopping = Thread {
      while !started.isSet { Thread.sleep(forTimeInterval: 0.001) }
      interrupt.request()
    }
    stopping.start()
    let lua = LuaState(limits: LuaLimits(instructions: nil), interrupt: interrupt)
    try lua.setGlobal(function: "start") { _ in
      started.set()
      return 0
    }
    let error = luaError { try lua.run("start()\nwhile true do pcall(error) end", name: "recipe.lua") }
    #expect(error?.description == "recipe.lua:2: interrupted")
  }

  @Test func swiftStopsTheScriptForGood() throws {
    let lua = LuaState()
    try lua.setGlobal(function: "wait") { _ in throw LuaError.interrupted }
    let error = luaError { try lua.run("\nwhile true do pcall(wait) end", name: "recipe.lua") }
    #expect(error?.description == "recipe.lua:2: interrupted")

    let other = LuaState()
    try other.setGlobal(function: "work") { call in
      call.lua.interrupt.request()
      try call.lua.checkInterrupt()
      return 0
    }
    #expect(luaError { try other.run("pcall(work)", name: "recipe.lua") }?.kind == .interrupted)
  }

  // MARK: Charges

  @Test func chargesCountAgainstTheLimit() throws {
    let lua = LuaState(limits: LuaLimits(memoryBytes: 16 << 20))
    try lua.setGlobal(function: "grow") { call in
      try call.lua.charge(call.integer(1))
      return 0
    }
    try lua.run("grow(4 << 20)", name: "recipe.lua")
    let used = lua.memoryInUse
    #expect(used > 4 << 20)
    lua.discharge(4 << 20)
    #expect(lua.memoryInUse == used - 4 << 20)
    let error = luaError { try lua.run("\nwhile true do pcall(grow, 1 << 20) end", name: "recipe.lua") }
    #expect(error?.description == "recipe.lua:2: \(memoryMessage)")
  }

  @Test func aChargeCollectsWhatIsGarbageBeforeItFails() throws {
    let lua = LuaState(limits: LuaLimits(memoryBytes: 16 << 20))
    let type = try lua.makeHandleType(LuaTypeDefinition(name: "tensor")) { lua, bytes in
      lua.discharge(Int(bytes))
    }
    try lua.setGlobal(function: "tensor") { call in
      let bytes = try call.integer(1)
      try call.lua.charge(bytes)
      return try call.result(handle: UInt64(bytes), of: type)
    }
    try lua.run("for i = 1, 1000 do tensor(1 << 20) end", name: "recipe.lua")
    let error = luaError {
      try lua.run("local t = {} for i = 1, 1000 do t[i] = tensor(1 << 20) end", name: "recipe.lua")
    }
    #expect(error?.kind == .memoryLimit)
  }

  @Test func garbageWithCostlyPayloadIsCollectedByLuaToo() throws {
    // Charged memory is nothing that Lua's collector sees; the hook makes it run.
    let lua = LuaState(limits: LuaLimits(memoryBytes: 16 << 20))
    let type = try lua.makeHandleType(LuaTypeDefinition(name: "tensor")) { lua, _ in lua.discharge(100_000) }
    try lua.setGlobal(function: "tensor") { call in
      try call.lua.charge(100_000)
      return try call.result(handle: 1, of: type)
    }
    try lua.run("for i = 1, 10000 do local t = tensor() for j = 1, 100 do end end", name: "recipe.lua")
    #expect(lua.memoryInUse < 16 << 20)
  }
}
