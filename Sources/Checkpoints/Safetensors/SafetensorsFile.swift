import Basics
import SystemPackage
import Tensors

/// A safetensors file, open for reading: what its validated header says.
///
/// The file stays open for as long as this or one of its tensors lives.
package struct SafetensorsFile: Sendable {
  /// The path that the file was opened with.
  package let path: FilePath

  /// The strings of the header's `__metadata__`, such as `format`; empty if there is none.
  package let metadata: JSONObject

  /// The tensors, in the order of their data.
  package let tensors: [StoredTensor]

  /// Which file it is, and its state when it was opened.
  package let identity: FileIdentity

  /// Opens a file and reads its header, no data.
  ///
  /// Throws `CheckpointError` if the file cannot be read, `SafetensorsError` if it is not valid.
  package init(path: FilePath, links: InputFile.Links = .withinFolder) throws {
    let file = try InputFile(path: path, links: links)
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
    self.path = path
    metadata = header.metadata
    identity = file.identity
    tensors = header.entries.map { StoredTensor($0, in: file) }
  }
}

/// A tensor in a safetensors file. Its bytes are read when they are asked for.
package final class StoredTensor: ByteSource {
  /// The name.
  package let name: String
  /// The element type.
  package let dtype: DType
  /// The sizes of the dimensions, outermost first; empty for a single number.
  package let shape: [Int]
  /// Where the data is, in bytes from the start of the file.
  package let byteRange: Range<Int>

  private let file: InputFile

  fileprivate init(_ entry: SafetensorsHeader.Entry, in file: InputFile) {
    name = entry.name
    dtype = entry.dtype
    shape = entry.shape
    byteRange = entry.byteRange
    self.file = file
  }

  /// The path of the file.
  package var path: FilePath { file.path }

  /// Which file it is in; the same for two paths of one file.
  package var fileIdentity: FileIdentity { file.identity }

  package var byteCount: Int { byteRange.count }

  package var label: String { "\(path): tensor \(quoted(name))" }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard offset >= 0, offset <= byteCount, buffer.count <= byteCount - offset else {
      throw CheckpointError.readBeyondTensor(
        label: label, offset: offset, count: buffer.count, byteCount: byteCount)
    }
    let start = byteRange.lowerBound + offset
    let count = try file.read(into: buffer, at: start)
    guard count == buffer.count else {
      throw CheckpointError.truncated(
        path: path, tensor: name, expected: byteRange.upperBound, fileByteCount: start + count)
    }
  }

  /// Asks the system to read some of the tensor's bytes ahead of use. Only a hint: what lies outside of
  /// the tensor is left out, and nothing comes of a failure.
  package func advise(_ range: Range<Int>) {
    let range = range.clamped(to: 0..<byteCount)
    if range.isEmpty { return }
    let start = byteRange.lowerBound
    file.advise(start + range.lowerBound..<start + range.upperBound)
  }
}
