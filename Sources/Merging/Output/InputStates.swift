import Basics
import SystemPackage

/// The files that outputs are made of, as they were when they were opened: what changes while a merge reads it
/// gives weights of which part is old and part new.
struct InputStates {
  private var states: [FilePath: FileIdentity] = [:]

  /// Of models whose weights are open; their other files are taken as they are now.
  init(_ models: [any LazyModel]) {
    for model in models {
      for file in model.provenance.checkpoints.flatMap(\.checkpoint.files) {
        states[file.path] = file.identity
      }
      let files = model.companions.files
      for name in ["config.json"] + ((try? CompanionFiles(in: files).names) ?? []) {
        let path = files.path(of: name)
        states[path] = states[path] ?? Self.now(path)
      }
    }
  }

  /// Throws if a file is another one now, or has been written.
  func requireUnchanged() throws {
    for (path, state) in states.sorted(by: { $0.key.string < $1.key.string }) where Self.now(path) != state {
      throw MergeError.inputChanged(path)
    }
  }

  private static func now(_ path: FilePath) -> FileIdentity? { (try? path.stat()).map(FileIdentity.init) }
}
