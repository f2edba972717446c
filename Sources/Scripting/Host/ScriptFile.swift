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
      return try fileContents(FilePath(path), atMost: largest, links: .all)
    } catch FileError.tooLarge {
      throw LuaError("\(path) is larger than \(largest >> 20) MB, too large for a script")
    } catch FileError.notRegularFile {
      let isDirectory = (try? FilePath(path).stat())?.type == .directory
      throw LuaError(isDirectory ? "\(path) is a directory, not a recipe" : "\(path) is not a regular file")
    } catch let error as FileError {
      throw LuaError(Diagnostic(error))
    }
  }
}
