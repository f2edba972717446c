import Basics
import Tokenizers

/// What becomes of token ids in a model's config files when it gets another tokenizer.
package struct TokenIDs {
  private let map: TokenIDMap
  /// The files of the model whose tokenizer it is.
  private let donor: any ModelFiles

  /// - Parameters:
  ///   - old: The vocabulary that the config files were written for.
  ///   - new: The tokenizer that the model gets.
  package init(from old: Vocabulary, to new: TokenizerFiles) {
    map = TokenIDMap(from: old, to: new.vocabulary)
    donor = new.files
  }

  /// The values of a file with the new ids, and a sentence for each that could not be kept.
  func mapped(_ json: JSON, of name: String) -> (json: JSON, warnings: [String]) {
    let (result, losses) = map.mapped(json, donor: (try? donor.optionalJSON(name)) ?? nil)
    return (
      result,
      losses.map { loss in
        let outcome = loss.replacement.map { "it is \($0), as in \(donor.path)" } ?? "it is left out"
        return "\(name): \(loss.key): the tokenizer has no token '\(loss.token)', so \(outcome)"
      }
    )
  }
}
