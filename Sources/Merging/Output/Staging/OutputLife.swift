import Basics
import Synchronization
import SystemPackage

/// How an output ends: in place, or without a trace.
final class OutputLife: Sendable {
  enum State {
    case open
    case finished
    case discarded
  }

  let staging: StagingDirectory
  /// Directories above it that were created for the output, outermost first.
  private let createdParents: [FilePath]
  private let current = Mutex(State.open)

  /// Every one that is open.
  private static let live = Mutex<[FilePath: OutputLife]>([:])
  private static let movingLock = Mutex(())

  init(_ staging: StagingDirectory, createdParents: [FilePath]) {
    self.staging = staging
    self.createdParents = createdParents
    Self.live.withLock { $0[staging.path] = self }
  }

  var state: State { current.withLock { $0 } }

  /// Runs `body` while no output is discarded.
  static func moving<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) {
    let result: Result<Void, Failure> = movingLock.withLock { _ in
      do throws(Failure) {
        try body()
        return .success(())
      } catch { return .failure(error) }
    }
    try result.get()
  }

  /// The output is in place.
  func finish() {
    end(.finished)
    staging.lock.release()
  }

  /// Removes the staging directory, unless the output is in place or being put there by another process.
  func discard() {
    Self.movingLock.withLock { _ in
      guard end(.discarded) else { return }
      // What could be neither completed nor undone is left to the next run.
      if case .none? = try? CommitRecord.find(in: staging.path) { StagingDirectory.discard(staging.path) }
      staging.lock.release()
      for parent in createdParents.reversed() { DirectoryFiles.removeEmpty(parent) }
    }
  }

  /// Discards every one that is open.
  static func discardAll() {
    let all = live.withLock { Array($0.values) }
    for life in all { life.discard() }
  }

  @discardableResult
  private func end(_ end: State) -> Bool {
    let wasOpen = current.withLock { state in
      guard case .open = state else { return false }
      state = end
      return true
    }
    // The last reference must not go while the registry is locked.
    if wasOpen { _ = Self.live.withLock { $0.removeValue(forKey: staging.path) } }
    return wasOpen
  }
}
