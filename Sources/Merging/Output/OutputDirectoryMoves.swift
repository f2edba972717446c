import Basics
import SystemPackage

/// Moves of files that can be undone as a whole.
struct FileMoves {
  private var moves: [(source: FilePath, target: FilePath)] = []
  private var created: [FilePath] = []

  /// Creates a directory, which goes again if the moves are undone.
  mutating func makeDirectory(_ path: FilePath) throws(Errno) {
    try DirectoryFiles.makeDirectory(path)
    created.append(path)
  }

  /// Renames a file or directory.
  mutating func move(_ source: FilePath, to target: FilePath) throws(Errno) {
    try DirectoryFiles.move(source, to: target)
    moves.append((source, target))
  }

  /// Moves what is in one directory into another. Folders of the same name are merged; a file that another
  /// takes the place of goes to the same place below `displaced`, which exists.
  ///
  /// Throws where a file and a folder have the same name.
  mutating func merge(
    _ source: FilePath, into target: FilePath, displacing displaced: FilePath
  ) throws(Errno) {
    for name in try DirectoryFiles.names(in: source) {
      let (new, old, aside) = (source.appending(name), target.appending(name), displaced.appending(name))
      if DirectoryFiles.exists(old) {
        let isFolder = DirectoryFiles.isDirectory(new)
        // A link to a folder is as good as one.
        guard ((try? old.stat())?.type == .directory) == isFolder else {
          throw isFolder ? .notDirectory : .isDirectory
        }
        if isFolder {
          try makeDirectory(aside)
          try merge(new, into: old, displacing: aside)
          continue
        }
        try move(old, to: aside)
      }
      try move(new, to: old)
    }
  }

  /// Moves everything back, as far as that is possible.
  func undo() {
    for move in moves.reversed() { try? DirectoryFiles.move(move.target, to: move.source) }
    for directory in created.reversed() { DirectoryFiles.removeEmpty(directory) }
  }
}
