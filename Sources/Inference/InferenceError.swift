import Basics
import Tensors

/// Why a model cannot be run, or not on what it was given.
package enum InferenceError: Equatable, DiagnosableError {
  case noConfig(model: String)
  /// `architecture` is what config.json calls it.
  case unsupportedArchitecture(String, model: String)
  case missingSetting(String, model: String)
  /// `expected` says what was expected instead of `found`.
  case badSetting(String, found: String, expected: String, model: String)
  case missingTensor(String, model: String, nearest: String?)
  case badShape(tensor: String, found: Shape, expected: Shape, model: String)
  case noPrompts
  /// Prompts count from 1.
  case emptyPrompt(Int)
  case badToken(Int, prompt: Int, position: Int, vocabulary: Int, model: String)
}

extension InferenceError {
  package var diagnostic: Diagnostic {
    let diagnostic = Diagnostic(message)
    if case .missingTensor(_, _, let nearest) = self { return diagnostic.suggesting(nearest) }
    return diagnostic
  }

  private var message: DiagnosticMessage {
    switch self {
    case .noConfig(let model):
      "model \(model: model) has no config.json, which says how it is run"
    case .unsupportedArchitecture(let found, let model):
      "model \(model: model) cannot be run: its architecture is \(found), and those that can are "
        + "\(DecoderArchitecture.allCases.map(\.displayName).joined(separator: ", ")) (gates that run no model are cheap_embed, random and uniform_random)"
    case .missingSetting(let key, let model):
      "model \(model: model) cannot be run: its config.json has no \(name: key)"
    case .badSetting(let key, let found, let expected, let model):
      "model \(model: model) cannot be run: \(name: key) of its config.json is \(found), expected \(expected)"
    case .missingTensor(let name, let model, _):
      "model \(model: model) cannot be run: it has no tensor \(tensor: name)"
    case .badShape(let tensor, let found, let expected, let model):
      "model \(model: model) cannot be run: tensor \(tensor: tensor) has shape \(found), expected \(expected) by its config.json"
    case .noPrompts:
      "expected at least one prompt"
    case .emptyPrompt(let prompt):
      "prompt \(prompt) has no tokens"
    case .badToken(let token, let prompt, let position, let vocabulary, let model):
      "prompt \(prompt): token \(position) is \(token), expected 0 to \(vocabulary - 1), the vocabulary of model \(model: model)"
    }
  }
}
