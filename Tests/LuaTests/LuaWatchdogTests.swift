import Glibc
import Lua
import Synchronization
import Testing

/// What a watchdog reported.
private final class Reports: Sendable {
  private let list = Mutex<[WatchdogReason]>([])
  func add(_ reason: WatchdogReason) { list.withLock { $0.append(reason) } }
  var all: [WatchdogReason] { list.withLock { $0 } }
}

/// A pattern that backtracks for long, which no hook sees: `work` is about the cube of its time.
private func hangingScript(_ work: Int) -> String {
  """
  for i = 1, 2000 do end
  local s = ("a"):rep(\(work))
  s:find(".-.-b")
  """
}

@Suite struct LuaWatchdogTests {
  @Test func aLibraryFunctionThatHangsIsReportedOnce() throws {
    let reports = Reports()
    let lua = LuaState(limits: LuaLimits(hangSeconds: 0.1), onHang: { reports.add($0) })
    try lua.run(hangingScript(900), name: "recipe.lua")
    #expect(reports.all == [.hung(seconds: 0.1, near: "recipe.lua:1")])
    #expect(
      reports.all.first?.description
        == "near recipe.lua:1: a library function ran for more than 0.1 seconds"
        + " (string.find and its like can with a pattern that backtracks)")
  }

  @Test func aScriptThatRunsIsLeftAlone() throws {
    let reports = Reports()
    let lua = LuaState(limits: LuaLimits(instructions: nil, hangSeconds: 0.5), onHang: { reports.add($0) })
    try lua.setGlobal(function: "sleep") { _ in
      usleep(700_000)
      return 0
    }
    try lua.run("sleep() for i = 1, 3e7 do end", name: "recipe.lua")
    #expect(reports.all == [])
  }

  @Test func anInterruptThatIsNotObeyedIsReported() throws {
    let reports = Reports()
    let interrupt = LuaInterrupt()
    let lua = LuaState(
      limits: LuaLimits(hangSeconds: 100, interruptSeconds: 0.1), interrupt: interrupt,
      onHang: { reports.add($0) })
    try lua.setGlobal(function: "wait") { _ in
      interrupt.request()
      usleep(400_000)
      return 0
    }
    #expect(luaError { try lua.run("wait()", name: "recipe.lua") }?.kind == .interrupted)
    #expect(reports.all == [.interrupted])
  }

  @Test func anInterruptThatIsObeyedIsNot() throws {
    let reports = Reports()
    let lua = LuaState(limits: LuaLimits(interruptSeconds: 0.1), onHang: { reports.add($0) })
    lua.interrupt.request()
    #expect(luaError { try lua.run("while true do end", name: "recipe.lua") }?.kind == .interrupted)
    usleep(300_000)
    #expect(reports.all == [])
  }

  @Test(arguments: ["while true do end", "while true do pcall(function() while true do end end) end"])
  func theTimeLimitStopsAScript(_ script: String) {
    var limits = LuaLimits(instructions: nil)
    limits.seconds = 0.1
    limits.secondsOption = "--time"
    let error = luaError { try LuaState(limits: limits).run(script, name: "recipe.lua") }
    #expect(error?.kind == .timeLimit)
    #expect(error?.description == "recipe.lua:1: the run took longer than its limit of 0.1 seconds (--time)")
  }

  @Test func closingEndsTheThreadAtOnce() throws {
    let clock = ContinuousClock()
    let time = try clock.measure {
      for _ in 0..<20 {
        let lua = LuaState(onHang: { _ in })
        try lua.run("return 1", name: "r")
      }
    }
    #expect(time < .seconds(1))
  }
}
