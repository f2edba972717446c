import Basics
import SystemPackage

/// A format of files of tensors: by what names and contents it is known, and how it is opened.
package struct TensorFileFormat: Sendable {
  /// What messages call it.
  package let name: String
  /// The ends of its files' names, such as `.safetensors`.
  let suffixes: [String]
  /// The file of a model that is not sharded, such as `model.safetensors`, in the order of preference.
  let singleNames: [String]
  /// The indexes of shards that a directory is searched for first, such as `model.safetensors.index.json`.
  let indexNames: [String]
  /// The ends of the names of all indexes, such as `.safetensors.index.json`.
  let indexSuffixes: [String]
  /// Whether each file is a model by itself, unless its name says that it is a part of one.
  let holdsWholeModels: Bool
  /// Files with such an end that hold no model.
  let ignored: @Sendable (_ name: String) -> Bool
  /// Whether a file is of this format, by its first bytes.
  let recognizes: @Sendable (_ first: [UInt8], _ fileByteCount: Int) -> Bool
  /// Opens a file; reads what it says of its tensors, no data.
  let open: @Sendable (InputFile) throws -> any TensorFile
  /// Checks that files without an index belong together.
  let checkSet: @Sendable ([any TensorFile]) throws -> Void

  init(
    name: String, suffixes: [String], singleNames: [String], indexNames: [String], indexSuffixes: [String],
    holdsWholeModels: Bool = false, ignored: @escaping @Sendable (_ name: String) -> Bool = { _ in false },
    recognizes: @escaping @Sendable (_ first: [UInt8], _ fileByteCount: Int) -> Bool,
    open: @escaping @Sendable (InputFile) throws -> any TensorFile,
    checkSet: @escaping @Sendable ([any TensorFile]) throws -> Void = { _ in }
  ) {
    self.name = name
    self.suffixes = suffixes
    self.singleNames = singleNames
    self.indexNames = indexNames
    self.indexSuffixes = indexSuffixes
    self.holdsWholeModels = holdsWholeModels
    self.ignored = ignored
    self.recognizes = recognizes
    self.open = open
    self.checkSet = checkSet
  }

  /// All formats that are read, in the order in which a directory that has several is searched.
  static let all: [TensorFileFormat] = [
    .safetensors, .torch, .gguf,
  ]

  /// Whether a file has a name of this format.
  func names(_ name: String) -> Bool { suffixes.contains { name.hasSuffix($0) } }

  /// Whether a file has the name of an index of this format.
  func namesIndex(_ name: String) -> Bool { indexSuffixes.contains { name.hasSuffix($0) } }

  /// Whether a file of a directory has weights of this format, by its name.
  func namesWeights(_ name: String) -> Bool { names(name) && !ignored(name) }

  /// The most bytes that `recognizes` looks at.
  static let recognizedLength = 16

  /// The format of a file: the one that its name says, unless its contents are clearly another's; `nil` if neither
  /// says any.
  static func format(of file: InputFile) throws -> TensorFileFormat? {
    let name = file.path.lastComponent?.string ?? ""
    let named = all.first { $0.names(name) }
    let first = try file.bytes(at: 0, count: min(recognizedLength, file.identity.byteCount))
    if let named, named.recognizes(first, file.identity.byteCount) { return named }
    return all.first { $0.recognizes(first, file.identity.byteCount) } ?? named
  }

  /// Opens a file of tensors of whichever format it is.
  static func open(_ file: InputFile) throws -> any TensorFile {
    guard let format = try format(of: file) else { throw CheckpointError.notCheckpoint(path: file.path) }
    return try format.open(file)
  }
}
