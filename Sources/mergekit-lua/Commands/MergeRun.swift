import ArgumentParser
import Basics
import ConfigRecipes
import Configs
import Logging
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
  let options: MergeOptions
  let peer: PeerOptions
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
    file: String, destination: Destination, options: MergeOptions, peer: PeerOptions,
    policy: OutputDirectory.Policy
  ) {
    self.file = file
    self.destination = destination
    self.options = options
    self.peer = peer
    self.policy = policy
  }

  /// Runs the file, whose text is in the language that it is said to be in.
  func run(_ text: [UInt8], _ language: ModelCard.RecipeLanguage) throws {
    if language == .lua {
      try options.config.requireNone(for: file)
      guard case .result = destination else {
        throw ValidationError(
          "--intermediate-dir is for configs; \(file) is a recipe, which returns a table of models to keep several"
        )
      }
    }
    if let notice = peer.notice { logger.info("\(notice)") }
    let hostOptions = try hostOptions()
    let started = ProgressDisplay.now()
    if let out = singleOut, !options.dryRun, language == .yaml || !Self.holdsResults(out) {
      // A recipe may compute for long; what is wrong with OUT is said before.
      try ModelWriter.checkReplaceable(FilePath(out), hostOptions.policy)
      try OutputDirectory(path: FilePath(out), policy: hostOptions.policy).discard()
    }
    let warnings = Warnings(logger)
    let host = try ScriptHost.make(
      root: FilePath(file).removingLastComponent().string, options: hostOptions,
      progress: ProgressDisplay(isEnabled: !options.host.log.isQuiet), warn: warnings.write,
      placed: { warnings.placed($0, $1) })
    logger.debug("\(hostOptions.threads) threads, seed \(hostOptions.seed)")
    guard language == .yaml else {
      return try write(try outputs(host.results(path: file)), host, started)
    }

    var config = try ConfigRecipe(path: file, bytes: text, host: host, options: translation())
    for warning in config.translation.warnings { logger.warning("\(warning)") }
    try config.checkTokenizerSources()
    if config.isMegaMerge {
      logger.info("\(file) is a mega merge: \(Self.words(of: config, destination))")
      for notice in config.hiddenPaths { logger.info("\(notice)") }
      try config.checkReferences()
    }
    let mega = try MegaMerge(self, &config, host, hostOptions)
    logger.debug("\(config.translation.recipe)")
    warnings.placed = config.placed(warning:line:)
    try config.placingErrors {
      guard let mega else {
        return try write(outputs(config.results(in: host)), host, started, config: config)
      }
      if mega.isFinished { return logger.info("everything is finished: nothing is to be made") }
      try write(mega.outputs(config.results(in: host)), host, started, config: config)
    }
  }

  /// What becomes of the merges that others use, for a plan that is printed. None is put down in between,
  /// however often it is used: measured, a stage that is computed again in each sweep of what uses it costs
  /// less than writing and reading it.
  private static func stages(of config: ConfigRecipe?) -> [String] {
    (config?.made ?? []).filter { !$0.users.isEmpty }.map { stage in
      "computes \(stage.name) along with \(stage.users.joined(separator: ", ")): not put down in between, "
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
    result.dtype = options.dtype?.torchName
    let stem = FilePath(file).stem ?? file
    switch destination {
    case .result: break
    case .allTo: result.results = .all(nameless: stem, isDirectory: true)
    case .stagesTo: result.results = .all(nameless: stem, isDirectory: false)
    }
    return result
  }

  private func hostOptions() throws -> ScriptHost.Options {
    var result = try peer.applied(to: options.host).hostOptions()
    result.dtype = options.dtype
    result.maximumShardBytes = options.outShardSize.bytes
    result.policy = options.force ? .replace : policy
    result.isDryRun = options.dryRun
    result.writesModelCard = options.writeModelCard
    result.copiesTokenizer = options.copyTokenizer
    return result
  }

  /// The models of a recipe, each with its path, which is empty for a plan that is printed.
  private func outputs(_ results: ScriptHost.Results) -> [ScriptHost.Output] {
    guard case .result(let out) = destination else { return [] }
    switch results {
    case .model(let model): return [ScriptHost.Output(model, path: out ?? "")]
    case .models(let models):
      return models.map { name, model in
        ScriptHost.Output(model, path: (out.map { FilePath($0) } ?? FilePath("")).appending(name).string)
      }
    }
  }

  private func write(
    _ outputs: [ScriptHost.Output], _ host: ScriptHost, _ started: Double, config: ConfigRecipe? = nil
  ) throws {
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
      let (plans, reads) = try host.plan(outputs.map(\.model))
      defer { Self.stages(of: config).forEach { print($0) } }
      let reports = zip(plans, outputs).map { plan, output in
        PlanReport(plan: plan, out: output.path.isEmpty ? nil : output.path)
      }
      return print(PlanReport.text(reports, reads: reads))
    }
    let folder = FilePath(outputs[0].path).removingLastComponent().string
    try host.write(outputs, as: outputs.count == 1 ? outputs[0].path : folder)
    let seconds = Numbers.fixed(ProgressDisplay.now() - started, 2)
    for (index, output) in outputs.enumerated() {
      let time = index == outputs.count - 1 ? " in \(seconds) s" : ""
      logger.info("wrote \(output.path): \(output.model.names.count) tensors\(time)")
    }
  }
}

/// Where a host's warnings go.
private final class Warnings {
  private let logger: Logger
  /// What a warning of a line is turned into.
  var placed: (_ warning: String, _ line: Int?) -> String = { warning, _ in warning }

  init(_ logger: Logger) { self.logger = logger }

  func write(_ warning: String) { logger.warning("\(warning)") }
}

extension ConfigOptions {
  var translation: TranslationOptions {
    TranslationOptions(
      truncateEmbeddings: unsafeTruncateEmbeddings ?? false, allowCrimes: allowCrimes ?? false,
      allowAllSame: iUnderstandThisIsNotUsefulWithoutTraining, isStrict: strict)
  }
}
