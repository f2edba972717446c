import CLuaBridge

/// What a script may use.
package struct LuaLimits: Sendable {
  /// Bytes that Lua holds and Swift charges for; `nil` for no limit.
  package var memoryBytes: Int?
  /// What raises that limit, such as an option of a program, for its message.
  package var memoryOption: String?
  /// Virtual machine instructions over the life of the state, to within a thousand; `nil` for no limit.
  package var instructions: Int?
  /// Seconds of wall-clock time over the life of the state; `nil` for no limit.
  package var seconds: Double?
  /// What sets that limit, such as an option of a program, for its message.
  package var secondsOption: String?
  /// Seconds that a C library function may run before the watchdog calls its handler; `nil` for no limit.
  package var hangSeconds: Double?
  /// Seconds that a script has to unwind after an interrupt before the watchdog calls its handler.
  package var interruptSeconds: Double

  package init(
    memoryBytes: Int? = 256_000_000, instructions: Int? = 1_000_000_000, hangSeconds: Double? = 10,
    interruptSeconds: Double = 2
  ) {
    self.memoryBytes = memoryBytes
    self.instructions = instructions
    self.hangSeconds = hangSeconds
    self.interruptSeconds = interruptSeconds
  }
}

/// A request to stop a script, made from a signal handler or another thread.
///
/// Make it before the signal handler is installed, and keep it in a constant: then `request` is
/// async-signal-safe, as it stores one integer.
package final class LuaInterrupt: @unchecked Sendable {
  // Unchecked: the flag is only touched by atomic loads and stores, and lives as long as this object.
  let flag: UnsafeMutablePointer<Int32>

  /// Who stops the states.
  enum Reason: Int32 {
    case request = 1
    case timeLimit = 2
  }

  package init() {
    flag = .allocate(capacity: 1)
    flag.initialize(to: 0)
  }

  deinit { flag.deallocate() }

  /// Makes every state with this interrupt stop with the error `interrupted`.
  package func request() { bridge_set_interrupt(flag, Reason.request.rawValue) }

  /// The same, as the time is up.
  func stopForTime() { bridge_set_interrupt(flag, Reason.timeLimit.rawValue) }

  /// Who asked, first or last.
  var reason: Reason? { Reason(rawValue: bridge_interrupt_reason(flag)) }

  /// Whether a stop was requested.
  package var isRequested: Bool { bridge_is_interrupted(flag) }
}
