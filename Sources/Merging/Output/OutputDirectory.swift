import Basics
import Glibc
import SystemPackage

/// The directory that a run writes, which exists whole or not at all.
///
/// Files are written into `path`, a temporary directory beside the final one. `commit()` puts them in
/// place; without it, `discard()`, `discardAll()` or the end of the object's life removes them, and the
/// directories that were created above. Until the commit nothing of an existing output is touched, and
/// if the commit fails its old contents are there still.
package final class OutputDirectory: Sendable {
  /// What becomes of an output that exists.
  package enum Policy: Sendable {
    /// It must be empty.
    case refuseNonEmpty
    /// The new directory takes its place (`--force`).
    case replace
    /// The new files are added, folder by folder; the old model's weights and files of the same names go,
    /// and unrelated ones stay, as with mergekit-yaml.
    case overlay
  }

  /// The output's path as the user gave it.
  package let destination: FilePath

  /// The directory to write in until `commit()`.
  package var path: FilePath { staging.path }

  /// The output's absolute path without links.
  private let target: FilePath
  private let policy: Policy
  private let staging: StagingDirectory

  /// Begins an output: checks that it may be written, and creates the temporary directory and the
  /// missing directories above it.
  ///
  /// - Parameter protecting: The directories and files that the run reads; an output that would destroy
  ///   one is refused. Those that do not exist are ignored.
  package init(
    path: FilePath, policy: Policy, protecting inputs: [FilePath] = []
  ) throws(OutputDirectoryError) {
    destination = path
    self.policy = policy
    let found = try OutputPlace(path)
    target = found.target
    for directory in [target.removingLastComponent(), target] {
      StagingDirectory.removeStale(in: directory, for: target)
    }
    // Old contents may have come back.
    let place = try OutputPlace(path)
    try Self.checkInputs(inputs, place: place, out: path, policy: policy)
    if place.exists {
      try Self.checkContents(of: target, out: path, policy: policy)
    }
    staging = try Self.makeStaging(place, out: path)
  }

  deinit { staging.discard() }

  /// The path of a file of the output while it is written.
  package func file(_ name: String) -> FilePath { path.appending(name) }

  /// Puts the files in place. Does nothing if that was done before.
  package func commit() throws(OutputDirectoryError) {
    let isDone = try staging.finish { () throws(OutputDirectoryError) in
      do throws(Errno) {
        try install()
      } catch .directoryNotEmpty where policy == .refuseNonEmpty {
        throw OutputDirectoryError.notEmpty(destination)
      } catch .fileExists where policy == .refuseNonEmpty {
        throw OutputDirectoryError.notEmpty(destination)
      } catch {
        if !DirectoryFiles.exists(target), DirectoryFiles.exists(staging.displaced) {
          throw OutputDirectoryError.oldContentsMoved(destination, to: staging.displaced, error)
        }
        throw OutputDirectoryError.cannotInstall(destination, error)
      }
    }
    guard isDone else { throw .discarded(destination) }
    // Left over, it would be removed by the next run: the new contents are in place.
    DirectoryFiles.removeTree(staging.displaced)
  }

  /// Removes the temporary directory and the directories that were created for it. Does nothing after
  /// `commit()`.
  package func discard() { staging.discard() }

  /// Discards every output of the process that is not committed; for the end of an interrupted run.
  ///
  /// Waits for a commit that is under way. Not to be called from a signal handler.
  package static func discardAll() { StagingDirectory.discardAll() }

  // MARK: Checks

  private static func checkInputs(
    _ inputs: [FilePath], place: OutputPlace, out: FilePath, policy: Policy
  ) throws(OutputDirectoryError) {
    guard place.exists else { return }
    let target = place.target
    for input in inputs {
      guard let real = try? DirectoryFiles.realPath(input) else { continue }
      let isDestroyed =
        switch policy {
        case .overlay:
          real == target
            || real.removingLastComponent() == target && OldWeights.isNamed(real.lastComponent, in: target)
        case .refuseNonEmpty:
          real.starts(with: target)
        case .replace:
          real.starts(with: target)
            || target.starts(with: real) && (try? DirectoryFiles.names(in: target))?.isEmpty == false
        }
      if isDestroyed { throw .holdsInput(out: real == target ? input : out, input: input) }
    }
  }

  private static func checkContents(
    of target: FilePath, out: FilePath, policy: Policy
  ) throws(OutputDirectoryError) {
    let isEmpty: Bool
    do throws(Errno) {
      isEmpty = try DirectoryFiles.names(in: target).isEmpty
    } catch {
      throw .cannotRead(out, error)
    }
    if isEmpty || policy == .overlay { return }
    if policy == .refuseNonEmpty { throw .notEmpty(out) }
    if DirectoryFiles.workingDirectory?.starts(with: target) ?? false {
      throw .holdsWorkingDirectory(out)
    }
  }

  // MARK: The temporary directory

  private static func makeStaging(
    _ place: OutputPlace, out: FilePath
  ) throws(OutputDirectoryError) -> StagingDirectory {
    guard let name = place.target.lastComponent?.string else {
      // The root directory has nothing beside it.
      throw .holdsWorkingDirectory(out)
    }
    let created = try place.createParents(out: out)
    let parent = place.target.removingLastComponent()
    do throws(Errno) {
      let staging = try StagingDirectory(in: parent, for: name, createdParents: created)
      if !place.exists || canMove(from: staging.path, to: place.target) { return staging }
      staging.discard()
    } catch {
      for directory in created.reversed() { DirectoryFiles.removeEmpty(directory) }
      let isRefused: Bool = [.permissionDenied, .notPermitted, .readOnlyFileSystem].contains(error)
      guard place.exists, isRefused else { throw .cannotWrite(directory: parent, out: out, error) }
    }
    // Where the output is a mount point, or only it is writable, its own file system takes the files.
    do throws(Errno) {
      return try StagingDirectory(in: place.target, for: name)
    } catch {
      throw .cannotWrite(directory: out, out: out, error)
    }
  }

  /// Whether files can be moved from one directory to another: not between file systems or mounts.
  private static func canMove(from staging: FilePath, to target: FilePath) -> Bool {
    let name = "\(staging.lastComponent?.string ?? "").probe"
    let (probe, moved) = (staging.appending(name), target.appending(name))
    defer {
      DirectoryFiles.removeEmpty(probe)
      DirectoryFiles.removeEmpty(moved)
    }
    do throws(Errno) {
      try DirectoryFiles.makeDirectory(probe)
      try DirectoryFiles.move(probe, to: moved)
      return true
    } catch {
      return error != .improperLink
    }
  }

  // MARK: Installing

  private func install() throws(Errno) {
    let isInside = staging.path.starts(with: target)
    let isWorkingDirectory = DirectoryFiles.workingDirectory == target
    let exists = DirectoryFiles.exists(target)
    if exists, policy == .overlay || isInside || isWorkingDirectory {
      return try fill()
    }
    let permissions = try? target.stat().permissions
    defer {
      if let permissions { _ = target.withPlatformString { chmod($0, mode_t(permissions.rawValue)) } }
    }
    do throws(Errno) {
      // Replaces an empty directory too, and fails if it is not empty any more.
      try DirectoryFiles.move(staging.path, to: target)
    } catch {
      switch (error, policy) {
      case (.resourceBusy, _), (.directoryNotEmpty, .overlay), (.fileExists, .overlay):
        try fill()
      case (.directoryNotEmpty, .replace), (.fileExists, .replace):
        try swap()
      default:
        throw error
      }
    }
  }

  /// Moves the old directory aside and the new one in its place.
  private func swap() throws(Errno) {
    do throws(Errno) {
      try DirectoryFiles.move(target, to: staging.displaced)
    } catch .resourceBusy {
      return try fill()
    }
    do throws(Errno) {
      try DirectoryFiles.move(staging.path, to: target)
    } catch {
      try? DirectoryFiles.move(staging.displaced, to: target)
      throw error
    }
  }

  /// Moves what must go out of the output, and the new files into it; undoes that on failure.
  private func fill() throws(Errno) {
    var old = try DirectoryFiles.names(in: target)
    old.removeAll { target.appending($0) == staging.path }
    if policy == .refuseNonEmpty, !old.isEmpty { throw .directoryNotEmpty }
    if policy == .overlay { old = try OldWeights.names(in: target) }
    var moves = FileMoves()
    do throws(Errno) {
      try moves.makeDirectory(staging.displaced)
      for name in old { try moves.move(target.appending(name), to: staging.displaced.appending(name)) }
      try moves.merge(staging.path, into: target, displacing: staging.displaced)
    } catch {
      moves.undo()
      throw error
    }
    DirectoryFiles.removeTree(staging.path)
  }
}

/// Where an output's path leads.
private struct OutputPlace {
  /// The absolute path without links; the part that does not exist is as the user gave it.
  let target: FilePath
  /// Whether the directory exists.
  let exists: Bool
  /// The directories above it that do not exist, outermost first.
  private let missingParents: [FilePath]

  init(_ path: FilePath) throws(OutputDirectoryError) {
    if path.isEmpty { throw .emptyPath }
    var existing = path.isAbsolute ? path : FilePath(".").pushing(path)
    var missing: [FilePath.Component] = []
    while true {
      let type: FileType?
      do throws(Errno) {
        type = try existing.stat().type
      } catch .noSuchFileOrDirectory, .notDirectory {
        type = nil
      } catch {
        throw .cannotRead(existing, error)
      }
      if let type {
        if type == .directory { break }
        throw missing.isEmpty ? .notADirectory(path) : .parentNotADirectory(existing, out: path)
      }
      if DirectoryFiles.exists(existing) { throw .danglingLink(existing) }
      guard let last = existing.lastComponent else { throw .cannotRead(path, .noSuchFileOrDirectory) }
      if last.kind == .parentDirectory { throw .upFromMissing(path) }
      if last.kind == .regular { missing.append(last) }
      existing.removeLastComponent()
    }
    do throws(Errno) {
      existing = try DirectoryFiles.realPath(existing)
    } catch {
      throw .cannotRead(existing, error)
    }
    exists = missing.isEmpty
    var parents: [FilePath] = []
    for component in missing.dropFirst().reversed() {
      parents.append((parents.last ?? existing).appending(component))
    }
    missingParents = parents
    target = missing.first.map { (parents.last ?? existing).appending($0) } ?? existing
  }

  /// Creates the missing directories above the output and returns them, outermost first.
  func createParents(out: FilePath) throws(OutputDirectoryError) -> [FilePath] {
    var created: [FilePath] = []
    for directory in missingParents {
      do throws(Errno) {
        try DirectoryFiles.makeDirectory(directory)
        created.append(directory)
      } catch .fileExists {
        continue
      } catch {
        for directory in created.reversed() { DirectoryFiles.removeEmpty(directory) }
        throw .cannotWrite(directory: directory.removingLastComponent(), out: out, error)
      }
    }
    return created
  }
}
