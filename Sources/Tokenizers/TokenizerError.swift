import Basics
import SystemPackage

/// Why the files of a tokenizer cannot be used.
package enum TokenizerError: Equatable, DiagnosableError {
  /// A directory has its tokenizer in a form that is not read, such as SentencePiece's `tokenizer.model`
  /// alone.
  case unreadForm(directory: FilePath, fileName: String)
  /// A value in a file is not of the kind that it must be. `what` says where it stands.
  case unexpected(path: FilePath, what: String, expected: String, found: String)
  /// Two tokens have one id.
  case sameID(path: FilePath, first: String, second: String, id: Int)
  /// A token has two ids.
  case twoIDs(path: FilePath, token: String, first: Int, second: Int)

  package var diagnostic: Diagnostic {
    switch self {
    case .unreadForm(let path, _), .unexpected(let path, _, _, _), .sameID(let path, _, _, _),
      .twoIDs(let path, _, _, _):
      Diagnostic(message).inFile(path.string)
    }
  }

  private var message: DiagnosticMessage {
    switch self {
    case .unreadForm(let directory, let fileName):
      "has no tokenizer.json, only \(fileName), which is not read; transformers makes one: "
        + "AutoTokenizer.from_pretrained(\"\(directory)\").save_pretrained(\"\(directory)\")"
    case .unexpected(_, let what, let expected, let found):
      "\(what): expected \(expected), found \(found)"
    case .sameID(_, let first, let second, let id):
      "tokens \(name: first) and \(name: second) both have the id \(id)"
    case .twoIDs(_, let token, let first, let second):
      "token \(name: token) has two ids, \(first) and \(second)"
    }
  }
}
