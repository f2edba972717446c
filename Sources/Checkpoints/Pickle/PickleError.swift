import Basics
import SystemPackage

/// Why a file of PyTorch's cannot be read.
package struct PickleError: Equatable, DiagnosableError {
  /// The file.
  package let path: FilePath
  /// What is wrong with it.
  package let problem: PickleProblem

  package var diagnostic: Diagnostic { problem.diagnostic.inFile(path.string) }
}

/// What can be wrong with a file of PyTorch's.
package enum PickleProblem: Equatable, DiagnosableError {
  // What it is instead.
  case gitLFSPointer
  case webPage
  case numpyArchive
  case legacyFormat
  case torchScript
  case notPyTorch

  // The archive.
  case badArchive(DiagnosticMessage)
  case compressed(String)
  case tooManyEntries(Int, most: Int)
  case noPickle
  case bigEndian(String)
  case pickleTooLarge(Int, most: Int)
  case missingStorage(key: String)
  case storageSize(key: String, expected: Int, found: Int)

  // The pickle.
  case endsEarly(at: Int)
  case unknownOpcode(UInt8, name: String?, at: Int)
  case protocolVersion(Int)
  case unknownGlobal(String)
  case wholeObject(String)
  case unsupportedTensor(String, kind: String)
  case badOperand(opcode: String, at: Int, expected: String)
  case tooComplex(limit: String)

  // What it holds.
  case notStateDict(found: String)
  case keyNotText(found: String)
  case noTensors(keys: [String])
  case badTensor(name: String, reason: DiagnosticMessage)

  package var diagnostic: Diagnostic {
    if case .badTensor(let name, let reason) = self { return Diagnostic(reason).inTensor(name) }
    if case .notStateDict(let found) = self {
      return Diagnostic(expected: "a dict of tensors", found: "\(words: found)")
    }
    return Diagnostic(message)
  }

  private var message: DiagnosticMessage {
    switch self {
    case .gitLFSPointer:
      "this is Git LFS's pointer to the file, not the file itself; `git lfs pull` fetches it"
    case .webPage: "this is a web page, not weights; the download went wrong"
    case .numpyArchive: "this is an archive of NumPy's (.npz), which is not read; \(words: Self.advice)"
    case .legacyFormat:
      "this was written by PyTorch before 1.6, or without its zip format, and is not read; write it again with "
        + "`torch.save(torch.load(path, map_location=\"cpu\"), path)`, or as safetensors"
    case .torchScript: "this is a TorchScript program, not a state dict; \(words: Self.advice)"
    case .notPyTorch: "this is no archive as `torch.save` writes them"

    case .badArchive(let reason): "the archive is damaged or made by hand: \(reason)"
    case .compressed(let name):
      "the archive is compressed at \(name: name); `torch.save` stores its entries as they are"
    case .tooManyEntries(let count, let most): "the archive has \(count) entries; at most \(most) are read"
    case .noPickle: "the archive has no data.pkl in the one folder at its top, so it is none of PyTorch's"
    case .bigEndian(let order): "its numbers are in \(order)-endian order; only little-endian files are read"
    case .pickleTooLarge(let size, let most):
      "its data.pkl has \(ByteSize.format(size)); at most \(ByteSize.format(most)) are read"
    case .missingStorage(let key): "storage \(name: key) is not in the archive"
    case .storageSize(let key, let expected, let found):
      "storage \(name: key) should have \(expected) bytes, found \(found)"

    case .endsEarly(let offset): "its pickle ends early, at byte \(offset)"
    case .unknownOpcode(let byte, let name, let offset):
      "its pickle has the opcode \(words: name ?? hexadecimal(byte)) at byte \(offset), which no state dict needs; "
        + "nothing of it was executed"
    case .protocolVersion(let version): "its pickle has protocol \(version); 2 to 5 are read"
    case .unknownGlobal(let name):
      "its pickle refers to \(name: name), which no state dict needs; nothing of it was executed"
    case .wholeObject(let name):
      "it holds a whole object, \(name: name), and not only tensors; \(words: Self.advice)"
    case .unsupportedTensor(let name, let kind): "it holds \(words: kind) (\(name: name)), which are not read"
    case .badOperand(let opcode, let offset, let expected):
      "its pickle is damaged or made by hand: \(words: opcode) at byte \(offset) needs \(words: expected)"
    case .tooComplex(let limit): "its pickle has more than \(words: limit), far more than any state dict"

    case .keyNotText(let found): "expected names as the keys of its tensors, found \(words: found)"
    case .noTensors(let keys): "it has no tensors under their names" + Self.list(keys)
    case .notStateDict, .badTensor: ""
    }
  }

  private static let advice =
    "save the state dict with PyTorch, `torch.save(model.state_dict(), path)`, or as safetensors"

  private static func list(_ keys: [String]) -> DiagnosticMessage {
    if keys.isEmpty { return "" }
    return "; its keys are " + .names(keys.prefix(5)) + (keys.count > 5 ? " and \(keys.count - 5) more" : "")
  }
}
