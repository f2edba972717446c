import Basics
import SystemPackage

/// Why a GGUF file cannot be read.
package struct GGUFError: Equatable, DiagnosableError {
  /// The file.
  package let path: FilePath
  /// What is wrong with it.
  package let problem: GGUFProblem

  package var diagnostic: Diagnostic { problem.diagnostic.inFile(path.string) }
}

/// What can be wrong with a GGUF file.
package enum GGUFProblem: Equatable, DiagnosableError {
  // What it is instead.
  case gitLFSPointer
  case notGGUF
  case olderFormat(String)
  case bigEndian
  case version(UInt32)

  // The header.
  case endsEarly(at: Int, fileByteCount: Int)
  case headerTooLong(most: Int)
  case tooMany(String, count: UInt64, most: Int)
  case textTooLong(String, length: UInt64, most: Int)
  case notText(String)
  case repeatedKey(String)
  case unknownValueType(UInt32, key: String)
  case nestedArray(key: String)
  case badBoolean(UInt8, key: String)
  case badAlignment(String)
  case wrongKind(key: String, expected: String, found: String)

  // Tensors.
  case repeatedTensor(String)
  case badTensor(name: String, reason: DiagnosticMessage)
  case overlap(name: String, other: String)

  // Files that belong together.
  case missingFirstOfSplit(String)
  case wrongSplit(DiagnosticMessage)

  package var diagnostic: Diagnostic {
    if case .badTensor(let name, let reason) = self { return Diagnostic(reason).inTensor(name) }
    if case .wrongKind(let key, let expected, let found) = self {
      return Diagnostic(
        expected: "\(words: expected) as the value of \(name: key)", found: "\(words: found)")
    }
    return Diagnostic(message)
  }

  private var message: DiagnosticMessage {
    switch self {
    case .gitLFSPointer:
      "this is Git LFS's pointer to the file, not the file itself; `git lfs pull` fetches it"
    case .notGGUF: "this is no GGUF file: it does not begin with \"GGUF\""
    case .olderFormat(let name):
      "this file has the format \(words: name), which came before GGUF and is not read; convert it with llama.cpp"
    case .bigEndian: "its numbers are big-endian; only little-endian files are read"
    case .version(let version): "this is GGUF version \(version); versions 2 and 3 are read"

    case .endsEarly(let offset, let count):
      "the file is truncated: its header goes on at byte \(offset), and the file has \(count)"
    case .headerTooLong(let most):
      "its header has more than \(ByteSize.format(most)), far more than any model's"
    case .tooMany(let what, let count, let most):
      "its header announces \(count) \(words: what); the file has room for at most \(most)"
    case .textTooLong(let what, let length, let most):
      "\(words: what) has \(length) bytes; at most \(most) are read"
    case .notText(let what): "\(words: what) is not valid UTF-8"
    case .repeatedKey(let key): "the key \(name: key) occurs twice"
    case .unknownValueType(let type, let key): "the value of \(name: key) has the unknown type \(type)"
    case .nestedArray(let key): "the value of \(name: key) is an array of arrays, which is not read"
    case .badBoolean(let byte, let key): "the boolean \(name: key) is \(byte); expected 0 or 1"
    case .badAlignment(let found):
      "general.alignment is \(words: found); expected a power of two from 1 to 1048576"

    case .repeatedTensor(let name): "two tensors have the name \(name: name)"
    case .overlap(let name, let other):
      "the data of tensor \(tensor: name) overlaps that of tensor \(tensor: other)"

    case .missingFirstOfSplit(let key):
      "this file is a part of a split model, and has no \(name: key); open the model by its folder or its first file"
    case .wrongSplit(let reason): reason
    case .badTensor, .wrongKind: ""
    }
  }
}
