import Basics
import CMemory
import Glibc
import Lua
import Merging
import Scripting
import Synchronization

/// Ctrl-C and requests to end: the first stops the run in good order, the second at once. And the end of memory, after
/// which another thread than the one that asked for more has to clear up.
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
    var set = taken
    pthread_sigmask(SIG_BLOCK, &set, nil)
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    // The default is the limit of the main thread's, which may be a few pages.
    pthread_attr_setstacksize(&attributes, 1 << 20)
    let status = pthread_create(&thread, &attributes, { _ in Signals.takeSignals() }, nil)
    pthread_attr_destroy(&attributes)
    if status == 0 {
      pthread_detach(thread)
      memory_end_by_signal(outOfMemory)
    }
  }

  /// Sent by the thread that got no memory.
  private static let outOfMemory = SIGUSR1

  private static var taken: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP, outOfMemory] { sigaddset(&set, number) }
    return set
  }

  /// Waits for signals, on a thread of its own.
  private static func takeSignals() -> UnsafeMutableRawPointer? {
    var set = taken
    var number: Int32 = 0
    while sigwait(&set, &number) == 0 {
      if number == outOfMemory {
        guard memory_has_failed() else { continue }
        // It has been said.
        OutputDirectory.discardAll()
        _exit(1)
      }
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
    Terminal.report(Diagnostic(.foreign(reason)))
    _exit(exitCode ?? 1)
  }
}
