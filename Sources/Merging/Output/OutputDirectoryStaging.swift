import Basics
import Glibc
import Synchronization
import SystemPackage

/// A temporary directory that an output grows in, and that leaves no trace unless it is put in place.
///
/// It is called `.OUT.mergekit-PID-RANDOM`. A lock on it says that its process lives; one whose process
/// died is removed when the same output is written again.
final class StagingDirectory: Sendable {
  private enum State {
    case open
    case finished
    case discarded
  }

  /// The directory to write in.
  let path: FilePath

  /// Where contents that the new ones displace wait until these are in place.
  var displaced: FilePath {
    path.removingLastComponent().appending("\(path.lastComponent?.string ?? "")\(Self.displacedSuffix)")
  }

  private static let displacedSuffix = ".old"

  /// Directories above that were created for this output, outermost first.
  private let createdParents: [FilePath]
  private let lock: FileDescriptor?
  private let state = Mutex(State.open)

  /// Every staging directory that is not finished or discarded.
  private static let live = Mutex<[FilePath: StagingDirectory]>([:])

  /// Creates one in `parent`, which must exist, for an output called `name`.
  init(in parent: FilePath, for name: String, createdParents: [FilePath] = []) throws(Errno) {
    while true {
      let path = parent.appending(Self.prefix(for: name) + "\(getpid())-" + Self.randomName())
      do {
        try DirectoryFiles.makeDirectory(path)
      } catch .fileExists {
        continue
      }
      self.path = path
      break
    }
    self.createdParents = createdParents
    lock = Self.lock(path)
    Self.live.withLock { $0[path] = self }
  }

  deinit { closeLock() }

  /// Runs `install`, which moves the contents to their place, unless they were discarded. A
  /// `discard()` meanwhile waits.
  ///
  /// - Returns: false if the directory was discarded before.
  func finish(
    _ install: () throws(OutputDirectoryError) -> Void
  ) throws(OutputDirectoryError) -> Bool {
    let outcome: Result<Bool, OutputDirectoryError> = state.withLock { state in
      switch state {
      case .finished: return .success(true)
      case .discarded: return .success(false)
      case .open: break
      }
      do throws(OutputDirectoryError) {
        try install()
      } catch {
        return .failure(error)
      }
      state = .finished
      return .success(true)
    }
    guard try outcome.get() else { return false }
    leaveRegistry()
    return true
  }

  /// Removes the directory, and those that were created above it, unless it is finished.
  func discard() {
    state.withLock { state in
      guard case .open = state else { return }
      state = .discarded
      // Another thread may be creating files in it at this moment.
      var attempts = 10
      while !DirectoryFiles.removeTree(path), attempts > 0 { attempts -= 1 }
      for parent in createdParents.reversed() { DirectoryFiles.removeEmpty(parent) }
    }
    leaveRegistry()
  }

  /// Discards every staging directory of the process.
  static func discardAll() {
    let all = live.withLock { Array($0.values) }
    for staging in all { staging.discard() }
  }

  private func leaveRegistry() {
    // The last reference must not go while the registry is locked.
    _ = Self.live.withLock { $0.removeValue(forKey: path) }
  }

  private func closeLock() {
    try? lock?.close()
  }

  // MARK: Names

  /// What the names of the staging directories of an output begin with. A long name is cut, as a name
  /// has at most 255 bytes.
  private static func prefix(for name: String) -> String {
    var scalars = name.unicodeScalars
    while scalars.reduce(0, { $0 + UTF8.width($1) }) > 200 { scalars.removeLast() }
    return ".\(scalars).mergekit-"
  }

  private static func randomName() -> String {
    let characters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
    return String((0..<6).map { _ in characters[Int.random(in: characters.indices)] })
  }

  // MARK: What dead processes left

  /// Removes what runs that were killed left in `parent` of the output `target`.
  ///
  /// Where such a run had begun to replace old contents, these come back first.
  static func removeStale(in parent: FilePath, for target: FilePath) {
    let prefix = prefix(for: target.lastComponent?.string ?? "")
    guard let names = try? DirectoryFiles.names(in: parent) else { return }
    var stagings: [String] = []
    var displaced: [String] = []
    for name in names.map(\.string) where name.hasPrefix(prefix) {
      if name.hasSuffix(displacedSuffix) {
        displaced.append(String(name.dropLast(displacedSuffix.count)))
      } else {
        stagings.append(name)
      }
    }
    for name in displaced where isStale(parent.appending(name), prefix: prefix) {
      let old = parent.appending(name + displacedSuffix)
      // A run removes its staging directory as soon as the new contents are in place.
      if stagings.contains(name) { restore(old, to: target) }
      DirectoryFiles.removeTree(old)
    }
    for name in stagings where isStale(parent.appending(name), prefix: prefix) {
      DirectoryFiles.removeTree(parent.appending(name))
    }
  }

  private static func restore(_ old: FilePath, to target: FilePath) {
    if !DirectoryFiles.exists(target) {
      try? DirectoryFiles.move(old, to: target)
      return
    }
    for name in (try? DirectoryFiles.names(in: old)) ?? [] {
      let place = target.appending(name)
      if !DirectoryFiles.exists(place) {
        try? DirectoryFiles.move(old.appending(name), to: place)
      } else if DirectoryFiles.isDirectory(old.appending(name)) {
        restore(old.appending(name), to: place)
      }
    }
  }

  /// Whether the process that made a staging directory is gone.
  ///
  /// The process number in the name tells of processes that this one can see, the lock of those in
  /// other containers; a container's process often has the number of its predecessor.
  private static func isStale(_ path: FilePath, prefix: String) -> Bool {
    guard let name = path.lastComponent?.string,
      let process = pid_t(name.dropFirst(prefix.count).prefix { $0 != "-" }), process > 0
    else { return false }
    if process == getpid() {
      if live.withLock({ $0[path] != nil }) { return false }
    } else if kill(process, 0) == 0 || errno != ESRCH {
      return false
    }
    guard DirectoryFiles.exists(path) else { return true }
    guard let descriptor = lock(path) else { return false }
    try? descriptor.close()
    return true
  }

  /// An open directory with an exclusive lock on it; `nil` if another process holds the lock or the
  /// file system has none.
  private static func lock(_ path: FilePath) -> FileDescriptor? {
    guard
      let descriptor = try? FileDescriptor.open(
        path, .readOnly, options: [.directory, .closeOnExec, .noFollow])
    else { return nil }
    if flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 { return descriptor }
    try? descriptor.close()
    return nil
  }
}
