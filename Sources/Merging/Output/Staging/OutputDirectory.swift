import Basics
import Checkpoints
import SystemPackage

/// The directory that a run writes, which exists whole or not at all.
///
/// Files are written into `path`, in a staging directory beside the final one. `commit(_:)` puts them in place,
/// those of several outputs together; without it, `discard()`, `discardAll()` or the end of the object's life
/// removes them, and the directories that were created above. Until the commit nothing of an existing output is
/// touched; if it fails its old contents are there still; and if it is interrupted the next run into the output
/// completes it.
package final class OutputDirectory: Sendable {
  /// What becomes of an output that exists.
  package enum Policy: Sendable {
    /// It must be empty.
    case refuseNonEmpty
    /// The new directory takes its place (`--force`), if it holds nothing but a model.
    case replace
    /// The new directory takes its place, and whatever was there is kept beside it (`--force-all`).
    case moveAside
    /// The new files are added, folder by folder; the old model's weights and files of the same names go,
    /// and unrelated ones stay, as with mergekit-yaml.
    case overlay

    /// Whether nothing of what is there stays.
    var replacesAll: Bool {
      switch self {
      case .replace, .moveAside: true
      case .refuseNonEmpty, .overlay: false
      }
    }
  }

  /// The output's path as the user gave it.
  package let destination: FilePath

  /// The directory to write in until the commit.
  package var path: FilePath { staging.new }

  /// The output's absolute path without links.
  package let target: FilePath
  /// The name of the output if it is a single file, the only one in `path`; its `target` is that file.
  package let fileName: FilePath.Component?
  let policy: Policy
  let isDurable: Bool
  let life: OutputLife
  var staging: StagingDirectory { life.staging }

  /// Begins an output: settles what an interrupted run left of it, checks that it may be written, and creates the
  /// staging directory and the missing directories above it.
  ///
  /// - Parameters:
  ///   - inputs: The directories and files that the run reads; an output that would destroy one is refused.
  ///     Those that do not exist are ignored.
  ///   - isDurable: Whether the commit waits until everything is on the disk.
  package init(
    path: FilePath, policy: Policy, protecting inputs: [FilePath] = [], isDurable: Bool = true
  ) throws(OutputDirectoryError) {
    destination = path
    self.policy = policy
    self.isDurable = isDurable
    target = try OutputPlace(path).target
    _ = try Recovery.settle(target)
    // Contents may have come, or gone.
    let place = try OutputPlace(path)
    fileName = place.isFile ? target.lastComponent : nil
    try Self.checkInputs(inputs, place: place, out: path, policy: policy)
    if place.exists {
      if place.isFile {
        try Self.checkFile(target, out: path, policy: policy)
      } else {
        try Self.checkContents(of: target, out: path, policy: policy)
      }
    }
    life = try Self.makeStaging(place, out: path)
  }

  deinit { life.discard() }

  /// The absolute path without links that an output's path leads to.
  package static func target(of path: FilePath) throws(OutputDirectoryError) -> FilePath {
    try OutputPlace(path).target
  }

  /// The path of a file of the output while it is written.
  package func file(_ name: String) -> FilePath { path.appending(name) }

  /// Puts the files in place. Does nothing if that was done before.
  package func commit() throws(OutputDirectoryError) { try Self.commit([self]) }

  /// Puts the files of several outputs in place, all or none. Does nothing for those that have been before.
  package static func commit(_ outputs: [OutputDirectory]) throws(OutputDirectoryError) {
    try OutputLife.moving { () throws(OutputDirectoryError) in
      if let gone = outputs.first(where: { $0.life.state == .discarded }) {
        throw .discarded(gone.destination)
      }
      let open = outputs.filter { $0.life.state == .open }
      if !open.isEmpty { try Commit(open).run() }
    }
  }

  /// Removes the staging directory and the directories that were created for it. Does nothing after the
  /// commit.
  package func discard() { life.discard() }

  /// Discards every output of the process that is not committed; for the end of an interrupted run.
  ///
  /// Waits for a commit that is under way. Not to be called from a signal handler.
  package static func discardAll() { OutputLife.discardAll() }

  // MARK: Interrupted runs

  /// Settles what interrupted runs left of an output, and of outputs in it, and says so, one sentence each. A path
  /// that can be no output is left to whoever begins it.
  package static func settleInterruptedRuns(at path: FilePath) throws(OutputDirectoryError) -> [String] {
    guard !path.isEmpty, let place = try? OutputPlace(path) else { return [] }
    var notices = try Recovery.settle(place.target).map { words($0, path) }
    if place.exists, !place.isFile {
      for outcome in try Recovery.settleAll(in: place.target) { notices.append(words(outcome, path)) }
    }
    return notices
  }

  private static func words(_ outcome: Recovery.Outcome, _ path: FilePath) -> String {
    switch outcome {
    case .completed: "\(path): an interrupted run was completed; its output is in place"
    case .removed: "\(path): the unfinished files of an interrupted run were removed"
    case .kept(_, let place):
      "\(path): what an interrupted run left is not understood, and is kept in \(place)"
    }
  }

  // MARK: Checks

  private static func checkInputs(
    _ inputs: [FilePath], place: OutputPlace, out: FilePath, policy: Policy
  ) throws(OutputDirectoryError) {
    guard place.exists else { return }
    let target = place.target
    if place.isFile { return try checkInputs(inputs, file: target, out: out) }
    for input in inputs {
      let real: FilePath
      let isDestroyed: Bool
      do throws(Errno) {
        real = try DirectoryFiles.realPath(input)
        let liesInInput = target.starts(with: real) && real != target
        switch policy {
        case .overlay where real.removingLastComponent() == target:
          isDestroyed = try OldWeights.isNamed(real.lastComponent, in: target)
        case .overlay: isDestroyed = real == target
        case .replace where liesInInput, .moveAside where liesInInput:
          isDestroyed = try !DirectoryFiles.names(in: target).isEmpty
        case .refuseNonEmpty, .replace, .moveAside: isDestroyed = real.starts(with: target)
        }
      } catch .noSuchFileOrDirectory, .notDirectory {
        continue
      } catch { throw .cannotRead(input, error) }
      if isDestroyed { throw .holdsInput(out: real == target ? input : out, input: input) }
    }
  }

  /// Makes sure that no input is the file that is replaced, be it through a link.
  private static func checkInputs(
    _ inputs: [FilePath], file target: FilePath, out: FilePath
  ) throws(OutputDirectoryError) {
    let own = [target, (try? DirectoryFiles.realPath(target)) ?? target]
    for input in inputs {
      if let real = try? DirectoryFiles.realPath(input), own.contains(real) {
        throw .holdsInput(out: input, input: input)
      }
    }
  }

  /// Whether a file that is there may go.
  static func checkFile(_ file: FilePath, out: FilePath, policy: Policy) throws(OutputDirectoryError) {
    switch policy {
    case .refuseNonEmpty: throw .fileExists(out)
    case .replace:
      guard (try? SafetensorsFile(path: file)) != nil else { throw .fileIsStranger(out) }
    case .moveAside, .overlay: break
    }
  }

  /// Whether the contents of an output may go.
  static func checkContents(
    of target: FilePath, out: FilePath, policy: Policy, ignoring staging: FilePath? = nil
  ) throws(OutputDirectoryError) {
    let names: [FilePath.Component]
    do throws(Errno) {
      names = try DirectoryFiles.names(in: target).filter { target.appending($0) != staging }
    } catch {
      throw .cannotRead(out, error)
    }
    if names.isEmpty || policy == .overlay { return }
    if policy == .refuseNonEmpty { throw .notEmpty(out) }
    if DirectoryFiles.workingDirectory?.starts(with: target) ?? false {
      throw .holdsWorkingDirectory(out)
    }
    guard policy == .replace else { return }
    let strangers: [String]
    do throws(Errno) {
      strangers = try ModelContents.strangers(in: target)
    } catch { throw .cannotRead(out, error) }
    if !strangers.isEmpty { throw .holdsStrangers(out, strangers) }
  }

  // MARK: The staging directory

  private static func makeStaging(
    _ place: OutputPlace, out: FilePath
  ) throws(OutputDirectoryError) -> OutputLife {
    guard let name = place.target.lastComponent?.string else {
      // The root directory has nothing beside it.
      throw .holdsWorkingDirectory(out)
    }
    let created = try place.createParents(out: out)
    let parent = place.target.removingLastComponent()
    var isBusy = false
    do throws(Errno) {
      if let staging = try StagingDirectory.create(in: parent, for: name) {
        if !place.exists || place.isFile || canMove(from: staging.path, to: place.target) {
          return OutputLife(staging, createdParents: created)
        }
        StagingDirectory.discard(staging.path)
      } else {
        isBusy = true
      }
    } catch {
      for directory in created.reversed() { DirectoryFiles.removeEmpty(directory) }
      let isRefused: Bool = [.permissionDenied, .notPermitted, .readOnlyFileSystem].contains(error)
      guard place.exists, !place.isFile, isRefused else {
        throw .cannotWrite(directory: parent, out: out, error)
      }
    }
    if isBusy { throw busy(parent, name, out) }
    // Where the output is a mount point, or only it is writable, its own file system takes the files.
    do throws(Errno) {
      if let staging = try StagingDirectory.create(in: place.target, for: name) {
        return OutputLife(staging, createdParents: [])
      }
    } catch {
      throw .cannotWrite(directory: out, out: out, error)
    }
    throw busy(place.target, name, out)
  }

  private static func busy(_ parent: FilePath, _ name: String, _ out: FilePath) -> OutputDirectoryError {
    let staging = parent.appending(StagingDirectory.name(for: name))
    return .busy(out, process: OwnerLock.process(holding: StagingDirectory.owner(in: staging)))
  }

  /// Whether files can be moved from one directory to another: not between file systems or mounts.
  private static func canMove(from staging: FilePath, to target: FilePath) -> Bool {
    // Left by a run that is killed here, it is trash.
    let name = StagingDirectory.trashName(of: staging, "probe")
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
}
