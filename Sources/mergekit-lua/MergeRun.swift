import ArgumentParser
import Checkpoints
import ConfigRecipes
import Configs
import Logging
import Merging
import Scripting
import SystemPackage

/// Runs a recipe or a config and writes the model that it returns.
struct MergeRun {
  let file: String
  /// `nil` only for a plan that is printed.
  let out: String?
  let options: MergeOptions
  let peer: PeerOptions
  /// What becomes of an output with contents, unless `--force` is given.
  let policy: OutputDirectory.Policy
  private let logger: Logger

  init(
    file: String, out: String?, options: MergeOptions, peer: PeerOptions, policy: OutputDirectory.Policy
  ) {
    self.file = file
    self.out = out
    self.options = options
    self.peer = peer
    self.policy = policy
    logger = options.host.log.logger
  }

  /// Runs the file, whose text is in the language that it is said to be in.
  func run(_ text: [UInt8], _ language: ModelCard.RecipeLanguage) throws {
    if language == .lua { try options.config.requireNone(for: file) }
    if let notice = peer.notice { logger.info("\(notice)") }
    let hostOptions = try hostOptions()
    let started = ProgressDisplay.now()
    if let out, !options.dryRun {
      // A recipe may compute for long; what is wrong with OUT is said before.
      try ModelWriter.checkReplaceable(FilePath(out), hostOptions.policy)
      try OutputDirectory(path: FilePath(out), policy: hostOptions.policy).discard()
    }
    let warnings = Warnings(logger)
    let host = try ScriptHost.make(
      root: FilePath(file).removingLastComponent().string, options: hostOptions,
      progress: ProgressDisplay(isEnabled: !options.host.log.isQuiet), warn: warnings.write)
    logger.debug("\(hostOptions.threads) threads, seed \(hostOptions.seed)")
    guard language == .yaml else { return try write(host.run(path: file), host, started) }

    let config = try ConfigRecipe(
      path: file, bytes: text, host: host, options: options.config.translation)
    for warning in config.translation.warnings { logger.warning("\(warning)") }
    if config.isMegaMerge { logger.info("\(file) is a mega merge: all of its documents make one model") }
    logger.debug("\(config.translation.recipe)")
    warnings.rewrite = config.placed(warning:)
    try config.placingErrors { try write(config.run(in: host), host, started) }
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

  private func write(_ model: any LazyModel, _ host: ScriptHost, _ started: Double) throws {
    for source in model.checkpoints {
      let checkpoint = source.checkpoint
      let size = ByteSize.format(checkpoint.totalBytes)
      let files = Numbers.counted(checkpoint.files.count, "file")
      let layers = source.architecture.numLayers
      logger.debug(
        "\(source.label): \(checkpoint.tensors.count) tensors, \(size) in \(files), \(layers) layers")
    }
    guard let out, !options.dryRun else {
      let (plan, reads) = try host.plan(model)
      return print(PlanReport(plan: plan, reads: reads, out: out).text)
    }
    try host.write(model, to: out)
    let seconds = Numbers.fixed(ProgressDisplay.now() - started, 2)
    logger.info("wrote \(out): \(model.names.count) tensors in \(seconds) s")
  }
}

/// Where a host's warnings go.
private final class Warnings {
  private let logger: Logger
  /// What a warning is turned into.
  var rewrite: (String) -> String = { $0 }

  init(_ logger: Logger) { self.logger = logger }

  func write(_ warning: String) { logger.warning("\(rewrite(warning))") }
}

extension ConfigOptions {
  var translation: TranslationOptions {
    TranslationOptions(
      truncateEmbeddings: unsafeTruncateEmbeddings ?? false, allowCrimes: allowCrimes ?? false,
      allowAllSame: iUnderstandThisIsNotUsefulWithoutTraining, isStrict: strict)
  }
}
