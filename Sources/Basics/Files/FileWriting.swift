import SystemPackage

/// Writes a file, which it makes or replaces; owner and permissions are those of new files.
///
/// - Parameter shown: What errors call it; `nil` for its path.
package func writeFile(_ contents: [UInt8], to path: FilePath, shownAs shown: FilePath? = nil) throws {
  try FileError.naming(shown ?? path, "write") { try withNewFile(path) { _ = try $0.writeAll(contents) } }
}

extension InputFile {
  /// Copies the contents to a file, as `writeFile` writes it. More bytes than `limit` are an error: a file with holes
  /// may claim to be larger than any disk.
  package func copy(to target: FilePath, shownAs shown: FilePath? = nil, atMost limit: Int = .max) throws {
    guard identity.byteCount <= limit else {
      throw FileError.tooLarge(path: path, byteCount: identity.byteCount, limit: limit)
    }
    try FileError.naming(shown ?? target, "write") {
      try withNewFile(target) { output in
        try withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 16) { buffer in
          var offset = 0
          while true {
            let count = try read(into: buffer, at: offset)
            if count == 0 { return }
            guard offset <= limit - count else {
              throw FileError.tooLarge(path: path, byteCount: offset + count, limit: limit)
            }
            _ = try output.writeAll(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += count
          }
        }
      }
    }
  }
}

private func withNewFile(_ path: FilePath, _ body: (FileDescriptor) throws -> Void) throws {
  let file = try FileDescriptor.open(
    path, .writeOnly, options: [.create, .truncate, .closeOnExec],
    permissions: FilePermissions(rawValue: 0o666))
  // An error of closing is one of writing.
  try file.closeAfter { try body(file) }
}
