import Basics
import Lua
import SystemPackage

/// The Lua files of `stdlib/`: those embedded in the binary, or those of a folder.
package struct StandardLibrary: Sendable {
  /// Texts by path, such as `mergekit/init.lua`.
  private let files: [String: String]

  /// The files that were there when the binary was built.
  package static let embedded = StandardLibrary(files: embeddedStandardLibrary)

  private init(files: [String: String]) { self.files = files }

  /// An edited copy in a folder.
  package init(directory: String) throws {
    var files: [String: String] = [:]
    var folders = [""]
    while let folder = folders.popLast() {
      let place = FilePath(directory).pushing(FilePath(folder))
      for name in try Self.names(in: place) where !name.hasPrefix(".") {
        let path = folder.isEmpty ? name : "\(folder)/\(name)"
        if (try? place.appending(name).stat())?.type == .directory {
          folders.append(path)
        } else if name.hasSuffix(".lua") {
          files[path] = try Self.read("\(directory)/\(path)")
        }
      }
    }
    guard files["mergekit/init.lua"] != nil else {
      throw LuaError("\(directory) is no standard library: mergekit/init.lua is missing")
    }
    self.files = files
  }

  /// All paths, sorted.
  package var paths: [String] { files.keys.sorted() }

  /// The text of a file.
  package func text(of path: String) -> String? { files[path] }

  /// The names of the built-in methods, sorted.
  package var methodNames: [String] {
    paths.filter { $0.hasPrefix("methods/") && $0.hasSuffix(".lua") }.map {
      String($0.dropFirst(8).dropLast(4))
    }
  }

  private static func names(in directory: FilePath) throws -> [String] {
    do { return try fileNames(in: directory) } catch { throw LuaError("\(error)") }
  }

  private static func read(_ path: String) throws -> String {
    try String(decoding: ScriptFile.read(path), as: UTF8.self)
  }
}
