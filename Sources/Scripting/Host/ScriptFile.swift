import Basics
import Lua
import SystemPackage

/// The text files of scripts.
package enum ScriptFile {
  /// A file that is larger is no script.
  private static let largest = 16 << 20

  /// Whether there is a file at `path` below a folder.
  package static func exists(_ path: String, in folder: String) -> Bool {
    isRegularFile(FilePath(folder).pushing(FilePath(path)))
  }

  /// The bytes of a script.
  ///
  /// Throws a `LuaError` that says what is wrong with the file.
  package static func read(_ path: String) throws -> [UInt8] {
    do {
      return try fileContents(FilePath(path), atMost: largest)
    } catch FileError.tooLarge {
      throw LuaError("\(path) is larger than \(largest >> 20) MB, too large for a script")
    } catch FileError.notRegularFile where (try? FilePath(path).stat())?.type == .directory {
      throw LuaError("\(path) is a directory, not a recipe")
    } catch let error as FileError {
      throw LuaError("\(error)")
    }
  }
}
