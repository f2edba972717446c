import SystemPackage
import Tensors

/// What can be wrong with a merge as a whole.
package enum MergeError: Error {
  case noTensor(String, model: String, nearest: String?)
  case duplicateName(String, model: String)
  case tooDeep(Int, most: Int)
  /// `mark` says by what it is known.
  case quantized(model: String, mark: String)
  case noTensors(model: String)
  /// Elements that are not finite, in a sentence that counts them.
  case nonFinite(FilePath, String)
  case shapeChanged(planned: Shape, found: Shape)
  /// An error on the way to one tensor of the output.
  case inTensor(String, any Error)
  case sameOutput(FilePath)
  case outputWithin(FilePath, other: FilePath)
  /// An adapter would take the place of the weights of a model.
  case adapterIntoModel(FilePath)
  /// An adapter needs its config beside its weights.
  case adapterAsFile(FilePath)
  /// A file that the outputs are made of is not what it was when the merge began.
  case inputChanged(FilePath)
}

/// An error that has a place of its own to say, before the tensor's name.
package protocol PlacedError: Error {
  /// The same error, saying in which tensor it happened.
  func happening(inTensor name: String) -> any Error
}

extension MergeError {
  /// `error`, saying in which tensor it happened unless it does so already.
  package static func locate(_ error: any Error, inTensor name: String) -> any Error {
    if "\(error)".contains("'\(name)'") { return error }
    if let error = error as? any PlacedError { return error.happening(inTensor: name) }
    return MergeError.inTensor(name, error)
  }
}

extension MergeError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .noTensor(let name, let model, let nearest):
      "model '\(model)' has no tensor '\(name)'" + (nearest.map { " (did you mean '\($0)'?)" } ?? "")
    case .duplicateName(let name, let model):
      "model '\(model)' names tensor '\(name)' twice"
    case .tooDeep(let depth, let most):
      "a chain of \(depth) models made of models is too long (Lua's stack has room for \(most)); save one in between"
    case .quantized(let model, let mark):
      "model '\(model)' is quantized (\(mark)); merge the original weights instead"
    case .nonFinite(let path, let sentence): "\(path): \(sentence)"
    case .noTensors(let model):
      "model '\(model)' has no tensors to write"
    case .shapeChanged(let planned, let found):
      "expected shape \(planned), got \(found)"
    case .inTensor(let name, let error):
      "tensor '\(name)': \(error)"
    case .sameOutput(let path):
      "two models are to be written to \(path)"
    case .outputWithin(let path, let other):
      "\(path) lies within \(other), which is written too; choose another output"
    case .adapterIntoModel(let path):
      "\(path) holds a model, and an adapter is not written into it; choose another output"
    case .adapterAsFile(let path):
      "\(path) would be a file, and an adapter is a directory with its adapter_config.json"
    case .inputChanged(let path):
      "\(path) has changed while it was merged; nothing is written"
    }
  }
}
