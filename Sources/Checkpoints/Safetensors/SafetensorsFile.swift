import Basics
import SystemPackage
import Tensors

/// A safetensors file, open for reading: what its validated header says.
package struct SafetensorsFile: TensorFile {
  package let path: FilePath

  /// The strings of the header's `__metadata__`, such as `format`; empty if there is none.
  package let metadata: JSONObject

  package let tensors: [StoredTensor]

  package let identity: FileIdentity

  /// Opens a file and reads its header, no data.
  ///
  /// Throws `CheckpointError` if the file cannot be read, `SafetensorsError` if it is not valid.
  package init(path: FilePath) throws { try self.init(InputFile(path: path)) }

  /// Reads the header of an open file.
  init(_ file: InputFile) throws {
    path = file.path
    let fileByteCount = file.identity.byteCount
    let header: SafetensorsHeader
    do {
      let prefix = try file.bytes(at: 0, count: min(SafetensorsHeader.prefixLength, fileByteCount))
      let length = try SafetensorsHeader.checkedLength(prefix: prefix, fileByteCount: fileByteCount)
      let text = try file.bytes(at: SafetensorsHeader.prefixLength, count: length)
      guard text.count == length else {
        throw SafetensorsProblem.headerBeyondEnd(length: length, available: text.count)
      }
      header = try SafetensorsHeader(parsing: text, fileByteCount: fileByteCount)
    } catch let problem as SafetensorsProblem {
      throw SafetensorsError(path: path, problem: problem)
    }
    metadata = header.metadata
    identity = file.identity
    tensors = header.entries.map { entry in
      StoredTensor(
        name: entry.name, shape: entry.shape, format: .plain(entry.dtype),
        storedByteCount: entry.byteRange.count,
        source: FileRange(entry.byteRange, of: file, tensor: entry.name), path: file.path)
    }
  }
}

extension TensorFileFormat {
  static let safetensors = TensorFileFormat(
    name: "safetensors", suffixes: [".safetensors"], singleNames: [modelFileName],
    indexNames: [indexFileName], indexSuffixes: [".safetensors.index.json"],
    recognizes: { first, byteCount in
      // The length of the header, and its brace.
      (try? SafetensorsHeader.checkedLength(prefix: first.prefix(8), fileByteCount: byteCount)) != nil
        && first.dropFirst(8).first == UInt8(ascii: "{")
    },
    open: { try SafetensorsFile($0) })
}
