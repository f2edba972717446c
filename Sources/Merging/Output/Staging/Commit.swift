import Basics
import Glibc
import SystemPackage

/// Puts outputs in place, all or none.
///
/// The files are on the disk before a record says that they are to be put in place, and the record before the
/// first is moved. What fails after that is undone; what is interrupted, or cannot be undone, is completed by the
/// next run.
struct Commit {
  private let outputs: [OutputDirectory]
  private let isDurable: Bool

  init(_ outputs: [OutputDirectory]) {
    self.outputs = outputs
    isDurable = outputs.contains(where: \.isDurable)
  }

  func run() throws(OutputDirectoryError) {
    var records: [CommitRecord] = []
    for output in outputs {
      records.append(
        CommitRecord(
          installation: try plan(output), leader: outputs[0] === output ? nil : outputs[0].staging.path))
    }
    records[0].members = records.dropFirst().map(\.installation.staging)
    try write(records)
    // As recovery does, so that what is left of an interruption is what that knows.
    for (output, record) in zip(outputs, records).reversed() {
      do throws(Errno) {
        try record.installation.complete()
        if isDurable { try record.installation.sync() }
      } catch { throw undo(records, output, error) }
    }
    for (output, record) in zip(outputs, records).reversed() {
      _ = Recovery.finish(record.installation)
      output.life.finish()
    }
  }

  // MARK: Planning

  /// How an output gets to its place; its files are on the disk.
  private func plan(_ output: OutputDirectory) throws(OutputDirectoryError) -> Installation {
    let (target, staging) = (output.target, output.staging)
    let exists: Bool
    do throws(Errno) {
      exists = try DirectoryFiles.isPresent(target)
    } catch { throw .cannotInstall(output.destination, error) }
    if let name = output.fileName { return try plan(output, file: name, exists: exists) }
    if exists {
      try OutputDirectory.checkContents(
        of: target, out: output.destination, policy: output.policy, ignoring: staging.path)
    }
    let fills =
      exists
      && (output.policy == .overlay || staging.path.starts(with: target)
        || DirectoryFiles.workingDirectory == target)
    var installation = Installation(target: target, staging: staging.path, mode: fills ? .fill : .place)
    installation.displacesAll = output.policy.replacesAll
    do throws(Errno) {
      if exists, output.policy == .moveAside { installation.aside = try aside(target, staging) }
      if fills {
        installation.steps = try steps(output)
      } else if exists {
        let permissions = try target.stat().permissions
        _ = staging.new.withPlatformString { chmod($0, mode_t(permissions.rawValue)) }
      }
      if isDurable { try DirectoryFiles.syncTree(staging.new) }
      if !fills { installation.identity = try DirectoryIdentity(of: staging.new) }
    } catch { throw .cannotInstall(output.destination, error) }
    return installation
  }

  /// How a single file gets to its place.
  private func plan(
    _ output: OutputDirectory, file name: FilePath.Component, exists: Bool
  ) throws(OutputDirectoryError) -> Installation {
    let (target, staging) = (output.target, output.staging)
    let folder = target.removingLastComponent()
    if exists { try OutputDirectory.checkFile(target, out: output.destination, policy: output.policy) }
    var installation = Installation(target: folder, staging: staging.path, mode: .fill)
    installation.steps = [.overwrite(FilePath().appending(name))]
    do throws(Errno) {
      if exists, output.policy == .moveAside { installation.aside = try freeName(name.string, in: folder) }
      if exists, let permissions = try? target.stat().permissions {
        _ = staging.new.appending(name).withPlatformString { chmod($0, mode_t(permissions.rawValue)) }
      }
      if isDurable { try DirectoryFiles.syncTree(staging.new) }
    } catch { throw .cannotInstall(output.destination, error) }
    return installation
  }

  private func freeName(_ name: String, in folder: FilePath) throws(Errno) -> FilePath {
    var number = 1
    while try DirectoryFiles.isPresent(folder.appending("\(name).old-\(number)")) { number += 1 }
    return folder.appending("\(name).old-\(number)")
  }

  /// A free name beside the staging directory; `nil` if there is nothing to keep.
  private func aside(_ target: FilePath, _ staging: StagingDirectory) throws(Errno) -> FilePath? {
    let old = try DirectoryFiles.names(in: target).filter { target.appending($0) != staging.path }
    if old.isEmpty { return nil }
    let (parent, name) = (staging.path.removingLastComponent(), target.lastComponent?.string ?? "")
    return try freeName(name, in: parent)
  }

  /// The moves that fill a directory. Throws where a file and a folder have the same name.
  private func steps(_ output: OutputDirectory) throws(Errno) -> [Installation.Step] {
    let new = output.staging.new
    guard output.policy == .overlay else {
      return try DirectoryFiles.names(in: new).map { .install(FilePath().appending($0)) }
    }
    let weights = try OldWeights.names(in: output.target).map { FilePath().appending($0) }
    var steps = weights.map { Installation.Step.displace($0) }
    try merge(FilePath(), of: new, into: output.target, displaced: Set(weights), &steps)
    return steps
  }

  private func merge(
    _ folder: FilePath, of new: FilePath, into target: FilePath, displaced: Set<FilePath>,
    _ steps: inout [Installation.Step]
  ) throws(Errno) {
    for name in try DirectoryFiles.names(in: new.pushing(folder)) {
      let path = folder.appending(name)
      let old = target.pushing(path)
      if try DirectoryFiles.isPresent(old), !displaced.contains(path) {
        let isFolder = try DirectoryFiles.type(at: new.pushing(path), followsLink: false) == .directory
        // A link to a folder is as good as one.
        guard try (DirectoryFiles.type(at: old) == .directory) == isFolder else {
          throw isFolder ? .notDirectory : .isDirectory
        }
        if isFolder {
          try merge(path, of: new, into: target, displaced: displaced, &steps)
          continue
        }
        steps.append(.displace(path))
      }
      steps.append(.install(path))
    }
  }

  // MARK: The records

  /// The leader's comes last: with it, all are decided.
  private func write(_ records: [CommitRecord]) throws(OutputDirectoryError) {
    for (output, record) in zip(outputs, records).reversed() {
      do throws(Errno) {
        // That the staging directory exists, too.
        if isDurable { try DirectoryFiles.sync(record.installation.staging.removingLastComponent()) }
        try record.write(isDurable: isDurable)
      } catch {
        withdraw(records)
        throw .cannotInstall(output.destination, error)
      }
    }
  }

  /// Removes the records, the leader's first. `false` if that one stays.
  @discardableResult
  private func withdraw(_ records: [CommitRecord]) -> Bool {
    for (index, record) in records.enumerated() {
      let path = StagingDirectory.record(in: record.installation.staging)
      let isGone = path.withPlatformString { unlink($0) } == 0 || errno == ENOENT
      if index == 0, !isGone { return false }
      if isDurable { try? DirectoryFiles.sync(record.installation.staging) }
    }
    return true
  }

  /// Moves everything back; what cannot be is left to the next run.
  private func undo(
    _ records: [CommitRecord], _ output: OutputDirectory, _ error: Errno
  ) -> OutputDirectoryError {
    do throws(Errno) {
      for record in records { try record.installation.undo() }
    } catch { return unfinished(records, error) }
    guard withdraw(records) else { return unfinished(records, error) }
    return .cannotInstall(output.destination, error)
  }

  private func unfinished(_ records: [CommitRecord], _ error: Errno) -> OutputDirectoryError {
    let states = zip(outputs, records).map { ($0.destination, (try? $1.installation.isComplete) ?? false) }
    return .unfinished(
      states.filter { !$0.1 }.map(\.0), inPlace: states.filter(\.1).map(\.0), error)
  }
}
