import Basics
import SystemPackage

/// Why an output directory cannot be begun or put in place.
package enum OutputDirectoryError: Equatable, DiagnosableError {
  /// The path is the empty string.
  case emptyPath
  /// Something that is no directory stands at the output's path.
  case notADirectory(FilePath)
  /// Something that is neither a file nor a directory stands where a file is to be.
  case notAFile(FilePath)
  /// The output's name is that of a file in a format that is not written.
  case otherFormat(FilePath)
  /// The output is a file that exists, and nobody said that it may go.
  case fileExists(FilePath)
  /// The output is a file that exists, and holds something else than tensors.
  case fileIsStranger(FilePath)
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
  /// As `cannotInstall`, and what had been moved could not be moved back either: the next run completes it.
  case unfinished([FilePath], inPlace: [FilePath], Errno)
  /// What an interrupted run left in `staging` cannot be settled.
  case cannotRecover(FilePath, staging: FilePath, Errno)
  /// Another process writes the output.
  case busy(FilePath, process: CInt?)
  /// The output holds files, by their paths in it, that belong to no model.
  case holdsStrangers(FilePath, [String])
  /// The temporary directory was discarded before `commit()`.
  case discarded(FilePath)

  package var diagnostic: Diagnostic { Diagnostic(message) }

  private var message: DiagnosticMessage {
    switch self {
    case .emptyPath:
      "the output path is empty"
    case .notADirectory(let path):
      "\(path) exists and is not a directory"
    case .notAFile(let path):
      "\(path) exists and is not a regular file"
    case .otherFormat(let path):
      "cannot write \(path): only safetensors are written; name OUT a directory, or a file that ends in .safetensors"
    case .fileExists(let path):
      "\(path) exists; pass --force to replace it"
    case .fileIsStranger(let path):
      "\(path) exists and is no safetensors file; --force replaces models only, --force-all moves it aside"
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
    case .unfinished(let paths, let inPlace, let error):
      "cannot move the finished files to \(Self.list(paths.map(\.string))): \(error)"
        + (inPlace.isEmpty
          ? "" : "; those of \(Self.list(inPlace.map(\.string))) are in place" as DiagnosticMessage)
        + "; run the merge again to complete it: nothing is lost"
    case .cannotRecover(let path, let staging, let error):
      "\(path): an interrupted run left \(staging), which cannot be settled: \(error)"
    case .busy(let path, let process):
      "\(path) is being written by another run\(words: process.map { " (process \($0))" } ?? ""); "
        + "wait for it, or choose another output"
    case .holdsStrangers(let path, let names):
      "\(path) holds files that belong to no model: \(Self.list(names)); --force replaces models only, "
        + "--force-all moves the whole directory aside"
    case .discarded(let path):
      "the files for \(path) were discarded"
    }
  }

  /// The first few, and how many more there are.
  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(5).joined(separator: ", ")
    return names.count > 5 ? "\(shown) and \(names.count - 5) more" : shown
  }
}
