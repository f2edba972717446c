import SystemPackage

/// Why an output directory cannot be begun or put in place.
package enum OutputDirectoryError: Error, Equatable, CustomStringConvertible {
  /// The path is the empty string.
  case emptyPath
  /// Something that is no directory stands at the output's path.
  case notADirectory(FilePath)
  /// The output's path is a symbolic link to nothing.
  case danglingLink(FilePath)
  /// A part of the output's path that should be a directory is none.
  case parentNotADirectory(FilePath, out: FilePath)
  /// The path goes up (`..`) from a directory that does not exist.
  case upFromMissing(FilePath)
  /// The output has contents, and nobody said that they may go.
  case notEmpty(FilePath)
  /// An input model lies in the output, or the output in it, so that writing would destroy the input.
  case holdsInput(out: FilePath, input: FilePath)
  /// Replacing the output would delete the directory that the process works in, or all files.
  case holdsWorkingDirectory(FilePath)
  /// A directory cannot be read or looked up.
  case cannotRead(FilePath, Errno)
  /// A directory cannot be created in `directory`.
  case cannotWrite(directory: FilePath, out: FilePath, Errno)
  /// The finished files cannot be moved to their place; what was there before still is.
  case cannotInstall(FilePath, Errno)
  /// As `cannotInstall`, and the old contents could not be moved back either.
  case oldContentsMoved(FilePath, to: FilePath, Errno)
  /// The temporary directory was discarded before `commit()`.
  case discarded(FilePath)

  /// One sentence for the user.
  package var description: String {
    switch self {
    case .emptyPath:
      "the output path is empty"
    case .notADirectory(let path):
      "\(path) exists and is not a directory"
    case .danglingLink(let path):
      "\(path) is a symbolic link to something that does not exist"
    case .parentNotADirectory(let parent, let out):
      "cannot write \(out): \(parent) is not a directory"
    case .upFromMissing(let path):
      "cannot write \(path): '..' follows a directory that does not exist"
    case .notEmpty(let path):
      "\(path) exists and is not empty; pass --force to replace it"
    case .holdsInput(let out, let input):
      out == input
        ? "cannot write \(out): it is an input of this merge; choose another output"
        : "cannot write \(out): that would destroy the input \(input); choose another output"
    case .holdsWorkingDirectory(let path):
      "cannot replace \(path): the working directory lies in it; choose another output"
    case .cannotRead(let path, let error):
      "cannot read \(path): \(error)"
    case .cannotWrite(let directory, let out, let error):
      directory == out
        ? "cannot write in \(directory): \(error)"
        : "cannot write \(out): cannot create a directory in \(directory): \(error)"
    case .cannotInstall(let path, let error):
      "cannot move the finished files to \(path): \(error)"
    case .oldContentsMoved(let path, let place, let error):
      "cannot move the finished files to \(path): \(error); its old contents are now in \(place)"
    case .discarded(let path):
      "the files for \(path) were discarded"
    }
  }
}
