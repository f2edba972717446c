import Basics
import Checkpoints
import SystemPackage

extension RunRecord {
  /// What a directory holds of a run.
  package enum State: Equatable {
    /// Nothing.
    case absent
    /// What the run would make; with the record of the run that made it.
    case finished(RunRecord)
    /// Something that the program has not made, or not as one of several merges.
    case unknown
    /// What was made from something else, or is no longer complete; with the reason.
    case stale(String)
  }

  /// What `directory` holds of the run that this is the record of, as far as it is known before it.
  ///
  /// - Parameter root: The folder that the paths of source files begin at.
  package func state(of directory: FilePath, root: FilePath) throws -> State {
    do {
      if try fileNames(in: directory).isEmpty { return .absent }
    } catch FileError.system(_, _, .noSuchFileOrDirectory), FileError.system(_, _, .notDirectory) {
      return .absent
    }
    guard let found = try RunRecord(in: directory) else { return .unknown }
    if let reason = difference(from: found, root: root) { return .stale(reason) }
    for file in found.weights {
      guard let now = try? WeightFile(file.name, in: directory), now.bytes == file.bytes else {
        return .stale("its \(file.name) is incomplete")
      }
      if now.modified != file.modified {
        return .stale("its \(file.name) has been written by something else")
      }
      if let checksum = file.checksum,
        (try? XXH64.hexadecimal(ofFile: directory.appending(file.name))) != checksum
      {
        return .stale("its \(file.name) is damaged: its checksum is not that of what was written")
      }
    }
    guard (try? Checkpoint(path: directory)) != nil else { return .stale("its weights cannot be read") }
    return .finished(found)
  }

  /// Why what was made before is not what would be made now; `nil` if it is.
  private func difference(from found: RunRecord, root: FilePath) -> String? {
    if found.version != version {
      return "version \(found.version.isEmpty ? "?" : found.version) of the program made it"
    }
    if found.recipe != recipe { return "its document, or one that it uses, has changed" }
    if !haveStayed(found.sources, root) { return "the file of a method has changed" }
    if found.seed != seed { return "it was made with seed \(found.seed)" }
    if found.dtype != dtype { return "--dtype differs" }
    if found.copiesTokenizer != copiesTokenizer { return "--copy-tokenizer differs" }
    if found.inputs == inputs { return nil }
    let before = Set(found.inputs)
    guard let changed = inputs.first(where: { !before.contains($0) }) else {
      return "a file of its models is gone"
    }
    return "\(changed.path) has changed"
  }

  /// Whether source files are as they were, and hold those that have been read by now.
  private func haveStayed(_ before: [SourceFile], _ root: FilePath) -> Bool {
    sources.allSatisfy(Set(before).contains)
      && before.allSatisfy { file in
        (try? fileContents(root.pushing(FilePath(file.path)))).map {
          SHA256.hexadecimal(of: $0) == file.sha256
        } ?? false
      }
  }
}
