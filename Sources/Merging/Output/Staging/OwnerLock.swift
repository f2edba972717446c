import Basics
import Glibc
import Synchronization
import SystemPackage

/// A lock on a file that says that the process which wrote its number there lives.
///
/// The lock is asked first; where the file system has none, the process's number, which counts only for the
/// start of the machine and of the process that it was written in.
final class OwnerLock: Sendable {
  private let descriptor: Atomic<CInt>

  /// Creates the file and takes the lock. `nil` if a living process has it, or the file was moved away
  /// meanwhile.
  init?(_ path: FilePath) throws(Errno) {
    let descriptor = path.withPlatformString { open($0, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600) }
    guard descriptor >= 0 else { throw Errno(rawValue: errno) }
    self.descriptor = Atomic(descriptor)
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      if errno == EWOULDBLOCK || Owner(descriptor)?.isAlive == true { return nil }
    }
    guard let own = try? FileDescriptor(rawValue: descriptor).stat(),
      let now = try? path.stat(followTargetSymlink: false), own.inode == now.inode,
      own.deviceID == now.deviceID
    else { return nil }
    Owner.current.write(to: descriptor)
  }

  deinit { release() }

  func release() {
    let descriptor = descriptor.exchange(-1, ordering: .acquiringAndReleasing)
    if descriptor >= 0 { close(descriptor) }
  }

  /// The number of the process that holds a file's lock, if it says.
  static func process(holding path: FilePath) -> pid_t? {
    let descriptor = path.withPlatformString { open($0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return Owner(descriptor)?.process
  }
}

/// A process, told from all that had or will have its number.
private struct Owner: Equatable {
  var process: pid_t
  /// Of the machine's start.
  var boot: String
  /// Of the process, in ticks since then.
  var started: String

  static var current: Owner { Owner(process: getpid(), boot: bootID, started: startTime(of: getpid())) }

  init(process: pid_t, boot: String, started: String) {
    self.process = process
    self.boot = boot
    self.started = started
  }

  /// `nil` if the file says nothing of the kind.
  init?(_ descriptor: CInt) {
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { return nil }
    let words = String(decoding: buffer[..<count], as: UTF8.self).split(separator: " ")
    guard words.count == 3, let process = pid_t(words[0]) else { return nil }
    self.init(process: process, boot: String(words[1]), started: String(words[2]))
  }

  func write(to descriptor: CInt) {
    let text = Array("\(process) \(boot) \(started)".utf8)
    _ = ftruncate(descriptor, 0)
    _ = pwrite(descriptor, text, text.count, 0)
  }

  var isAlive: Bool {
    started != "-" && boot == Self.bootID && started == Self.startTime(of: process)
  }

  private static let bootID = line(of: "/proc/sys/kernel/random/boot_id") ?? "-"

  /// `-` for a process that is none.
  private static func startTime(of process: pid_t) -> String {
    // The name in parentheses may hold blanks and parentheses.
    guard let state = line(of: FilePath("/proc/\(process)/stat")), let end = state.lastIndex(of: ")") else {
      return "-"
    }
    let words = state[end...].split(separator: " ")
    return words.count > 20 ? String(words[20]) : "-"
  }

  private static func line(of path: FilePath) -> String? {
    let descriptor = path.withPlatformString { open($0, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 1024)
    let count = read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return nil }
    return String(decoding: buffer[..<count].prefix { $0 != 0x0A }, as: UTF8.self)
  }
}
