import SystemPackage

/// Where symbolic links may lead. A model or a recipe that comes from elsewhere may hold links; followed blindly, they
/// would carry any file of the machine into an output.
package enum FileLinks {
  /// Throws unless a file is in the folder that it is looked for in, or its link leads into a hub cache's blobs.
  ///
  /// - Parameter folder: That of a model or a recipe; `nil` for the folder in the path itself.
  package static func requireContained(_ path: FilePath, in folder: FilePath? = nil) throws {
    let parent = path.removingLastComponent()
    // The folder itself may be a link: the user named it.
    let root = folder ?? parent
    let target: FilePath
    let bounds: FilePath
    do throws(Errno) {
      let isDirect = folder.map { $0 == parent } ?? true
      if isDirect, try DirectoryFiles.type(at: path, followsLink: false) != .symbolicLink { return }
      target = try DirectoryFiles.realPath(path)
      bounds = try DirectoryFiles.realPath(root.isEmpty ? "." : root)
    } catch .noSuchFileOrDirectory, .notDirectory {
      // What does not exist is for opening it to say.
      return
    } catch { throw FileError.system(action: "read", path: path, errno: error) }
    guard target.starts(with: bounds) || isBlob(target) else {
      throw FileError.linkLeadsOut(path: path, target: target)
    }
  }

  /// `models--org--name/blobs/HASH`, to which the snapshots of a hub's cache link.
  private static func isBlob(_ target: FilePath) -> Bool {
    let blobs = target.removingLastComponent()
    let repository = blobs.removingLastComponent().lastComponent?.string ?? ""
    return blobs.lastComponent?.string == "blobs" && repository.hasPrefix("models--")
  }
}
