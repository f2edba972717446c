import Basics
import SystemPackage

/// Which files belong to a model: those that this program, or a hub, writes for one. What holds anything else may
/// not be replaced.
enum ModelContents {
  /// The paths in a directory that belong to no model, in order; the first hundred at most. Of a directory
  /// without weights and config.json, all, unless it is an output of several models, each in a folder with its recipe.
  /// What cannot be found out is an error.
  static func strangers(in directory: FilePath) throws(Errno) -> [String] {
    let contents = try ModelContents.Directory(directory)
    if !contents.isModel, let found = try strangers(ofSeveral: contents) { return found }
    var found: [String] = []
    for name in contents.names where found.count < most {
      if contents.isModel, try contents.isKnown(name) { continue }
      guard contents.isModel, try isFolder(directory.appending(name)) else {
        found.append(name)
        continue
      }
      found += try strangers(inFolder: name, of: contents)
    }
    return found
  }

  private static let most = 100

  /// Those of a directory of models that this program has written; `nil` if it holds anything else.
  private static func strangers(ofSeveral contents: Directory) throws(Errno) -> [String]? {
    var found: [String] = []
    var models = 0
    for name in contents.names {
      if try contents.isKnown(name) { continue }
      let model = contents.directory.appending(name)
      guard try isFolder(model) else { return nil }
      let inner = try Directory(model)
      guard inner.isModel, inner.hasRecipe else { return nil }
      models += 1
      for stranger in try strangers(in: model) { found.append("\(name)/\(stranger)") }
    }
    return models == 0 ? nil : found
  }

  private static func isFolder(_ path: FilePath) throws(Errno) -> Bool {
    try DirectoryFiles.type(at: path, followsLink: false) == .directory
  }

  private static func names(in directory: FilePath) throws(Errno) -> [String] {
    try DirectoryFiles.names(in: directory).map(\.string)
  }

  /// Those of a folder of a model, and of the folders in it.
  private static func strangers(inFolder folder: String, of contents: Directory) throws(Errno) -> [String] {
    if try contents.isCache(folder) { return [] }
    var found: [String] = []
    var pending = [folder]
    while let folder = pending.popLast(), found.count < most {
      let path = contents.directory.pushing(FilePath(folder))
      for name in try names(in: path) {
        let inner = "\(folder)/\(name)"
        if try contents.isKnown(name, inFolder: folder) { continue }
        if try isFolder(path.appending(name)) {
          pending.append(inner)
        } else {
          found.append(inner)
        }
      }
    }
    return found
  }

  /// What a directory is, as far as its own names say.
  struct Directory {
    let directory: FilePath
    let names: [String]
    /// Whether it holds a model at all.
    let isModel: Bool
    private let hasCode: Bool
    /// Whether it holds what this program, or mergekit, has made it by.
    let hasRecipe: Bool
    private let modules: Set<String>

    init(_ directory: FilePath) throws(Errno) {
      self.directory = directory
      names = try ModelContents.names(in: directory)
      isModel = names.contains { $0 == "config.json" || ModelContents.isWeights($0) }
      hasRecipe = names.contains(where: ModelContents.recipes.contains)
      hasCode = (try? CompanionFiles(in: ModelDirectory(directory)))?.code.isEmpty == false
      modules = Set(
        ((try? JSON(contentsOf: directory.appending("modules.json")))?.arrayValue ?? [])
          .compactMap { $0["path"]?.stringValue })
    }

    /// Whether a file of the directory itself belongs to a model.
    func isKnown(_ name: String) throws(Errno) -> Bool {
      if StagingDirectory.isName(name) || StagingDirectory.isTrashName(name) { return true }
      if try ModelContents.isFolder(directory.appending(name)) { return false }
      return ModelContents.isKnown(name) || hasCode && name.hasSuffix(".py")
        || hasRecipe && name.hasSuffix(".lua")
    }

    /// Whether a file in one of its folders does.
    func isKnown(_ name: String, inFolder folder: String) throws(Errno) -> Bool {
      if try ModelContents.isFolder(directory.pushing(FilePath(folder)).appending(name)) { return false }
      if hasRecipe, name.hasSuffix(".lua") { return true }
      return (ModelContents.folders.contains(folder) || modules.contains(folder))
        && ModelContents.isKnown(name)
    }

    /// Whether a folder is a hub's record of downloads.
    func isCache(_ folder: String) throws(Errno) -> Bool {
      guard folder == ".cache" || folder == ".huggingface" else { return false }
      if folder != ".cache" { return true }
      return try ModelContents.names(in: directory.appending(folder)) == ["huggingface"]
    }
  }

  // MARK: Names

  private static func isKnown(_ name: String) -> Bool {
    isWeights(name) || CompanionFiles.isCompanion(name) || others.contains(name) || recipes.contains(name)
      || [".safetensors.index.json", ".bin.index.json"].contains { name.hasSuffix($0) }
      || ["LICENSE", "LICENCE", "NOTICE", "USE_POLICY", "COPYING"].contains { word in
        name == word || name.hasPrefix(word + ".") || name.hasPrefix(word + "-")
      }
  }

  private static func isWeights(_ name: String) -> Bool {
    if name.hasSuffix(".bin") {
      return ["pytorch_model", "model", "adapter_model", "flax_model"].contains { name.hasPrefix($0) }
    }
    return [".safetensors", ".gguf", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".onnx_data"]
      .contains { name.hasSuffix($0) && name.count > $0.count }
  }

  private static let recipes: Set<String> = [
    "recipe.lua", "mergekit_config.yml", "mergekit_moe_config.yml", RunRecord.fileName,
  ]

  private static let others: Set<String> = [
    "config.json", "README.md", ".gitattributes", "adapter_config.json", "params.json",
    "quantize_config.json", "quant_config.json", "quantization_config.json", "hf_quant_config.json",
    "trainer_state.json", "training_args.bin", "tokenizer.model.v3",
  ]

  /// Folders of files that hubs have beside models of transformers.
  private static let folders: Set<String> = ["original", "onnx", "openvino", "additional_chat_templates"]
}
