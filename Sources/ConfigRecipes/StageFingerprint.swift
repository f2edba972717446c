import Basics
import Checkpoints
import Configs
import Lua
import Merging
import Scripting
import SystemPackage

/// What a finished merge was made from: kept beside its weights, so that a later run can tell whether they
/// are what it would make.
package struct StageFingerprint {
  /// The file's name, in the directory of the merge.
  package static let fileName = "mergekit_stage.json"

  /// What, beside the merge itself, the numbers depend on.
  package struct Conditions: Equatable {
    /// The program's version.
    package var version: String
    package var seed: UInt64
    /// The name of what is stored instead of every floating-point dtype.
    package var dtype: String?
    package var copiesTokenizer: Bool

    package init(version: String, seed: UInt64, dtype: String?, copiesTokenizer: Bool) {
      self.version = version
      self.seed = seed
      self.dtype = dtype
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

  /// A file of a method, by its path beside the config.
  package struct Module: Equatable {
    var path: String
    var text: String
  }

  private let conditions: Conditions
  /// The recipe of the merge with all that it needs, from checkpoints.
  private let recipe: String
  /// The files of methods that have been read by now; a method may require more while it runs.
  private let modules: () -> [Module]
  /// The folder of the config.
  private let root: FilePath
  private let inputs: [Input]

  /// The fingerprint of a merge of a config.
  ///
  /// `nil` if one of its models cannot be opened, which the run will tell.
  package init?(
    of document: Translation.Document, in recipe: ConfigRecipe, host: ScriptHost, _ conditions: Conditions
  ) {
    self.conditions = conditions
    self.recipe = recipe.translation.recipe(of: document)
    modules = { [unowned host] in
      host.userFiles.map { Module(path: $0.path, text: String(decoding: $0.text, as: UTF8.self)) }
    }
    root = FilePath(recipe.path).removingLastComponent()
    do {
      inputs = try document.references.flatMap(Self.inputs)
    } catch { return nil }
  }

  /// The files of a model, as they are now.
  private static func inputs(of reference: String) throws -> [Input] {
    let parts = ModelReference(parsing: reference) { DirectoryFiles.exists(FilePath($0)) }
    let base = try Checkpoint(path: FilePath(parts.base.text))
    let adapters = try parts.adapters.map { try Checkpoint(adapter: FilePath($0.text)) }
    return try inputs(of: base, "config.json")
      + adapters.flatMap { try inputs(of: $0, "adapter_config.json") }
  }

  private static func inputs(of checkpoint: Checkpoint, _ configName: String) throws -> [Input] {
    var files = checkpoint.files.map(\.path)
    let modelFiles = checkpoint.modelFiles
    files += ([configName] + (try CompanionFiles(in: modelFiles).names)).map(modelFiles.path(of:))
    return files.compactMap { path in
      guard let state = try? path.stat() else { return nil }
      return Input(path: path.string, bytes: Int(state.size), modified: modified(state))
    }
  }

  private static func modified(_ state: Stat) -> String {
    "\(state.st_mtim.tv_sec).\(padded(state.st_mtim.tv_nsec))"
  }

  private static func padded(_ nanoseconds: Int) -> String {
    let digits = String(nanoseconds)
    return String(repeating: "0", count: max(0, 9 - digits.count)) + digits
  }

  // MARK: The file

  private var inputsJSON: JSON {
    .array(
      inputs.map {
        .object(["path": .string($0.path), "bytes": JSON($0.bytes), "modified": .string($0.modified)])
      })
  }

  private var dtype: String { conditions.dtype ?? "" }

  /// The file's text, for an output with some files of weights.
  ///
  /// - Parameter readModules: The files of methods of the finished merges that the run reads.
  package func text(weights: [ModelWriter.WeightFile], readModules: [Module]) -> [UInt8] {
    var known: Set<String> = []
    let modules = (modules() + readModules).filter { known.insert($0.path).inserted }
    return JSON.object([
      "version": .string(conditions.version), "seed": .string(String(conditions.seed)),
      "dtype": .string(dtype), "copies_tokenizer": .bool(conditions.copiesTokenizer),
      "recipe": .string(recipe),
      "modules": .array(
        modules.sorted { $0.path < $1.path }
          .map { .object(["path": .string($0.path), "text": .string($0.text)]) }),
      "inputs": inputsJSON,
      "weights": .array(
        weights.map { file in
          let modified = (try? file.path.stat()).map(Self.modified) ?? ""
          return .object([
            "name": .string(file.name), "bytes": JSON(file.bytes), "modified": .string(modified),
          ])
        }),
    ]).utf8(.pretty, trailingNewline: true)
  }

  /// The files of methods that a finished merge was made with.
  package static func modules(ofFinished directory: FilePath) -> [Module] {
    modules(of: (try? JSON(contentsOf: directory.appending(fileName))) ?? .null)
  }

  private static func modules(of json: JSON) -> [Module] {
    (json["modules"]?.arrayValue ?? []).map {
      Module(path: $0["path"]?.stringValue ?? "", text: $0["text"]?.stringValue ?? "")
    }
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
      let state = try? directory.appending(name).stat()
      guard let state, Int(state.size) == file["bytes"]?.intValue else {
        return .stale("its \(name) is not whole")
      }
      if Self.modified(state) != file["modified"]?.stringValue {
        return .stale("its \(name) has been written by something else")
      }
    }
    guard (try? Checkpoint(path: directory)) != nil else { return .stale("its weights cannot be read") }
    return .finished
  }

  /// Why a merge that was made before is not what would be made now; `nil` if it is.
  private func difference(from found: JSON) -> String? {
    if found["version"]?.stringValue != conditions.version {
      return "version \(found["version"]?.stringValue ?? "?") of the program made it"
    }
    if found["recipe"]?.stringValue != recipe { return "its document, or one that it uses, has changed" }
    if !haveStayed(Self.modules(of: found)) { return "the file of a method has changed" }
    if found["seed"]?.stringValue != String(conditions.seed) {
      return "it was made with seed \(found["seed"]?.stringValue ?? "?")"
    }
    if found["dtype"]?.stringValue != dtype { return "--dtype was given otherwise" }
    if found["copies_tokenizer"] != .bool(conditions.copiesTokenizer) {
      return "--copy-tokenizer was given otherwise"
    }
    let own = inputsJSON
    guard found["inputs"] != own else { return nil }
    let before = found["inputs"]?.arrayValue ?? []
    for (file, input) in zip(own.arrayValue ?? [], inputs) where !before.contains(file) {
      return "\(input.path) has changed"
    }
    return "a file of its models is gone"
  }

  /// Whether files of methods are as they were, and hold those that have been read by now.
  private func haveStayed(_ before: [Module]) -> Bool {
    modules().allSatisfy(before.contains)
      && before.allSatisfy {
        (try? ScriptFile.read(root.pushing(FilePath($0.path)).string)) == Array($0.text.utf8)
      }
  }
}
