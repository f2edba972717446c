import Basics
import SystemPackage

/// A reference that is no path to anything, and looks like one that other tools know: of an adapter, of a
/// revision, or of a model on a hub.
package enum MissingModel: Error, Equatable {
  /// `model+lora`.
  case adapter(String)
  /// `path@revision` where the path itself exists.
  case revision(String, path: String, revision: String)
  /// `org/name` or `org/name@revision`.
  case onHub(String, name: String)

  /// What a reference looks like that does not exist as a path; `nil` if like a path.
  init?(_ reference: String) {
    if let plus = reference.firstIndex(of: "+"), plus > reference.startIndex,
      reference.index(after: plus) < reference.endIndex
    {
      self = .adapter(reference)
      return
    }
    let at = reference.firstIndex(of: "@")
    let name = String(reference[..<(at ?? reference.endIndex)])
    if let at, !name.isEmpty, DirectoryFiles.exists(FilePath(name)) {
      self = .revision(reference, path: name, revision: String(reference[at...]))
      return
    }
    guard ModelCard.Model.isHubName(name), let owner = name.split(separator: "/").first,
      // Below a folder that exists, it is rather a path with a mistake in it.
      at != nil || !DirectoryFiles.exists(FilePath(String(owner)))
    else { return nil }
    self = .onHub(reference, name: name)
  }
}

extension MissingModel: CustomStringConvertible {
  package var description: String {
    switch self {
    case .adapter(let reference):
      "\(reference): no such file or directory, and adapters ('+lora') cannot be merged yet: merge the "
        + "adapter into its model with another tool and name the result"
    case .revision(let reference, let path, let revision):
      "\(reference): \(path) is on disk, where '\(revision)' has no meaning, and is taken as it is"
    case .onHub(let reference, let name):
      "\(reference): no such directory, and models are not downloaded from a hub, whose names look like "
        + "\(name): download it, and give its directory"
    }
  }
}
