import Synchronization
import SystemPackage

/// Files of a model that are made when they are asked for, of what another file says, such as the metadata of GGUF.
package final class GeneratedFiles: ModelFiles {
  package let path: FilePath
  private let makers: [String: @Sendable () throws -> [UInt8]]
  private let made = Mutex<[String: InputFile]>([:])

  /// - Parameters:
  ///   - path: What messages call the place of the files; nothing need be there.
  ///   - makers: The contents by the files' names, each made once.
  package init(path: FilePath, _ makers: [String: @Sendable () throws -> [UInt8]]) {
    self.path = path
    self.makers = makers
  }

  package func path(of name: String) -> FilePath { path.appending(name) }

  package func names(in folder: String) -> [String] { folder.isEmpty ? makers.keys.sorted() : [] }

  package func has(_ name: String) -> Bool { makers[name] != nil }

  package func open(_ name: String) throws -> InputFile {
    guard let maker = makers[name] else {
      throw FileError.system(action: "read", path: path(of: name), errno: .noSuchFileOrDirectory)
    }
    return try made.withLock { made in
      if let file = made[name] { return file }
      let file = InputFile(contents: try maker(), path: path(of: name))
      made[name] = file
      return file
    }
  }
}
