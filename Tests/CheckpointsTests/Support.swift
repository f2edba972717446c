import Checkpoints
import Foundation
import SystemPackage
import Tensors
import TestSupport

extension TemporaryDirectory {
  func file(_ name: String) -> FilePath { FilePath(path(name)) }
}

/// The bytes of a safetensors file with `dataCount` bytes 0, 1, 2, … after the header.
func safetensors(_ header: String, dataCount: Int = 0) -> [UInt8] {
  safetensors(header: header, data: (0..<dataCount).map { UInt8(truncatingIfNeeded: $0) })
}

/// The bytes of a safetensors file with U8 tensors of one byte each.
func safetensors(tensors names: String...) -> [UInt8] {
  let entries = names.enumerated().map { position, name in
    "\"\(name)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[\(position),\(position + 1)]}"
  }
  return safetensors("{\(entries.joined(separator: ","))}", dataCount: names.count)
}

/// A path below Tests/Fixtures/safetensors.
func fixture(_ name: String) -> FilePath {
  FilePath(#filePath).removingLastComponent().removingLastComponent()
    .appending("Fixtures").appending("safetensors").pushing(FilePath(name))
}

/// The bytes of the tensor of shape [2, 8] that make-safetensors-fixtures.py makes for a dtype.
func pattern(_ dtype: DType) -> [UInt8] {
  (0..<16 * dtype.bitWidth / 8).map {
    UInt8((7 * $0 + 13 * dtype.rawValue.utf8.count) % (dtype == .bool ? 2 : 256))
  }
}

extension ByteSource {
  /// All bytes.
  func bytes() throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    try bytes.withUnsafeMutableBytes { try read(into: $0, at: 0) }
    return bytes
  }
}

extension StoredTensor {
  /// All bytes of the elements.
  func bytes() throws -> [UInt8] { try source.bytes() }
}

extension ByteSink {
  func write(_ bytes: [UInt8], at offset: Int = 0) throws {
    try bytes.withUnsafeBytes { try write($0, at: offset) }
  }
}
