import Basics
import SystemPackage
import Tensors

/// A file of named tensors, open for reading: what it says of them, and where their bytes are.
///
/// The file stays open for as long as this or one of its tensors lives.
package protocol TensorFile: Sendable {
  /// The path that the file was opened with.
  var path: FilePath { get }

  /// Which file it is, and its state when it was opened.
  var identity: FileIdentity { get }

  /// What the file says of itself beside its tensors, such as `format`.
  var metadata: JSONObject { get }

  /// The tensors, in the order of their data.
  var tensors: [StoredTensor] { get }
}

/// How the elements of a tensor lie in a file.
package enum StorageFormat: Hashable, Sendable {
  /// Little-endian, row-major, without gaps.
  case plain(DType)
  /// In a format of its own, by its name; decoded to float32 where a tile is read.
  case decoded(String)

  /// What the elements are computed with.
  package var dtype: DType {
    switch self {
    case .plain(let dtype): dtype
    case .decoded: .f32
    }
  }

  /// What reports call it.
  package var name: String {
    switch self {
    case .plain(let dtype): dtype.rawValue
    case .decoded(let name): name
    }
  }
}

/// A tensor in a file. Its bytes are read when they are asked for.
package struct StoredTensor: Sendable {
  /// The name.
  package let name: String
  /// The sizes of the dimensions, outermost first; empty for a single number.
  package let shape: [Int]
  /// How the elements lie in the file.
  package let format: StorageFormat
  /// The bytes that the tensor takes in the file.
  package let storedByteCount: Int
  /// The elements as `dtype`.
  package let source: any ByteSource
  /// The file.
  package let path: FilePath

  package init(
    name: String, shape: [Int], format: StorageFormat, storedByteCount: Int, source: any ByteSource,
    path: FilePath
  ) {
    self.name = name
    self.shape = shape
    self.format = format
    self.storedByteCount = storedByteCount
    self.source = source
    self.path = path
  }

  /// The element type that it is computed with.
  package var dtype: DType { format.dtype }

  /// As the leaf of an expression.
  package var leaf: StoredLeaf { StoredLeaf(source: source, dtype: dtype, count: Shape(shape).count) }
}

/// A range of a file's bytes, as a plain tensor has them.
package final class FileRange: ByteSource {
  /// The tensor's name.
  private let name: String
  /// Where the bytes are in the file.
  package let byteRange: Range<Int>
  private let file: InputFile

  package init(_ byteRange: Range<Int>, of file: InputFile, tensor name: String) {
    self.byteRange = byteRange
    self.file = file
    self.name = name
  }

  package var byteCount: Int { byteRange.count }

  package var label: String { "\(file.path): tensor \(DisplayText.name(name))" }

  package var provenance: Provenance? {
    Provenance(file: file.path.string, tensor: name, byteCount: byteCount)
  }

  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    guard offset >= 0, offset <= byteCount, buffer.count <= byteCount - offset else {
      throw CheckpointError.readBeyondTensor(
        label: label, offset: offset, count: buffer.count, byteCount: byteCount)
    }
    let start = byteRange.lowerBound + offset
    let count = try file.read(into: buffer, at: start)
    guard count == buffer.count else {
      throw CheckpointError.truncated(
        path: file.path, tensor: name, expected: byteRange.upperBound, fileByteCount: start + count)
    }
  }

  /// What lies outside of the tensor is left out.
  package func advise(_ range: Range<Int>) {
    let range = range.clamped(to: 0..<byteCount)
    if range.isEmpty { return }
    let start = byteRange.lowerBound
    file.advise(start + range.lowerBound..<start + range.upperBound)
  }
}
