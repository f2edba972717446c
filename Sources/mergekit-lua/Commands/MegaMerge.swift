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
  private struct Stage {
    let path: String
    var options: OutputOptions
    let record: RunRecord?
  }

  private let host: ScriptHost
  private var stages: [String: Stage] = [:]
  /// The source files that finished merges were made with.
  private var readSources: [RunRecord.SourceFile] = []

  /// Whether nothing is left to be made.
  var isFinished: Bool { stages.isEmpty }

  /// Finds what of `config` is finished, and makes its recipe read that. `nil` where one model is wanted.
  init?(_ run: MergeRun, _ config: inout ConfigRecipe, _ host: ScriptHost) throws {
    if case .result = run.destination { return nil }
    guard !config.isMixtureOfExperts else {
      throw LuaError(
        "\(run.file) asks for a mixture of experts, which has no stages; mergekit-lua \(run.file) OUT writes it"
      )
    }
    self.host = host
    let logger = run.options.host.log.logger
    // Of an edited standard library it is not known whether it is the same.
    let isLazy =
      run.readsFinished && !run.options.writing.replaces
      && run.options.host.script.standardLibrary == nil
    var finished: [String: String] = [:]
    for document in config.translation.documents {
      let path = try Self.path(of: document, run)
      let record = try config.record(of: document, host: host, version: MergekitLua.version)
      var stage = Stage(path: path, options: host.options.output, record: record)
      switch try isLazy && !path.isEmpty ? record?.state(of: FilePath(path), root: config.root) : nil {
      case .finished(let before):
        logger.info("\(path) is up to date, skipping")
        finished[document.name] = path
        readSources += before.sources
        continue
      case .stale(let reason):
        logger.info("rebuilding \(path): \(reason)")
        // The program made what is there; other files stay.
        if run.policy == .refuseNonEmpty { stage.options.policy = .overlay }
      case .unknown:
        if run.policy == .refuseNonEmpty { break }
        logger.info("rebuilding \(path): without \(RunRecord.fileName) it is not known what it is made from")
      case .absent, nil: break
      }
      stages[document.name] = stage
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
        "--out-path is missing: the merge at \(document.location) has no name, and goes there")
    }
  }

  /// The models of the recipe's table, with where they go.
  func outputs(_ results: ScriptHost.Results) -> [Output] {
    guard case .models(let models) = results else { return [] }
    return models.compactMap { name, model in
      guard let stage = stages[name] else { return nil }
      return Output(
        model, path: FilePath(stage.path), options: stage.options,
        record: stage.record.map { record in { withSources(record) } })
    }
  }

  /// A record with all source files that have been read by now.
  private func withSources(_ record: RunRecord) -> RunRecord {
    var (record, known) = (record, Set<String>())
    record.sources = (host.sourceFiles + readSources).filter { known.insert($0.path).inserted }
    return record
  }
}
