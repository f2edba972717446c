import ArgumentParser
import Basics
import ConfigRecipes
import Configs
import Logging
import Lua
import Merging
import Scripting
import SystemPackage

/// Runs a recipe or a config and writes the model, or the models, that it returns.
struct MergeRun {
  /// Where results go.
  enum Destination {
    /// One model to a path; several to directories in it, by their names. `nil` only for a plan that is
    /// printed.
    case result(String?)
    /// Every merge of a config to a directory of its name in `folder`; the one without a name by the
    /// config's.
    case allTo(folder: String)
    /// The merges that have names to directories in `folder`, and the result to `result`.
    case stagesTo(folder: String, result: Result)

    /// Where the result of `stagesTo` goes.
    enum Result {
      /// There; the result is the merge without a name, or else the last that no other uses.
      case path(String?)
      /// There if it has no name, as with mergekit-multi.
      case ofNameless(String?)
    }
  }

  let file: String
  let destination: Destination
  var options: MergeOptions
  let compatibility: CompatibilityOptions
  /// What becomes of an output with contents, unless `--force` is given.
  let policy: OutputDirectory.Policy
  /// Whether merges that were made before are read, not made again.
  var readsFinished = false
  /// Whether one of the merges of a config must have no name.
  var requiresNameless = false
  /// What becomes of tensors that only some models have, where models are bare checkpoints.
  var bare: String?

  private var logger: Logger { options.host.log.logger }

  init(
    file: String, destination: Destination, options: MergeOptions,
    compatibility: CompatibilityOptions, policy: OutputDirectory.Policy
  ) {
    self.file = file
    self.destination = destination
    self.options = options
    self.compatibility = compatibility
    self.policy = policy
  }

  /// Runs the file, whose text is in the language that it is said to be in.
  func run(_ text: [UInt8], _ language: ModelCard.RecipeLanguage) throws {
    for path in outputFolders {
      for notice in try OutputDirectory.settleInterruptedRuns(at: FilePath(path)) {
        Terminal.report(Diagnostic(.foreign(notice)), .warning)
      }
    }
    if language == .lua {
      try options.config.requireNone(for: file)
      if let bare {
        throw ValidationError(
          "--tensor-\(bare) is for configs; \(file) is a recipe, where mk.merge takes bare = '\(bare)'")
      }
      guard case .result = destination else {
        throw ValidationError(
          "--intermediate-dir is for configs; \(file) is a recipe, which returns a table of models to keep several"
        )
      }
    }
    if let notice = compatibility.notice { logger.info("\(notice)") }
    let hostOptions = try hostOptions()
    let log = EventLog(logger)
    let progress = ProgressDisplay(
      isEnabled: !options.host.log.isQuiet, patience: options.host.progressAfter)
    if let out = singleOut, !options.dryRun, language == .yaml || !Self.holdsResults(out) {
      // A recipe may compute for long; what is wrong with OUT is said before.
      try OutputDirectory(path: FilePath(out), policy: hostOptions.output.policy).discard()
    }
    let places = WarningPlaces()
    let host = try ScriptHost.make(
      root: FilePath(file).removingLastComponent().string, options: hostOptions,
      report: { event in
        progress.report(event)
        log.report(event)
      },
      placed: { places.placed($0, $1) })
    logger.debug("\(hostOptions.threads) threads, seed \(hostOptions.seed)")
    guard language == .yaml else {
      return try write(outputs(host.results(path: file), hostOptions.output), host)
    }

    var config = try ConfigRecipe(path: file, bytes: text, host: host, options: translation())
    for finding in config.translation.findings { Terminal.report(finding, .warning) }
    try config.checkTokenizerSources()
    if bare != nil, config.isMixtureOfExperts {
      throw ValidationError("\(file) asks for a mixture of experts, which is made of models with layers")
    }
    if config.isMegaMerge {
      logger.info("\(file) is a mega merge: \(Self.words(of: config, destination))")
      for notice in config.hiddenPaths { logger.info("\(notice)") }
      try config.checkReferences()
    }
    let mega = try MegaMerge(self, &config, host)
    logger.debug("\(config.translation.recipe)")
    places.placed = config.placed(warning:line:)
    try config.placingErrors {
      guard let mega else {
        return try write(
          outputs(config.results(in: host), hostOptions.output), host, config: config)
      }
      if mega.isFinished { return logger.info("everything is up to date: nothing to do") }
      try write(mega.outputs(config.results(in: host)), host, config: config)
    }
  }

  /// What becomes of the merges that others use, for a plan that is printed. None is materialised in between,
  /// however often it is used: measured, a stage that is computed again in each sweep of what uses it costs
  /// less than writing and reading it.
  private static func stages(of config: ConfigRecipe?) -> [String] {
    (config?.made ?? []).filter { !$0.users.isEmpty }.map { stage in
      "computes \(stage.name) along with \(stage.users.joined(separator: ", ")): not materialised in between, "
        + "its reductions run once a tensor"
    }
  }

  private static func words(of config: ConfigRecipe, _ destination: Destination) -> String {
    let count = config.translation.documents.count
    guard case .result = destination else {
      return "\(Numbers.counted(count, "document")), written in one pass"
    }
    return count == 1 ? "its document makes one model" : "all of its documents make one model"
  }

  /// Where one model goes, if that is known before the file runs.
  private var singleOut: String? {
    switch destination {
    case .result(let out): out
    case .allTo: nil
    case .stagesTo(_, .path(let out)), .stagesTo(_, .ofNameless(let out)):
      // What is there may be what would be made.
      readsFinished ? nil : out
    }
  }

  /// The directories that the run writes, or writes into, as far as that is known before the file runs.
  private var outputFolders: [String] {
    switch destination {
    case .result(let out): [out].compactMap { $0 }
    case .allTo(let folder): [folder]
    case .stagesTo(let folder, .path(let out)), .stagesTo(let folder, .ofNameless(let out)):
      [folder] + [out].compactMap { $0 }
    }
  }

  /// Whether a directory holds nothing but directories of models, as a recipe with several results leaves it.
  private static func holdsResults(_ path: String) -> Bool {
    guard let names = try? fileNames(in: FilePath(path)), !names.isEmpty else { return false }
    return names.allSatisfy { name in
      let inner = (try? fileNames(in: FilePath(path).appending(name))) ?? []
      return inner.contains { $0.hasSuffix(".safetensors") }
    }
  }

  private func translation() -> TranslationOptions {
    var result = options.config.translation
    result.requiresNameless = requiresNameless
    result.bare = bare
    result.dtype = options.writing.dtype?.torchName
    let stem = FilePath(file).stem ?? file
    switch destination {
    case .result: break
    case .allTo: result.results = .all(nameless: stem, isDirectory: true)
    case .stagesTo: result.results = .all(nameless: stem, isDirectory: false)
    }
    return result
  }

  private func hostOptions() throws -> ScriptHost.Options {
    var result = try compatibility.applied(to: options.host).hostOptions()
    result.output = options.outputOptions(policy: policy)
    result.isDryRun = options.dryRun
    result.savesBelow = outputFolders + options.allowWrite
    return result
  }

  /// The models of a recipe, each with its path, which is empty for a plan that is printed.
  private func outputs(
    _ results: ScriptHost.Results, _ outputOptions: OutputOptions
  ) throws -> [Output] {
    guard case .result(let out) = destination else { return [] }
    let path = FilePath(out ?? "")
    switch results {
    case .model(let model): return [Output(model, path: path, options: outputOptions)]
    case .models(let models):
      if let out, Output.isFile(path) {
        throw LuaError(
          "\(out) is a single file, and \(file) makes \(models.count) models: name OUT a directory")
      }
      return models.map { Output($1, path: path.appending($0), options: outputOptions) }
    }
  }

  private func write(_ outputs: [Output], _ host: ScriptHost, config: ConfigRecipe? = nil) throws {
    var said: Set<String> = []
    for source in outputs.flatMap(\.model.provenance.checkpoints) where said.insert(source.label).inserted {
      let checkpoint = source.checkpoint
      let size = ByteSize.format(checkpoint.totalBytes)
      let files = Numbers.counted(checkpoint.files.count, "file")
      let layers = source.architecture.numLayers
      logger.debug(
        "\(source.label): \(checkpoint.tensors.count) tensors, \(size) in \(files), \(layers) layers")
    }
    if options.dryRun {
      let (plans, reads) = try host.plan(outputs)
      defer { Self.stages(of: config).forEach { print($0) } }
      let reports = zip(plans, outputs).map { plan, output in
        PlanReport(plan: plan, out: output.path.isEmpty ? nil : output.path.string)
      }
      return print(PlanReport.text(reports, reads: reads))
    }
    try host.write(outputs)
  }
}

/// What a warning of a line is turned into; known when the config has been read.
private final class WarningPlaces {
  var placed: (_ warning: Diagnostic, _ line: Int?) -> Diagnostic = { warning, _ in warning }
}

extension ConfigOptions {
  var translation: TranslationOptions {
    TranslationOptions(
      truncateEmbeddings: unsafeTruncateEmbeddings ?? false, allowCrimes: allowCrimes ?? false,
      allowAllSame: iUnderstandThisIsNotUsefulWithoutTraining, isStrict: strict)
  }
}
