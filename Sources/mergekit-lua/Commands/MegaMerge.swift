import ArgumentParser
import ConfigRecipes
import Configs
import Logging
import Lua
import Merging
import Scripting
import SystemPackage

/// The merges of a config of which several are kept: which of them are finished, and where the others go.
struct MegaMerge {
  /// A merge that is to be made.
  private struct Target {
    let path: String
    let policy: OutputDirectory.Policy?
    let fingerprint: StageFingerprint?
  }

  private var targets: [String: Target] = [:]
  /// The files of methods that finished merges were made with.
  private var readModules: [StageFingerprint.Module] = []

  /// Whether nothing is left to be made.
  var isFinished: Bool { targets.isEmpty }

  /// Finds what of `config` is finished, and makes its recipe read that. `nil` where one model is wanted.
  init?(
    _ run: MergeRun, _ config: inout ConfigRecipe, _ host: ScriptHost, _ options: ScriptHost.Options
  ) throws {
    if case .result = run.destination { return nil }
    guard !config.isMixtureOfExperts else {
      throw LuaError(
        "\(run.file) asks for a mixture of experts, which has no stages; mergekit-lua \(run.file) OUT writes it"
      )
    }
    let logger = run.options.host.log.logger
    let conditions = StageFingerprint.Conditions(
      version: MergekitLua.version, seed: options.seed, dtype: options.dtype?.torchName,
      copiesTokenizer: options.copiesTokenizer)
    // Of an edited standard library it is not known whether it is the same.
    let isLazy = run.readsFinished && !run.options.force && run.options.host.script.standardLibrary == nil
    var finished: [String: String] = [:]
    for document in config.translation.documents {
      let path = try Self.path(of: document, run)
      let fingerprint = StageFingerprint(of: document, in: config, host: host, conditions)
      var policy: OutputDirectory.Policy?
      switch isLazy && !path.isEmpty ? fingerprint?.state(of: FilePath(path)) : nil {
      case .finished:
        logger.info("\(path) is up to date, skipping")
        finished[document.name] = path
        readModules += StageFingerprint.modules(ofFinished: FilePath(path))
        continue
      case .stale(let reason):
        logger.info("rebuilding \(path): \(reason)")
        // The program made what is there; other files stay.
        if run.policy == .refuseNonEmpty { policy = .overlay }
      case .unknown:
        if run.policy == .refuseNonEmpty { break }
        logger.info(
          "rebuilding \(path): without \(StageFingerprint.fileName) it is not known what it is made from")
      case .absent, nil: break
      }
      targets[document.name] = Target(path: path, policy: policy, fingerprint: fingerprint)
    }
    if !finished.isEmpty { config = try ConfigRecipe(config, finished: finished) }
  }

  /// Where a merge goes; empty for a plan that is printed without.
  private static func path(of document: Translation.Document, _ run: MergeRun) throws -> String {
    func inner(_ folder: String) -> String { FilePath(folder).appending(document.name).string }
    switch run.destination {
    case .result: return ""
    case .allTo(let folder): return inner(folder)
    case .stagesTo(let folder, .path(let out)): return document.isResult ? out ?? "" : inner(folder)
    case .stagesTo(let folder, .ofNameless(let out)):
      if document.isNamed { return inner(folder) }
      if let out { return out }
      if run.options.dryRun { return "" }
      throw ValidationError(
        "--out-path is missing: the merge at \(document.place) has no name, and goes there")
    }
  }

  /// The models of the recipe's table, with where they go.
  func outputs(_ results: ScriptHost.Results) -> [ScriptHost.Output] {
    guard case .models(let models) = results else { return [] }
    return models.compactMap { name, model in
      guard let target = targets[name] else { return nil }
      return ScriptHost.Output(
        model, path: target.path, policy: target.policy,
        stamp: target.fingerprint.map { fingerprint in
          { (StageFingerprint.fileName, fingerprint.text(weights: $0, readModules: readModules)) }
        })
    }
  }
}
