import Basics
import SystemPackage

/// A reference that is no path to anything, and looks like one that other tools know: of a revision, of a model on a
/// hub, or of something in the home directory.
package enum MissingModel: Equatable, DiagnosableError {
  /// `~/models/base`.
  case home(String)
  /// `path@revision` where the path itself exists.
  case revision(String, path: String, revision: String)
  /// `org/name` or `org/name@revision`.
  case onHub(String, name: String)

  /// What a reference looks like that does not exist as a path; `nil` if like a path.
  init?(_ text: String) {
    if text == "~" || text.hasPrefix("~/") {
      self = .home(text)
      return
    }
    let base = ModelReference.Location(splitting: text)
    if let revision = base.revision, Self.exists(base.name) {
      self = .revision(text, path: base.name, revision: "@" + revision)
    } else if base.isHubName, base.revision != nil || !Self.isBelowFolder(base.name) {
      self = .onHub(text, name: base.name)
    } else {
      return nil
    }
  }

  private static func exists(_ name: String) -> Bool { DirectoryFiles.exists(FilePath(name)) }

  /// Whether a path begins with a folder that exists: then it is rather a path with a mistake in it than a name.
  private static func isBelowFolder(_ path: String) -> Bool {
    path.split(separator: "/").first.map { exists(String($0)) } ?? false
  }
}

extension MissingModel {
  package var diagnostic: Diagnostic { Diagnostic(message) }

  private var message: DiagnosticMessage {
    switch self {
    case .home(let reference):
      "\(reference): '~' stands for the home directory in a shell alone; give the path in full"
    case .revision(let reference, let path, let revision):
      "\(reference): \(path) is on disk, where \(name: revision) has no meaning, and is taken as it is"
    case .onHub(let reference, let name):
      "\(reference): no such directory, and models are not downloaded from a hub, whose names look like "
        + "\(name): download it, and give its directory"
    }
  }
}
