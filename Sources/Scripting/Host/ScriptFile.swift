import Basics
import Lua
import SystemPackage

/// The text files of scripts that the user names.
package enum ScriptFile {
  /// A file that is larger is no script.
  private static let largest = 16 << 20

  /// The bytes of a script.
  ///
  /// Throws a `LuaError` that says what is wrong with the file.
  package static func read(_ path: String) throws -> [UInt8] {
    do {
      let file = try InputFile(path: FilePath(path), links: .all)
      guard file.identity.byteCount <= largest else {
        throw LuaError("\(path) is larger than \(largest >> 20) MB, too large for a script")
      }
      return try file.bytes(at: 0, count: file.identity.byteCount)
    } catch FileError.system(_, _, let error) {
      throw LuaError("cannot read \(path): \(error)")
    } catch FileError.notRegularFile {
      let isDirectory = (try? FilePath(path).stat())?.type == .directory
      throw LuaError(isDirectory ? "\(path) is a directory, not a recipe" : "\(path) is not a regular file")
    }
  }
}
