import Basics
import SystemPackage
import Tensors

/// What can be wrong with a merge as a whole.
package enum MergeError: DiagnosableError {
  case noTensor(String, model: String, nearest: String?)
  case duplicateName(String, model: String)
  /// `mark` says by what it is known.
  case quantized(model: String, mark: String)
  case noTensors(model: String)
  /// Elements that are not finite, in a sentence that counts them.
  case nonFinite(FilePath, String)
  case shapeChanged(planned: Shape, found: Shape)
  case sameOutput(FilePath)
  case outputWithin(FilePath, other: FilePath)
  /// An adapter would take the place of the weights of a model.
  case adapterIntoModel(FilePath)
  /// An adapter needs its config beside its weights.
  case adapterAsFile(FilePath)
  /// A file that the outputs are made of is not what it was when the merge began.
  case inputChanged(FilePath)
}

extension MergeError {
  /// `error` with the tensor in which it happened, unless it knows it.
  package static func locate(_ error: any Error, inTensor name: String) -> any Error {
    if error as? TensorError == .cancelled { return error }
    if let carrier = error as? any DiagnosticCarrier { return carrier.changed { $0.inTensor(name) } }
    return Diagnostic(error).inTensor(name)
  }
}

extension MergeError {
  package var diagnostic: Diagnostic {
    let diagnostic = Diagnostic(message)
    return switch self {
    case .noTensor(_, _, let nearest): diagnostic.suggesting(nearest)
    case .nonFinite(let path, _): diagnostic.inFile(path.string)
    default: diagnostic
    }
  }

  private var message: DiagnosticMessage {
    switch self {
    case .noTensor(let name, let model, _):
      "model \(model: model) has no tensor \(tensor: name)"
    case .duplicateName(let name, let model):
      "model \(model: model) names tensor \(tensor: name) twice"
    case .quantized(let model, let mark):
      "model \(model: model) is quantized (\(mark)); merge the original weights instead"
    case .nonFinite(_, let sentence): "\(sentence)"
    case .noTensors(let model):
      "model \(model: model) has no tensors to write"
    case .shapeChanged(let planned, let found):
      "expected shape \(planned), got \(found)"
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
