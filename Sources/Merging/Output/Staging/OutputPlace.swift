import Basics
import SystemPackage

/// Where an output's path leads.
struct OutputPlace {
  /// The absolute path without links; the part that does not exist is as the user gave it.
  let target: FilePath
  /// Whether it exists.
  let exists: Bool
  /// Whether the output is a single file, as its name says, and not a directory. A link to a file is itself what is
  /// replaced.
  let isFile: Bool
  /// The directories above it that do not exist, outermost first.
  private let missingParents: [FilePath]

  init(_ path: FilePath) throws(OutputDirectoryError) {
    if path.isEmpty { throw .emptyPath }
    guard try Self.isFile(path), let name = path.lastComponent else {
      try self.init(directory: path, out: path)
      return
    }
    let folder = path.removingLastComponent()
    let place = try OutputPlace(directory: folder.isEmpty ? "." : folder, out: path)
    let target = place.target.appending(name)
    self.init(
      target: target, exists: DirectoryFiles.exists(target), isFile: true,
      missingParents: place.missingParents + (place.exists ? [] : [place.target]))
  }

  private init(target: FilePath, exists: Bool, isFile: Bool, missingParents: [FilePath]) {
    self.target = target
    self.exists = exists
    self.isFile = isFile
    self.missingParents = missingParents
  }

  /// The ends of the names of files that are no safetensors, and are not written.
  private static let otherFormats = ["bin", "pt", "pth", "ckpt"]

  /// Whether a path is that of a file to be, by its name and by what there is.
  private static func isFile(_ path: FilePath) throws(OutputDirectoryError) -> Bool {
    let ending = path.extension ?? ""
    let type = (try? path.stat())?.type
    if type == .directory { return false }
    if otherFormats.contains(ending) { throw .otherFormat(path) }
    guard ending == "safetensors", path.lastComponent?.kind == .regular else { return false }
    guard type == nil || type == .regular else { throw .notAFile(path) }
    return true
  }

  /// The place of a directory on the way to `path`, or of `path` itself.
  private init(directory: FilePath, out path: FilePath) throws(OutputDirectoryError) {
    let isItself = directory == path
    var existing = directory.isAbsolute ? directory : FilePath(".").pushing(directory)
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
        throw missing.isEmpty && isItself ? .notADirectory(path) : .parentNotADirectory(existing, out: path)
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
    isFile = false
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
