import Architectures
import Basics
import Checkpoints
import Glibc
import SystemPackage
import Tensors
import Tokenizers

/// Writes lazy models as checkpoint directories, which appear under their names only when they are whole.
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
    /// A further file, given the names and sizes of the files of weights, by which the output is known again.
    package var stamp: (([WeightFile]) -> (name: String, text: [UInt8]))?

    package init(
      policy: OutputDirectory.Policy = .refuseNonEmpty, dtype: DType? = nil,
      maximumShardBytes: Int = 5_000_000_000, recipe: Recipe? = nil, protected: [FilePath] = [],
      writesModelCard: Bool = true, copiesTokenizer: Bool = true,
      stamp: (([WeightFile]) -> (name: String, text: [UInt8]))? = nil
    ) {
      self.policy = policy
      self.dtype = dtype
      self.maximumShardBytes = maximumShardBytes
      self.recipe = recipe
      self.protected = protected
      self.writesModelCard = writesModelCard
      self.copiesTokenizer = copiesTokenizer
      self.stamp = stamp
    }
  }

  /// A model, where it is to be written, and how.
  package struct Output {
    package var model: any LazyModel
    package var path: FilePath
    package var options: Options

    package init(_ model: any LazyModel, path: FilePath, options: Options) {
      self.model = model
      self.path = path
      self.options = options
    }
  }

  /// A file of weights.
  package struct WeightFile: Equatable, Sendable {
    package var name: String
    package var bytes: Int
    /// Where it lies until the output is put in place.
    package var path: FilePath

    package init(name: String, bytes: Int, path: FilePath) {
      self.name = name
      self.bytes = bytes
      self.path = path
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
    try write([Output(model, path: path, options: options)])
  }

  /// Writes several models in one pass: what a tensor of one has in common with a tensor of another that is
  /// made of it is read and computed once. Each output appears when all are whole.
  package func write(_ outputs: [Output]) throws {
    try Self.checkPlaces(outputs)
    let inputs = outputs.flatMap(\.model.provenance.checkpoints)
      .flatMap { [$0.checkpoint.modelFiles.path] + $0.checkpoint.files.map(\.path) }
    var unfinished: [Unfinished] = []
    // The first may have made a directory that holds the others.
    defer { for output in unfinished.reversed() { output.directory.discard() } }
    for output in outputs {
      try Self.checkReplaceable(output.path, output.options.policy)
      let plan = try MergePlan(
        model: output.model, dtype: output.options.dtype,
        maximumShardBytes: output.options.maximumShardBytes)
      let directory = try OutputDirectory(
        path: output.path, policy: output.options.policy, protecting: output.options.protected + inputs)
      unfinished.append(Unfinished(output: output, plan: plan, directory: directory))
    }
    do {
      try write(unfinished)
    } catch {
      // Of temporary directories nobody needs to know.
      let text = "\(error)"
      guard let named = unfinished.first(where: { text.contains($0.directory.path.string) }) else {
        throw error
      }
      throw MergeError.cannotFinish(
        text.replacing(named.directory.path.string, with: named.output.path.string))
    }
    for output in unfinished { try output.directory.commit() }
  }

  /// An output on its way.
  private struct Unfinished {
    let output: Output
    let plan: MergePlan
    /// Renamed in the end.
    let directory: OutputDirectory
  }

  /// Makes sure that no output is another, or lies within one whose old contents go.
  private static func checkPlaces(_ outputs: [Output]) throws {
    let paths = outputs.map { $0.path.lexicallyNormalized() }
    for (index, path) in paths.enumerated() {
      for (other, otherPath) in paths.enumerated() where other != index && path.starts(with: otherPath) {
        if path == otherPath { throw MergeError.sameOutput(outputs[index].path) }
        if case .overlay = outputs[other].options.policy { continue }
        throw MergeError.outputWithin(outputs[index].path, other: outputs[other].path)
      }
    }
  }

  /// Writes all files: first the small ones, of which a bad one should not take hours to be found.
  private func write(_ unfinished: [Unfinished]) throws {
    for output in unfinished {
      try writeConfig(output.output.model, output.plan, output.output.options, output.directory)
      try writeCompanions(of: output.output.model, output.output.options, output.directory)
    }
    let writers = try unfinished.map {
      try SafetensorsWriter(layout: $0.plan.layout, directory: $0.directory.path)
    }
    let total = Progress(
      tensors: 0, tensorCount: unfinished.reduce(0) { $0 + $1.plan.tensors.count }, bytes: 0,
      byteCount: unfinished.reduce(0) { $0 + $1.plan.layout.totalBytes })
    let executor = MergeExecutor(
      outputs: zip(unfinished, writers).map { output, writer in
        MergeExecutor.Output(model: output.output.model, plan: output.plan, sinks: writer.sink)
      }, graph: graph, evaluator: evaluator)
    try executor.run { tensors, bytes in
      var now = total
      now.tensors = tensors
      now.bytes = bytes
      progress(now)
    }
    for writer in writers { try writer.finish() }
    var said: Set<String> = []
    for output in unfinished {
      let (model, options) = (output.output.model, output.output.options)
      // What merging required is known now.
      try writeCard(model, options, output.output.path, output.directory)
      if let stamp = options.stamp {
        let files = output.plan.layout.shards.map {
          WeightFile(name: $0.fileName, bytes: $0.byteCount, path: output.directory.file($0.fileName))
        }
        let (name, text) = stamp(files)
        try write(text, to: output.directory.file(name))
      }
      for warning in model.warnings where said.insert(warning).inserted { warn(warning) }
    }
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
    let companions = model.companions
    let tokenizer = companions.tokenizer
    let files = try CompanionFiles(in: companions.files)
    let copiesTokenizer = options.copiesTokenizer && tokenizer == nil
    try files.copy(to: output.path, excluding: copiesTokenizer ? [] : Set(files.tokenizerFiles))
    for folder in files.modulesWithWeights {
      warn("\(companions.files.path(of: folder)) holds weights of a further module, which are not copied")
    }
    if let changed = try companions.changedGenerationConfig() {
      try write(changed.json.utf8(.pretty, trailingNewline: true), to: output.file(changed.name))
      changed.warnings.forEach(warn)
    }
    if let tokenizer { try write(tokenizer, output) }
    guard let template = companions.newChatTemplate else { return }
    if tokenizer == nil, !options.copiesTokenizer {
      warn("chat_template: the tokenizer is not copied, so it is not saved")
    } else if tokenizer == nil, !files.hasTokenizer {
      warn("chat_template: model '\(companions.label)' has no tokenizer, so it is not saved")
    } else {
      for (name, text) in try ChatTemplate.changes(
        setting: template, in: tokenizer == nil ? companions.files : ModelDirectory(output.path))
      {
        try write(text, to: output.file(name))
      }
    }
  }

  /// Writes a tokenizer of the merge's own, whether tokenizers are copied or not.
  private func write(_ tokenizer: TokenizerFiles, _ output: OutputDirectory) throws {
    let companions = try CompanionFiles(in: tokenizer.files)
    let changed = try tokenizer.changedFiles()
    let all = Set(companions.names)
    // The model's own code is there by now.
    let differing = companions.tokenizerCode.filter { companions.differs($0, in: output.path) }
    let wanted = companions.tokenizerFiles + companions.tokenizerCode.filter { !differing.contains($0) }
    try companions.copy(to: output.path, excluding: all.subtracting(wanted).union(changed.map(\.name)))
    for name in differing {
      warn(
        "tokenizer: \(name) of '\(tokenizer.label)' is not copied, as the model has another file of that name"
      )
    }
    let lost = tokenizer.tokensLostAroundTexts()
    if !lost.isEmpty {
      let names = lost.map { "'\($0)'" }.joined(separator: ", ")
      warn(
        "tokenizer: \(names) of '\(tokenizer.label)' is no longer put around texts, as the output lacks it")
    }
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
    let provenance = model.provenance
    let card = ModelCard.Content(
      title: path.lexicallyNormalized().lastComponent?.string ?? "merged model",
      methods: provenance.methods,
      baseModel: provenance.base.map { ModelCard.Model(reference: $0.label, isLocal: true) },
      models: provenance.checkpoints.map { ModelCard.Model(reference: $0.label, isLocal: true) },
      recipe: recipe.text, recipeLanguage: recipe.language)
    try write(Array(ModelCard.text(card).utf8), to: output.file("README.md"))
  }

  /// Makes the folders between an existing one and `target`.
  private func makeDirectories(from existing: FilePath, to target: FilePath) throws {
    guard target != existing, target.starts(with: existing) else { return }
    try makeDirectories(from: existing, to: target.removingLastComponent())
    guard mkdir(target.string, 0o777) == 0 || errno == EEXIST else {
      throw FileError.system(action: "write", path: target, errno: Errno(rawValue: errno))
    }
  }

  private func write(_ text: [UInt8], to path: FilePath) throws {
    try writeFile(text, to: path)
  }
}
