import Basics
import SystemPackage

/// Where an output's path leads.
struct OutputPlace {
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
