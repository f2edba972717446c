import Checkpoints
import Configs
import Merging
import Scripting
import SystemPackage

/// What a finished merge was made from: kept beside its weights, so that a later run can tell whether they
/// are what it would make.
package struct StageFingerprint: Equatable {
  /// The file's name, in the directory of the merge.
  package static let fileName = "mergekit_stage.json"

  /// What, beside the merge itself, the numbers depend on.
  package struct Conditions: Equatable {
    /// The program's version.
    package var version: String
    package var seed: UInt64
    package var copiesTokenizer: Bool

    package init(version: String, seed: UInt64, copiesTokenizer: Bool) {
      self.version = version
      self.seed = seed
      self.copiesTokenizer = copiesTokenizer
    }
  }

  /// A file that goes into the merge.
  struct Input: Equatable {
    var path: String
    var bytes: Int
    /// Seconds and nanoseconds of the last change.
    var modified: String
  }

  private let conditions: Conditions
  /// The recipe of the merge with all that it needs, from checkpoints.
  private let recipe: String
  /// The files of methods, by their paths beside the config.
  private let modules: [(path: String, text: String)]
  private let inputs: [Input]

  package static func == (left: StageFingerprint, right: StageFingerprint) -> Bool { left.json == right.json }

  /// The fingerprint of a merge of a config.
  ///
  /// `nil` if one of its models cannot be opened, which the run will tell.
  package init?(
    of document: Translation.Document, in recipe: ConfigRecipe, host: ScriptHost, _ conditions: Conditions
  ) {
    self.conditions = conditions
    self.recipe = recipe.translation.recipe(of: document)
    modules = host.userFiles.map { ($0.path, String(decoding: $0.text, as: UTF8.self)) }
      .sorted { $0.path < $1.path }
    do {
      inputs = try document.references.flatMap(Self.inputs)
    } catch { return nil }
  }

  /// The files of a model, as they are now.
  private static func inputs(of reference: String) throws -> [Input] {
    let checkpoint = try Checkpoint(path: FilePath(reference))
    var files = checkpoint.files.map(\.path)
    files.append(checkpoint.directory.appending("config.json"))
    files += try CompanionFiles(in: checkpoint.directory).names.map {
      checkpoint.directory.pushing(FilePath($0))
    }
    return files.compactMap { path in
      guard let state = try? path.stat() else { return nil }
      let time = state.st_mtim
      return Input(
        path: path.string, bytes: Int(state.size), modified: "\(time.tv_sec).\(padded(time.tv_nsec))")
    }
  }

  private static func padded(_ nanoseconds: Int) -> String {
    let digits = String(nanoseconds)
    return String(repeating: "0", count: max(0, 9 - digits.count)) + digits
  }

  // MARK: The file

  private var json: JSON {
    .object([
      "version": .string(conditions.version), "seed": .string(String(conditions.seed)),
      "copies_tokenizer": .bool(conditions.copiesTokenizer), "recipe": .string(recipe),
      "modules": .array(modules.map { .object(["path": .string($0.path), "text": .string($0.text)]) }),
      "inputs": .array(
        inputs.map {
          .object([
            "path": .string($0.path), "bytes": JSON($0.bytes), "modified": .string($0.modified),
          ])
        }),
    ])
  }

  /// The file's text, for an output with some files of weights.
  package func text(weights: [ModelWriter.WeightFile]) -> [UInt8] {
    guard case .object(var object) = json else { return [] }
    object["weights"] = .array(
      weights.map { .object(["name": .string($0.name), "bytes": JSON($0.bytes)]) })
    return JSON.object(object).utf8(.pretty, trailingNewline: true)
  }

  /// What a directory holds of a merge.
  package enum State: Equatable {
    /// Nothing.
    case absent
    /// What a run would make.
    case finished
    /// Something that the program has not made, or not as one of several merges.
    case unknown
    /// What was made from something else, or is not whole any more; with the reason.
    case stale(String)
  }

  /// What `directory` holds.
  package func state(of directory: FilePath) -> State {
    guard (try? fileNames(in: directory).isEmpty) == false else { return .absent }
    guard let found = try? JSON(contentsOf: directory.appending(Self.fileName)) else { return .unknown }
    if let reason = difference(from: found) { return .stale(reason) }
    for file in found["weights"]?.arrayValue ?? [] {
      let name = file["name"]?.stringValue ?? ""
      let size = (try? directory.appending(name).stat()).map { Int($0.size) }
      if size == nil || size != file["bytes"]?.intValue { return .stale("its \(name) is not whole") }
    }
    guard (try? Checkpoint(path: directory)) != nil else { return .stale("its weights cannot be read") }
    return .finished
  }

  /// Why a merge that was made before is not what would be made now; `nil` if it is.
  private func difference(from found: JSON) -> String? {
    let own = json
    if found["version"] != own["version"] {
      return "version \(found["version"]?.stringValue ?? "?") of the program made it"
    }
    if found["recipe"] != own["recipe"] { return "its document, or one that it uses, has changed" }
    if found["modules"] != own["modules"] { return "the file of a method has changed" }
    if found["seed"] != own["seed"] { return "it was made with seed \(found["seed"]?.stringValue ?? "?")" }
    if found["copies_tokenizer"] != own["copies_tokenizer"] { return "--copy-tokenizer was given otherwise" }
    guard found["inputs"] != own["inputs"] else { return nil }
    let before = found["inputs"]?.arrayValue ?? []
    for (file, input) in zip(own["inputs"]?.arrayValue ?? [], inputs) where !before.contains(file) {
      return "\(input.path) has changed"
    }
    return "a file of its models is gone"
  }
}
