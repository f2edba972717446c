import Lua
import SystemPackage

/// The text files of scripts.
package enum ScriptFile {
  /// A file that is larger is no script.
  private static let largest = 16 << 20

  /// Whether there is a file at `path` below a folder.
  package static func exists(_ path: String, in folder: String) -> Bool {
    let file = FilePath(folder).pushing(FilePath(path))
    return (try? FileDescriptor.open(file, .readOnly, options: .closeOnExec).close()) != nil
  }

  /// The bytes of a script.
  ///
  /// Throws a `LuaError` that says what is wrong with the file.
  package static func read(_ path: String) throws -> [UInt8] {
    do {
      let file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
      return try file.closeAfter {
        var bytes: [UInt8] = []
        let chunk = 1 << 16
        while true {
          let start = bytes.count
          bytes.append(contentsOf: repeatElement(0, count: chunk))
          let count = try bytes.withUnsafeMutableBytes {
            try file.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[start...]))
          }
          bytes.removeLast(chunk - count)
          if count == 0 { return bytes }
          guard bytes.count <= largest else {
            throw LuaError("\(path) is larger than \(largest >> 20) MB, too large for a script")
          }
        }
      }
    } catch let error as Errno {
      throw LuaError(
        error == .isDirectory ? "\(path) is a directory, not a recipe" : "cannot read \(path): \(error)")
    }
  }
}
