import Glibc
import Lua
import Merging
import Scripting
import Synchronization

/// Ctrl-C and requests to end: the first stops the run in good order, the second at once.
enum Signals {
  /// Stops scripts and passes.
  static let interrupt = LuaInterrupt()

  /// The signal that asked to end, or 0.
  private static let received = Atomic<CInt>(0)

  /// What an interrupted process ends with, as shells have it: 128 and the signal's number. `nil` if none came.
  static var exitCode: CInt? {
    let number = received.load(ordering: .acquiring)
    return number == 0 ? nil : 128 + number
  }

  /// Starts the thread that takes signals. To be called before any other thread is made, so that none
  /// of them takes one.
  static func watch() {
    _ = interrupt
    signal(SIGPIPE, SIG_IGN)
    // A write beyond the limit on a file's size is then an error like any other.
    signal(SIGXFSZ, SIG_IGN)
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, number) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    var thread = pthread_t()
    let status = pthread_create(&thread, nil, { _ in Signals.takeSignals() }, nil)
    if status == 0 { pthread_detach(thread) }
  }

  /// Waits for signals, on a thread of its own.
  private static func takeSignals() -> UnsafeMutableRawPointer? {
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, number) }
    var number: Int32 = 0
    while sigwait(&set, &number) == 0 {
      received.store(number, ordering: .releasing)
      interrupt.request()
      // A run ends within milliseconds; what looks at no flag for so long does not look at all.
      var patience = timespec(tv_sec: 5, tv_nsec: 0)
      _ = sigtimedwait(&set, nil, &patience)
      giveUp("interrupted")
    }
    return nil
  }

  /// Ends the process when nothing else can, without leaving an unfinished output behind.
  static func giveUp(_ reason: String) -> Never {
    OutputDirectory.discardAll()
    fflush(nil)
    Terminal.error("error: \(reason)")
    _exit(exitCode ?? 1)
  }
}
