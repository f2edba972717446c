import Basics
import CLuaBridge
import Glibc

/// Why a script had to be ended from outside.
package enum WatchdogReason: Sendable, Hashable, CustomStringConvertible {
  /// Lua ran so many seconds without an instruction: a C library function hangs. `near` is a line of the
  /// user's code that ran shortly before.
  case hung(seconds: Double, near: String?)
  /// An interrupt was requested and the script has not unwound.
  case interrupted
  /// The same, as the time is up.
  case outOfTime

  package var description: String {
    switch self {
    case .interrupted: return "interrupted"
    case .outOfTime: return "the time limit is reached"
    case .hung(let seconds, let near):
      let place = near.map { "near \($0): " } ?? ""
      // A whole number of seconds reads without its fraction.
      let time = seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)"
      return "\(place)a library function ran for more than \(time) seconds"
        + " (string.find and its like can with a pattern that backtracks)"
    }
  }
}

/// A thread that notices when a script hangs where no hook runs.
///
/// It cannot stop the script: its handler is expected to clean up and end the process.
final class Watchdog: @unchecked Sendable {
  // Unchecked: all but the descriptors is constant, and the host is read by atomic loads, except for the
  // position that was seen last, which a hung script does not write.
  private let host: OpaquePointer
  private let interrupt: LuaInterrupt
  private let hangSeconds: Double
  private let interruptSeconds: Double
  /// When the time is up.
  private let end: Double
  private let handler: (@Sendable (WatchdogReason) -> Void)?
  /// A pipe whose writing end closes to end the thread.
  private let wakeUp: (reading: Int32, writing: Int32)
  private var thread: pthread_t?

  /// Starts to watch. `nil` if the system gives no thread.
  init?(
    host: OpaquePointer, interrupt: LuaInterrupt, limits: LuaLimits,
    handler: (@Sendable (WatchdogReason) -> Void)?
  ) {
    self.host = host
    self.interrupt = interrupt
    hangSeconds = limits.hangSeconds ?? .infinity
    interruptSeconds = limits.interruptSeconds
    end = Self.now() + (limits.seconds ?? .infinity)
    self.handler = handler
    var descriptors: [Int32] = [-1, -1]
    guard pipe(&descriptors) == 0 else { return nil }
    for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    wakeUp = (descriptors[0], descriptors[1])

    // Signals are for the thread that runs the script.
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    // The default is the limit of the main thread's, which may be a few pages.
    pthread_attr_setstacksize(&attributes, 1 << 20)
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        Unmanaged<Watchdog>.fromOpaque(argument!).takeUnretainedValue().watch()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    guard status == 0 else {
      close(wakeUp.reading)
      close(wakeUp.writing)
      return nil
    }
    self.thread = thread
  }

  /// Ends the thread and waits for its end. The host must still be there.
  func stop() {
    guard let thread else { return }
    self.thread = nil
    close(wakeUp.writing)
    pthread_join(thread, nil)
    close(wakeUp.reading)
  }

  private func watch() {
    let tick = max(0.01, min(0.25, hangSeconds / 4, interruptSeconds / 4))
    var time = Self.now()
    var beat = bridge_heartbeat(host)
    var silence = 0.0
    var unwinding = 0.0
    var reported: (hang: Bool, interrupt: Bool) = (false, false)

    while !waitForStop(seconds: time < end ? min(tick, end - time) : tick) {
      // A process that was stopped for an hour did not hang for an hour.
      let newTime = Self.now()
      if newTime >= end, !interrupt.isRequested { interrupt.stopForTime() }
      let elapsed = min(newTime - time, 2 * tick)
      time = newTime

      let newBeat = bridge_heartbeat(host)
      if newBeat != beat || !bridge_in_lua(host) {
        beat = newBeat
        silence = 0
        reported.hang = false
      } else {
        silence += elapsed
      }
      if silence > hangSeconds, !reported.hang {
        reported.hang = true
        handler?(.hung(seconds: hangSeconds, near: lastPosition))
      }

      let isUnwinding = bridge_stop_is_requested(host) && bridge_is_active(host)
      unwinding = isUnwinding ? unwinding + elapsed : 0
      if unwinding > interruptSeconds, !reported.interrupt {
        reported.interrupt = true
        handler?(interrupt.reason == .timeLimit ? .outOfTime : .interrupted)
      }
    }
  }

  /// Where the hook last saw the user's code.
  private var lastPosition: String? {
    SourceLocation(bridge_seen_position(host))?.description
  }

  /// Waits, and tells whether `stop` was called.
  private func waitForStop(seconds: Double) -> Bool {
    var descriptor = pollfd(fd: wakeUp.reading, events: Int16(POLLIN), revents: 0)
    return poll(&descriptor, 1, Int32(seconds * 1000)) > 0
  }

  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
