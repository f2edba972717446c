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
    guard folder.map({ $0 != parent }) ?? false || isLink(path) else { return }
    let root = folder ?? parent
    // What does not exist is for opening it to say.
    guard let target = try? DirectoryFiles.realPath(path),
      let bounds = try? DirectoryFiles.realPath(root.isEmpty ? "." : root)
    else { return }
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

  private static func isLink(_ path: FilePath) -> Bool {
    (try? path.stat(followTargetSymlink: false))?.type == .symbolicLink
  }
}
