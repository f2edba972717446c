import Basics
import Lua
import SystemPackage

/// The Lua files of `stdlib/`: those embedded in the binary, or those of a folder.
package struct StandardLibrary: Sendable {
  /// Texts by path, such as `mergekit/init.lua`.
  private let files: [String: String]
  /// What the files were compiled to, a scalar for each byte, by the same paths.
  private let bytecode: [String: String]

  /// The files that were there when the binary was built.
  ///
  /// Their bytecode spares each run a third of its start; another release of Lua compiles the texts instead.
  package static let embedded = StandardLibrary(
    files: embeddedStandardLibrary,
    bytecode: LuaState.release == embeddedBytecodeRelease ? embeddedBytecode : [:])

  private init(files: [String: String], bytecode: [String: String]) {
    self.files = files
    self.bytecode = bytecode
  }

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
    self.init(files: files, bytecode: [:])
  }

  /// All paths, sorted.
  package var paths: [String] { files.keys.sorted() }

  /// The text of a file.
  package func text(of path: String) -> String? { files[path] }

  /// A file as `require` runs it.
  package func file(_ path: String) -> LuaModules.StandardLibraryFile? {
    if let code = bytecode[path] { return .bytecode(Self.bytes(ofScalars: code)) }
    return files[path].map { .text($0) }
  }

  /// A byte for each scalar, all of which are below 256: one or two bytes of UTF-8.
  private static func bytes(ofScalars text: String) -> [UInt8] {
    var text = text
    return text.withUTF8 { units in
      [UInt8](unsafeUninitializedCapacity: units.count) { bytes, count in
        var lead: UInt8 = 0
        for unit in units {
          if unit >= 0xc0 {
            lead = unit << 6
          } else {
            bytes[count] = lead == 0 ? unit : lead | unit & 0x3f
            lead = 0
            count += 1
          }
        }
      }
    }
  }

  /// The names of the built-in methods, sorted.
  package var methodNames: [String] {
    paths.filter { $0.hasPrefix("methods/") && $0.hasSuffix(".lua") }.map {
      String($0.dropFirst(8).dropLast(4))
    }
  }

  private static func names(in directory: FilePath) throws -> [String] {
    do { return try fileNames(in: directory) } catch { throw LuaError(Diagnostic(error)) }
  }

  private static func read(_ path: String) throws -> String {
    try String(decoding: ScriptFile.read(path), as: UTF8.self)
  }
}
