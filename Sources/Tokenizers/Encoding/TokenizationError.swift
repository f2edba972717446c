import SystemPackage

/// Why a tokenizer cannot be made of its files, or a text not be encoded.
package enum TokenizationError: Error, Equatable, CustomStringConvertible {
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

  package var description: String {
    switch self {
    case .unknownComponent(let file, let place, let type, let nearest):
      "\(file): \(place): unknown type '\(type)'" + (nearest.map { " (did you mean '\($0)'?)" } ?? "")
    case .badValue(let file, let place, let expected, let found):
      "\(file): \(place): expected \(expected), found \(found)"
    case .unusable(let file, let place, let reason):
      "\(file): \(place): \(reason)"
    case .noTokenizer(let directory):
      "\(directory): has no tokenizer: tokenizer.json, or vocab.json with merges.txt, or vocab.txt was "
        + "expected"
    case .sentencePieceOnly(let directory):
      "\(directory): has no tokenizer.json, only SentencePiece's tokenizer.model, which is not read; "
        + "transformers makes one: AutoTokenizer.from_pretrained(\"\(directory)\").save_pretrained(\"\(directory)\")"
    case .unknownClass(let directory, let files, let className, let known):
      "\(directory): has \(files) and no tokenizer.json, and "
        + (className.map { "its tokenizer_class '\($0)'" } ?? "no tokenizer_class in tokenizer_config.json")
        + " does not say how to read them (known: \(known.joined(separator: ", "))); transformers makes a "
        + "tokenizer.json: AutoTokenizer.from_pretrained(\"\(directory)\").save_pretrained(\"\(directory)\")"
    case .unknownText(let text, let token):
      "cannot encode '\(text.prefix(40))': the vocabulary lacks it, and "
        + (token.map { "the unk_token, '\($0)', too" } ?? "there is no unk_token")
    case .matching(let expression, let reason):
      "the regular expression \(expression) failed on a text: \(reason)"
    }
  }
}
