import Basics
import SystemPackage

/// Settles what runs left that were killed, or that the power was taken from: an output with a record is
/// completed, one without is as if its run had never been.
enum Recovery {
  /// What was found of an interrupted run.
  enum Outcome: Equatable, Sendable {
    /// Its output is in place.
    case completed(FilePath)
    /// Its unfinished files were removed.
    case removed(FilePath)
    /// What it left is not understood, and was moved there.
    case kept(FilePath, at: FilePath)
  }

  /// Settles what was left of an output.
  ///
  /// Throws if an output that is to be completed cannot be.
  static func settle(_ target: FilePath) throws(OutputDirectoryError) -> [Outcome] {
    guard let name = target.lastComponent?.string else { return [] }
    var outcomes: [Outcome] = []
    for parent in [target.removingLastComponent(), target] {
      let staging = parent.appending(StagingDirectory.name(for: name))
      if let outcome = try settle(staging: staging, of: target) { outcomes.append(outcome) }
      removeTrash(in: parent, of: name)
    }
    return outcomes
  }

  /// Settles what was left of outputs in a directory, whatever they are called.
  static func settleAll(in directory: FilePath) throws(OutputDirectoryError) -> [Outcome] {
    var outcomes: [Outcome] = []
    for name in names(in: directory) {
      let path = directory.appending(name)
      if StagingDirectory.isTrashName(name) {
        StagingDirectory.removeTrash(path)
      } else if let output = StagingDirectory.output(ofName: name) {
        if let outcome = try settle(staging: path, of: directory) { outcomes.append(outcome) }
        removeTrash(in: directory.appending(output), of: output)
      }
    }
    return outcomes
  }

  private static func removeTrash(in directory: FilePath, of output: String) {
    for name in names(in: directory) where StagingDirectory.isTrashName(name, for: output) {
      StagingDirectory.removeTrash(directory.appending(name))
    }
  }

  private static func names(in directory: FilePath) -> [String] {
    ((try? DirectoryFiles.names(in: directory)) ?? []).map(\.string)
  }

  /// `nil` if its process lives, or there is nothing to say.
  private static func settle(
    staging: FilePath, of target: FilePath
  ) throws(OutputDirectoryError) -> Outcome? {
    let lock: OwnerLock?
    do throws(Errno) {
      guard try DirectoryFiles.type(at: staging, followsLink: false) == .directory else { return nil }
      lock = try OwnerLock(StagingDirectory.owner(in: staging))
    } catch .noSuchFileOrDirectory {
      return nil
    } catch { throw .cannotRecover(target, staging: staging, error) }
    guard let lock else { return nil }
    defer { lock.release() }
    do throws(Errno) {
      switch try CommitRecord.find(in: staging) {
      case .none: return StagingDirectory.discard(staging) ? .removed(target) : nil
      case .unreadable: return try keep(staging, of: target)
      case .record(let record):
        guard record.installation.staging == staging, try !record.installation.isLost else {
          return try keep(staging, of: target)
        }
        if let leader = record.leader { return try settle(member: record, of: leader) }
        return try complete(record)
      }
    } catch { throw .cannotRecover(target, staging: staging, error) }
  }

  /// Settles an output whose leader decides.
  private static func settle(member record: CommitRecord, of leader: FilePath) throws(Errno) -> Outcome? {
    let installation = record.installation
    if try DirectoryFiles.isPresent(leader), case .record(let leading) = try CommitRecord.find(in: leader),
      leading.leader == nil, leading.members.contains(installation.staging)
    {
      guard let lock = try OwnerLock(StagingDirectory.owner(in: leader)) else { return nil }
      defer { lock.release() }
      return try complete(leading)
    }
    // The leader goes last: it never decided, or all is done.
    if try installation.isComplete { return finish(installation) }
    try installation.undo()
    return StagingDirectory.discard(installation.staging) ? .removed(installation.target) : nil
  }

  /// Completes the outputs of a leader.
  private static func complete(_ leading: CommitRecord) throws(Errno) -> Outcome? {
    var installations: [Installation] = []
    for staging in leading.members {
      // What has no record is finished, and gone.
      guard case .record(let record) = try CommitRecord.find(in: staging) else { continue }
      if try !record.installation.isLost { installations.append(record.installation) }
    }
    installations.append(leading.installation)
    for installation in installations {
      try installation.complete()
      try installation.sync()
    }
    var outcome: Outcome?
    for installation in installations { outcome = finish(installation) }
    return outcome
  }

  /// The new contents are in place, and the old ones go.
  static func finish(_ installation: Installation) -> Outcome {
    do throws(Errno) {
      try installation.keepOld()
      StagingDirectory.discard(installation.staging)
    } catch {
      // Left to the next run, which has the record.
    }
    return .completed(installation.target)
  }

  /// Moves aside what may hold the only copy of something.
  private static func keep(_ staging: FilePath, of target: FilePath) throws(Errno) -> Outcome {
    let parent = staging.removingLastComponent()
    let name = staging.lastComponent?.string ?? ""
    var number = 1
    while try DirectoryFiles.isPresent(parent.appending("\(name)-kept-\(number)")) { number += 1 }
    let place = parent.appending("\(name)-kept-\(number)")
    try DirectoryFiles.move(staging, to: place)
    return .kept(target, at: place)
  }
}
