import Checkpoints
import Foundation
import SystemPackage
import Tensors

/// A new directory that goes with the last reference.
final class TemporaryDirectory: Sendable {
  let path: FilePath

  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "checkpoints-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = FilePath(url.path(percentEncoded: false))
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path.string)
  }

  func file(_ name: String) -> FilePath { path.appending(name) }

  @discardableResult
  func write(_ bytes: [UInt8], to name: String) throws -> FilePath {
    let file = file(name)
    let parent = file.removingLastComponent().string
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(filePath: file.string))
    return file
  }

  @discardableResult
  func write(_ text: String, to name: String) throws -> FilePath {
    try write(Array(text.utf8), to: name)
  }
}

/// The bytes of a safetensors file: the header's length, the header, and `dataCount` bytes 0, 1, 2, …
func safetensors(_ header: String, dataCount: Int = 0) -> [UInt8] {
  let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init)
  return length + Array(header.utf8) + (0..<dataCount).map { UInt8(truncatingIfNeeded: $0) }
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

/// The message of the error that `body` throws; empty if it throws none.
func message<Value>(_ body: () throws -> Value) -> String {
  do {
    _ = try body()
    return ""
  } catch {
    return String(describing: error)
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

extension ByteSink {
  func write(_ bytes: [UInt8], at offset: Int = 0) throws {
    try bytes.withUnsafeBytes { try write($0, at: offset) }
  }
}
