import SystemPackage

/// Why a file or directory cannot be opened, read or written.
package enum FileError: Error, Equatable, CustomStringConvertible {
  /// A system call failed. `action` stands after "cannot".
  case system(action: String, path: FilePath, errno: Errno)
  case tooManyOpenFiles(path: FilePath, limit: Int)
  case notRegularFile(path: FilePath)
  case invalidJSON(path: FilePath, error: JSONError)
  case tooLarge(path: FilePath, byteCount: Int)

  package var description: String {
    switch self {
    case .system(let action, let path, let errno): "\(path): cannot \(action): \(errno)"
    case .tooManyOpenFiles(let path, let limit):
      "\(path): cannot open: the limit of \(limit) open files is reached; raise it with `ulimit -n`"
    case .notRegularFile(let path): "\(path): expected a regular file"
    case .invalidJSON(let path, let error): "\(path):\(error)"
    case .tooLarge(let path, let byteCount):
      "\(path): \(ByteSize.format(byteCount)) are too much for a JSON file"
    }
  }

  /// The error of an `open` that failed.
  package static func opening(_ path: FilePath, _ error: Errno, to action: String = "open") -> FileError {
    error == .tooManyOpenFiles
      ? .tooManyOpenFiles(path: path, limit: OpenFileLimit.current)
      : .system(action: action, path: path, errno: error)
  }
}
