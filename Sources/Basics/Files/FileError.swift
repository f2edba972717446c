import SystemPackage

/// Why a file or directory cannot be opened, read or written.
package enum FileError: Equatable, DiagnosableError {
  /// A system call failed. `action` stands after "cannot", and before the path.
  case system(action: String, path: FilePath, errno: Errno)
  case tooManyOpenFiles(path: FilePath, limit: Int)
  case notRegularFile(path: FilePath)
  /// A link in a folder that others made, to a place outside of it.
  case linkLeadsOut(path: FilePath, target: FilePath)
  case invalidJSON(path: FilePath, error: JSONError)
  /// A file to be held whole is larger than its kind may be.
  case tooLarge(path: FilePath, byteCount: Int, limit: Int)

  package var diagnostic: Diagnostic {
    switch self {
    case .system(let action, let path, let errno):
      Diagnostic("cannot \(words: action) \(path): \(errno)")
    case .tooManyOpenFiles(let path, let limit):
      Diagnostic(
        "cannot open \(path): the limit of \(limit) open files is reached; raise it with `ulimit -n`")
    case .notRegularFile(let path): Diagnostic(expected: "a regular file").inFile(path.string)
    case .linkLeadsOut(let path, let target):
      Diagnostic("this link leads out of its folder, to \(name: target.string); copy the file to use it")
        .inFile(path.string)
    case .invalidJSON(let path, let error): error.diagnostic(inFile: path.string)
    case .tooLarge(let path, let byteCount, let limit):
      Diagnostic("\(ByteSize.format(byteCount)), where at most \(ByteSize.format(limit)) are read")
        .inFile(path.string)
    }
  }

  /// Runs calls of the system; an error of theirs names the file.
  package static func naming<Result>(
    _ path: FilePath, _ action: String, _ body: () throws -> Result
  ) throws -> Result {
    do { return try body() } catch let error as Errno { throw opening(path, error, to: action) }
  }

  /// The error of an `open` that failed.
  package static func opening(_ path: FilePath, _ error: Errno, to action: String) -> FileError {
    error == .tooManyOpenFiles
      ? .tooManyOpenFiles(path: path, limit: OpenFileLimit.current)
      : .system(action: action, path: path, errno: error)
  }
}
