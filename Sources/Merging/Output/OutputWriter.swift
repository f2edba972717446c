import Architectures
import Basics
import Checkpoints
import SystemPackage
import Tensors
import Tokenizers

/// Writes the files of one output into its staging directory.
struct OutputWriter {
  let output: Output
  let plan: MergePlan
  /// Renamed in the end.
  let directory: OutputDirectory

  private let recipe: ModelWriter.Recipe?
  private let report: MergeEventHandler

  init(
    _ output: Output, _ plan: MergePlan, _ directory: OutputDirectory, _ recipe: ModelWriter.Recipe?,
    _ report: @escaping MergeEventHandler
  ) {
    self.output = output
    self.plan = plan
    self.directory = directory
    self.recipe = recipe
    self.report = report
  }

  private var model: any LazyModel { output.model }
  private var options: OutputOptions { output.options }

  /// Everything that does not depend on what merging finds.
  func writeSmallFiles() throws {
    if directory.fileName != nil { return try sayWhatIsLeftOut() }
    try writeConfig()
    try writeCompanions()
  }

  /// A single file has tensors and nothing else.
  private func sayWhatIsLeftOut() throws {
    if options.maximumShardBytes != OutputOptions().maximumShardBytes {
      warn("\(output.path) is a single file: the maximum shard size has no effect")
    }
    guard try model.config != nil else { return }
    warn(
      "\(output.path) is a single file: config.json and what belongs to it are not written; a directory gets them"
    )
  }

  /// Creates the files of the weights.
  func makeWeights() throws -> SafetensorsWriter {
    let shown = directory.fileName == nil ? output.path : output.path.removingLastComponent()
    return try SafetensorsWriter(
      layout: plan.layout, directory: directory.path, shownAs: shown.isEmpty ? "." : shown)
  }

  /// The run record, if there is one to be kept; the weights are whole by now.
  func writeRecord() throws {
    guard directory.fileName == nil, var record = output.record?() else { return }
    record.weights = try plan.layout.shards.map {
      var file = try RunRecord.WeightFile($0.fileName, in: directory.path)
      file.checksum = try XXH64.hexadecimal(ofFile: directory.path.appending($0.fileName))
      return file
    }
    try write(record.json.utf8(.pretty, trailingNewline: true), to: RunRecord.fileName)
  }

  private func warn(_ text: String) { report(.warning(Diagnostic(.foreign(text)))) }

  private func writeConfig() throws {
    if let config = model.adapterConfig {
      return try write(
        config.utf8(.pretty, trailingNewline: true), to: WeightsLocation.adapterConfigName)
    }
    guard let config = try model.config else { return }
    let dtype = options.dtype ?? plan.commonDType
    let derived = OutputConfig.derive(from: config, architecture: model.architecture, dtype: dtype)
    try write(derived.json.utf8(.pretty, trailingNewline: true), to: "config.json")
  }

  private func writeCompanions() throws {
    let companions = model.companions
    let tokenizer = companions.tokenizer
    let files = try CompanionFiles(in: companions.files)
    let copiesTokenizer = options.copiesTokenizer && tokenizer == nil
    var excluded = Set(copiesTokenizer ? [] : files.tokenizerFiles)
    if model.adapterConfig != nil {
      // An adapter is put on a model that has its own.
      _ = try files.copy(
        to: directory.path, shownAs: output.path,
        excluding: Set(files.names).subtracting(copiesTokenizer ? files.tokenizerFiles : []))
      return
    }
    if !options.copiesCode, !files.code.isEmpty {
      excluded.formUnion(files.code)
      warn(
        "\(output.path): the code of '\(companions.label)' (\(files.code.joined(separator: ", "))) "
          + "is not copied: a script writes no code")
    }
    try files.copy(to: directory.path, shownAs: output.path, excluding: excluded)
    for folder in files.modulesWithWeights {
      warn("\(companions.files.path(of: folder)) holds weights of a further module, which are not copied")
    }
    if let changed = try companions.changedGenerationConfig() {
      try write(changed.json.utf8(.pretty, trailingNewline: true), to: changed.name)
      changed.warnings.forEach(warn)
    }
    if let tokenizer { try write(tokenizer) }
    guard let template = companions.newChatTemplate else { return }
    if tokenizer == nil, !options.copiesTokenizer {
      warn("chat_template: the tokenizer is not copied, so it is not saved")
    } else if tokenizer == nil, !files.hasTokenizer {
      warn("chat_template: model '\(companions.label)' has no tokenizer, so it is not saved")
    } else {
      for (name, text) in try ChatTemplate.changes(
        setting: template, in: tokenizer == nil ? companions.files : ModelDirectory(directory.path))
      {
        try write(text, to: name)
      }
    }
  }

  /// Writes a tokenizer of the merge's own, whether tokenizers are copied or not.
  private func write(_ tokenizer: TokenizerFiles) throws {
    let companions = try CompanionFiles(in: tokenizer.files)
    let changed = try tokenizer.changedFiles()
    let all = Set(companions.names)
    // The model's own code is there by now.
    let code = options.copiesCode ? companions.tokenizerCode : []
    let differing = code.filter { companions.differs($0, in: directory.path) }
    let wanted = companions.tokenizerFiles + code.filter { !differing.contains($0) }
    try companions.copy(
      to: directory.path, shownAs: output.path,
      excluding: all.subtracting(wanted).union(changed.map(\.name)))
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
      if let text = file.text { try write(text, to: file.name) }
    }
    for file in changed where file.text == nil {
      warn(
        "tokenizer: \(file.name) of '\(tokenizer.label)' has tokens that the output lacks, and is left out")
    }
  }

  /// README.md, the recipe and its modules.
  func writeCard() throws {
    guard directory.fileName == nil, options.writesModelCard, let recipe else { return }
    try write(Array(recipe.text.utf8), to: recipe.fileName)
    for (name, text) in recipe.modules() {
      try makeDirectories(to: FilePath(name).removingLastComponent())
      try write(text, to: name)
    }
    let path = output.path
    if case .overlay = options.policy, try !mayReplaceCard(in: path) {
      warn("\(path)/README.md is kept: it is not the card of a model that was there before")
      return
    }
    let provenance = model.provenance
    let card = ModelCard.Content(
      title: path.lexicallyNormalized().lastComponent?.string ?? "merged model",
      methods: provenance.methods,
      baseModel: provenance.base.map { ModelCard.Model(reference: $0.label, isLocal: true) },
      models: provenance.checkpoints.map { ModelCard.Model(reference: $0.label, isLocal: true) },
      recipe: recipe.text, recipeLanguage: recipe.language, isAdapter: model.adapterConfig != nil)
    try write(Array(DisplayText.document(ModelCard.text(card)).utf8), to: "README.md")
  }

  private func mayReplaceCard(in path: FilePath) throws -> Bool {
    do { return try OldWeights.mayReplaceCard(in: path) } catch let error as Errno {
      throw FileError.system(action: "read", path: path, errno: error)
    }
  }

  /// Makes a folder of the output, and those above it.
  private func makeDirectories(to folder: FilePath) throws {
    guard !folder.isEmpty else { return }
    try makeDirectories(to: folder.removingLastComponent())
    do throws(Errno) {
      try DirectoryFiles.makeDirectory(directory.path.pushing(folder))
    } catch .fileExists {
    } catch {
      throw FileError.system(action: "write", path: output.path.pushing(folder), errno: error)
    }
  }

  /// Errors name the file's final place: of staging directories nobody needs to know.
  private func write(_ text: [UInt8], to name: String) throws {
    let file = FilePath(name)
    try writeFile(text, to: directory.path.pushing(file), shownAs: output.path.pushing(file))
  }
}
