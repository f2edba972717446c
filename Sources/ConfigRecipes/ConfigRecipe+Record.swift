import Basics
import Checkpoints
import Configs
import Merging
import Scripting
import SystemPackage

extension ConfigRecipe {
  /// The record of a run that makes one of the merges, with the source files that have been read by now: a
  /// method may require more while it runs.
  ///
  /// `nil` if one of its models is none, which the run will tell.
  package func record(
    of document: Translation.Document, host: ScriptHost, version: String
  ) throws -> RunRecord? {
    let inputs: [RunRecord.InputFile]
    do {
      inputs =
        try document.references.flatMap { try Self.inputs(of: $0) }
        + document.adapters.flatMap { try Self.inputs(ofAdapter: $0) }
    } catch {
      // What cannot be read now could be later, and the output would be without a record.
      if case FileError.system = error { throw error }
      return nil
    }
    return RunRecord(
      version: version, seed: host.options.seed, options: host.options.output,
      recipe: translation.recipe(of: document), sources: host.sourceFiles, inputs: inputs)
  }

  /// The folder that the paths of source files begin at.
  package var root: FilePath { FilePath(path).removingLastComponent() }

  /// The files of a model and of the adapters on it, as they are now.
  private static func inputs(of reference: String) throws -> [RunRecord.InputFile] {
    let parts = parts(of: reference)
    let base = try Checkpoint(path: FilePath(parts.base.text))
    return try inputs(of: base, "config.json") + inputs(ofAdapters: parts.adapters)
  }

  private static func parts(of reference: String) -> ModelReference {
    ModelReference(parsing: reference) { (try? DirectoryFiles.isPresent(FilePath($0))) ?? true }
  }

  /// The files of an adapter, or of several (`one+two`).
  private static func inputs(ofAdapter reference: String) throws -> [RunRecord.InputFile] {
    let parts = parts(of: reference)
    return try inputs(ofAdapters: [parts.base] + parts.adapters)
  }

  private static func inputs(ofAdapters adapters: [ModelReference.Location]) throws -> [RunRecord.InputFile] {
    try adapters.flatMap {
      try inputs(of: Checkpoint(adapter: FilePath($0.text)), WeightsLocation.adapterConfigName)
    }
  }

  private static func inputs(of checkpoint: Checkpoint, _ configName: String) throws -> [RunRecord.InputFile]
  {
    let modelFiles = checkpoint.modelFiles
    let names = [configName] + (try CompanionFiles(in: modelFiles).names)
    let files = checkpoint.files.map(\.path) + names.map(modelFiles.path(of:))
    return try files.compactMap { try RunRecord.InputFile(path: $0) }
  }
}

extension ScriptHost {
  /// The files that the recipe or its methods have required so far.
  package var sourceFiles: [RunRecord.SourceFile] {
    userFiles.map { RunRecord.SourceFile(path: $0.path, text: $0.text) }
  }
}
