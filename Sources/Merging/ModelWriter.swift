import Checkpoints
import Glibc
import SystemPackage
import Tensors
import Tokenizers

/// Writes a lazy model as a checkpoint directory, which appears under its name only when it is whole.
package struct ModelWriter {
  package struct Options {
    package var policy: OutputDirectory.Policy
    /// Stored instead of every floating-point dtype.
    package var dtype: DType?
    package var maximumShardBytes: Int
    package var recipe: Recipe?
    /// Files that the output must not replace, beside the models that are read.
    package var protected: [FilePath]
    /// Whether README.md, the recipe and the recipe's modules are written.
    package var writesModelCard: Bool
    /// Whether the tokenizer's files are copied.
    package var copiesTokenizer: Bool

    package init(
      policy: OutputDirectory.Policy = .refuseNonEmpty, dtype: DType? = nil,
      maximumShardBytes: Int = 5_000_000_000, recipe: Recipe? = nil, protected: [FilePath] = [],
      writesModelCard: Bool = true, copiesTokenizer: Bool = true
    ) {
      self.policy = policy
      self.dtype = dtype
      self.maximumShardBytes = maximumShardBytes
      self.recipe = recipe
      self.protected = protected
      self.writesModelCard = writesModelCard
      self.copiesTokenizer = copiesTokenizer
    }
  }

  /// The text that made the model, which is kept beside it.
  package struct Recipe {
    package var fileName: String
    package var text: String
    package var language: ModelCard.RecipeLanguage
    /// The files that it needs, by their paths beside it; asked when the model is written.
    package var modules: () -> [(path: String, text: [UInt8])]

    package init(
      fileName: String, text: String, language: ModelCard.RecipeLanguage,
      modules: @escaping () -> [(path: String, text: [UInt8])] = { [] }
    ) {
      self.fileName = fileName
      self.text = text
      self.language = language
      self.modules = modules
    }
  }

  /// How far a write is.
  package struct Progress {
    package var tensors: Int
    package var tensorCount: Int
    package var bytes: Int
    package var byteCount: Int
  }

  private let graph: ExpressionGraph
  private let evaluator: Evaluator
  private let warn: (String) -> Void
  private let progress: (Progress) -> Void

  package init(
    graph: ExpressionGraph, evaluator: Evaluator, warn: @escaping (String) -> Void,
    progress: @escaping (Progress) -> Void = { _ in }
  ) {
    self.graph = graph
    self.evaluator = evaluator
    self.warn = warn
    self.progress = progress
  }

  /// Makes sure that what `.replace` would delete is a model, or empty.
  package static func checkReplaceable(_ path: FilePath, _ policy: OutputDirectory.Policy) throws {
    guard case .replace = policy, let names = try? fileNames(in: path), !names.isEmpty else { return }
    let isModel = names.contains { name in
      name == "config.json" || [".safetensors", ".bin", ".gguf"].contains { name.contains($0) }
    }
    guard isModel else { throw MergeError.notAModel(path, holds: names[0]) }
  }

  /// Writes `model` to `path`.
  package func write(_ model: any LazyModel, to path: FilePath, options: Options) throws {
    try Self.checkReplaceable(path, options.policy)
    let plan = try MergePlan(
      model: model, dtype: options.dtype, maximumShardBytes: options.maximumShardBytes)
    let output = try OutputDirectory(
      path: path, policy: options.policy,
      protecting: options.protected
        + model.checkpoints.flatMap { [$0.checkpoint.directory] + $0.checkpoint.files.map(\.path) })
    do {
      try write(model, plan, to: path, output, options)
    } catch {
      // Of the temporary directory nobody needs to know.
      let text = "\(error)"
      guard text.contains(output.path.string) else { throw error }
      throw MergeError.cannotFinish(text.replacing(output.path.string, with: path.string))
    }
    try output.commit()
  }

  /// Writes all files into the directory that `output` renames in the end: first the small ones, of which a
  /// bad one should not take hours to be found.
  private func write(
    _ model: any LazyModel, _ plan: MergePlan, to path: FilePath, _ output: OutputDirectory,
    _ options: Options
  ) throws {
    try writeConfig(model, plan, options, output)
    try writeCompanions(of: model, options, output)
    let writer = try SafetensorsWriter(layout: plan.layout, directory: output.path)
    let total = Progress(
      tensors: 0, tensorCount: plan.tensors.count, bytes: 0, byteCount: plan.layout.totalBytes)
    try MergeExecutor(model: model, plan: plan, graph: graph, evaluator: evaluator).run(sinks: writer.sink) {
      tensors, bytes in
      var now = total
      now.tensors = tensors
      now.bytes = bytes
      progress(now)
    }
    try writer.finish()
    // What merging required is known now.
    try writeCard(model, options, path, output)
    var said: Set<String> = []
    for warning in model.warnings where said.insert(warning).inserted { warn(warning) }
  }

  private func writeConfig(
    _ model: any LazyModel, _ plan: MergePlan, _ options: Options, _ output: OutputDirectory
  ) throws {
    guard let config = try model.config else { return }
    let dtype = options.dtype ?? plan.commonDType
    let derived = OutputConfig.derive(from: config, architecture: model.architecture, dtype: dtype)
    try write(derived.json.utf8(.pretty, trailingNewline: true), to: output.file("config.json"))
  }

  private func writeCompanions(
    of model: any LazyModel, _ options: Options, _ output: OutputDirectory
  ) throws {
    let tokenizer = model.newTokenizer
    var hasTokenizer = tokenizer != nil
    if let directory = model.companionDirectory {
      let companions = try CompanionFiles(in: directory)
      let copiesTokenizer = options.copiesTokenizer && tokenizer == nil
      try companions.copy(to: output.path, excluding: copiesTokenizer ? [] : Set(companions.tokenizerFiles))
      for folder in companions.modulesWithWeights {
        warn("\(directory)/\(folder) holds weights of a further module, which are not copied")
      }
      hasTokenizer = hasTokenizer || companions.hasTokenizer
    }
    if let tokenizer { try write(tokenizer, output) }
    guard let template = model.newChatTemplate else { return }
    if tokenizer == nil, !options.copiesTokenizer {
      warn("chat_template: the tokenizer is not copied, so it is not saved")
    } else if !hasTokenizer {
      warn("chat_template: model '\(model.companionLabel)' has no tokenizer, so it is not saved")
    } else {
      for (name, text) in try ChatTemplate.files(
        setting: template, in: tokenizer == nil ? model.companionDirectory ?? output.path : output.path)
      {
        try write(text, to: output.file(name))
      }
    }
  }

  /// Writes a tokenizer of the merge's own, whether tokenizers are copied or not.
  private func write(_ tokenizer: TokenizerFiles, _ output: OutputDirectory) throws {
    let companions = try CompanionFiles(in: tokenizer.directory)
    let changed = try tokenizer.changedFiles()
    let all = Set(companions.names)
    try companions.copy(
      to: output.path, excluding: all.subtracting(companions.tokenizerFiles).union(changed.map(\.name)))
    for file in changed {
      if let text = file.text { try write(text, to: output.file(file.name)) }
    }
    for file in changed where file.text == nil {
      warn(
        "tokenizer: \(file.name) of '\(tokenizer.label)' has tokens that the output lacks, and is left out")
    }
  }

  private func writeCard(
    _ model: any LazyModel, _ options: Options, _ path: FilePath, _ output: OutputDirectory
  ) throws {
    guard options.writesModelCard, let recipe = options.recipe else { return }
    try write(Array(recipe.text.utf8), to: output.file(recipe.fileName))
    for (name, text) in recipe.modules() {
      let file = output.path.pushing(FilePath(name))
      try makeDirectories(from: output.path, to: file.removingLastComponent())
      try write(text, to: file)
    }
    if case .overlay = options.policy, !OldWeights.mayReplaceCard(in: path) {
      warn("\(path)/README.md is kept: it is not the card of a model that was there before")
      return
    }
    let card = ModelCard.Content(
      title: path.lexicallyNormalized().lastComponent?.string ?? "merged model",
      methods: model.methods,
      baseModel: model.base.map { ModelCard.Model(reference: $0.label, isLocal: true) },
      models: model.checkpoints.map { ModelCard.Model(reference: $0.label, isLocal: true) },
      recipe: recipe.text, recipeLanguage: recipe.language)
    try write(Array(ModelCard.text(card).utf8), to: output.file("README.md"))
  }

  /// Makes the folders between an existing one and `target`.
  private func makeDirectories(from existing: FilePath, to target: FilePath) throws {
    guard target != existing, target.starts(with: existing) else { return }
    try makeDirectories(from: existing, to: target.removingLastComponent())
    guard mkdir(target.string, 0o777) == 0 || errno == EEXIST else {
      throw MergeError.cannotWrite(target, Errno(rawValue: errno))
    }
  }

  private func write(_ text: [UInt8], to path: FilePath) throws {
    do {
      let file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      try file.closeAfter { _ = try file.writeAll(text) }
    } catch let error as Errno { throw MergeError.cannotWrite(path, error) }
  }
}
