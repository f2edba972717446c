import SystemPackage

/// Why a file or directory cannot be opened, read or written.
package enum FileError: Equatable, DiagnosableError {
  /// A system call failed. `action` stands after "cannot".
  case system(action: String, path: FilePath, errno: Errno)
  case tooManyOpenFiles(path: FilePath, limit: Int)
  case notRegularFile(path: FilePath)
  /// A link in a folder that others made, to a place outside of it.
  case linkLeadsOut(path: FilePath, target: FilePath)
  case invalidJSON(path: FilePath, error: JSONError)
  case tooLarge(path: FilePath, byteCount: Int)

  package var diagnostic: Diagnostic {
    switch self {
    case .system(let action, let path, let errno):
      Diagnostic("cannot \(words: action): \(errno)").inFile(path.string)
    case .tooManyOpenFiles(let path, let limit):
      Diagnostic("cannot open: the limit of \(limit) open files is reached; raise it with `ulimit -n`")
        .inFile(path.string)
    case .notRegularFile(let path): Diagnostic(expected: "a regular file").inFile(path.string)
    case .linkLeadsOut(let path, let target):
      Diagnostic("this link leads out of its folder, to \(name: target.string); copy the file to use it")
        .inFile(path.string)
    case .invalidJSON(let path, let error): error.diagnostic(inFile: path.string)
    case .tooLarge(let path, let byteCount):
      Diagnostic("\(ByteSize.format(byteCount)) are too much for a JSON file").inFile(path.string)
    }
  }

  /// The error of an `open` that failed.
  package static func opening(_ path: FilePath, _ error: Errno, to action: String = "open") -> FileError {
    error == .tooManyOpenFiles
      ? .tooManyOpenFiles(path: path, limit: OpenFileLimit.current)
      : .system(action: action, path: path, errno: error)
  }
}
