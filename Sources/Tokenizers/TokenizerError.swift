import SystemPackage

/// Why the files of a tokenizer cannot be used.
package enum TokenizerError: Error, Equatable, CustomStringConvertible {
  /// A directory has its tokenizer in a form that is not read, such as SentencePiece's `tokenizer.model`
  /// alone.
  case unreadForm(directory: FilePath, fileName: String)
  /// A value in a file is not of the kind that it must be. `what` says where it stands.
  case unexpected(path: FilePath, what: String, expected: String, found: String)
  /// Two tokens have one id.
  case sameID(path: FilePath, first: String, second: String, id: Int)
  /// A token has two ids.
  case twoIDs(path: FilePath, token: String, first: Int, second: Int)

  package var description: String {
    switch self {
    case .unreadForm(let directory, let fileName):
      "\(directory): has no tokenizer.json, only \(fileName), which is not read; transformers makes one: "
        + "AutoTokenizer.from_pretrained(\"\(directory)\").save_pretrained(\"\(directory)\")"
    case .unexpected(let path, let what, let expected, let found):
      "\(path): \(what): expected \(expected), found \(found)"
    case .sameID(let path, let first, let second, let id):
      "\(path): tokens '\(first)' and '\(second)' both have the id \(id)"
    case .twoIDs(let path, let token, let first, let second):
      "\(path): token '\(token)' has two ids, \(first) and \(second)"
    }
  }
}
