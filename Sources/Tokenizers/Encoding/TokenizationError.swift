import Basics
import SystemPackage

/// Why a tokenizer cannot be made of its files, or a text not be encoded.
package enum TokenizationError: Equatable, DiagnosableError {
  /// A part of a tokenizer.json has a type that is not known. `place` is its path, such as
  /// `pre_tokenizer.pretokenizers[1]`.
  case unknownComponent(file: String, place: String, type: String, nearest: String?)
  /// A value is missing, or not of the kind that it must be.
  case badValue(file: String, place: String, expected: String, found: String)
  /// A value is of the right kind and still cannot be used.
  case unusable(file: String, place: String, reason: String)
  /// A directory has nothing that a tokenizer can be made of.
  case noTokenizer(directory: FilePath)
  /// A directory has SentencePiece's binary file and no tokenizer.json.
  case sentencePieceOnly(directory: FilePath)
  /// A directory has vocabulary files alone, for a class of tokenizers that is not known here.
  case unknownClass(directory: FilePath, files: String, className: String?, known: [String])
  /// A text has what the vocabulary lacks, and there is no unk_token.
  case unknownText(text: String, token: String?)
  /// The regular-expression engine gave up on a text.
  case matching(expression: String, reason: String)

  package var diagnostic: Diagnostic {
    let diagnostic = Diagnostic(message)
    return switch self {
    case .unknownComponent(let file, _, _, let nearest): diagnostic.suggesting(nearest).inFile(file)
    case .badValue(let file, _, _, _), .unusable(let file, _, _): diagnostic.inFile(file)
    case .noTokenizer(let directory), .sentencePieceOnly(let directory),
      .unknownClass(let directory, _, _, _):
      diagnostic.inFile(directory.string)
    case .unknownText, .matching: diagnostic
    }
  }

  private var message: DiagnosticMessage {
    switch self {
    case .unknownComponent(_, let place, let type, _): "\(place): unknown type \(name: type)"
    case .badValue(_, let place, let expected, let found):
      "\(place): expected \(expected), found \(found)"
    case .unusable(_, let place, let reason):
      "\(place): \(reason)"
    case .noTokenizer:
      "has no tokenizer: tokenizer.json, or vocab.json with merges.txt, or vocab.txt was "
        + "expected"
    case .sentencePieceOnly(let directory):
      "has no tokenizer.json, only SentencePiece's tokenizer.model, which is not read; "
        + "transformers makes one: AutoTokenizer.from_pretrained(\"\(directory)\").save_pretrained(\"\(directory)\")"
    case .unknownClass(let directory, let files, let className, let known):
      "has \(files) and no tokenizer.json, and \(Self.words(ofClass: className)) does not say how to read them (known: \(known.joined(separator: ", "))); transformers makes a "
        + "tokenizer.json: AutoTokenizer.from_pretrained(\"\(directory)\").save_pretrained(\"\(directory)\")"
    case .unknownText(let text, let token):
      "cannot encode \(name: String(text.prefix(40))): the vocabulary lacks it, and \(Self.words(ofUnknown: token))"
    case .matching(let expression, let reason):
      "the regular expression \(expression) failed on a text: \(reason)"
    }
  }

  private static func words(ofClass name: String?) -> DiagnosticMessage {
    name.map { "its tokenizer_class \(name: $0)" } ?? "no tokenizer_class in tokenizer_config.json"
  }

  private static func words(ofUnknown token: String?) -> DiagnosticMessage {
    token.map { "the unk_token, \(name: $0), too" } ?? "there is no unk_token"
  }
}
