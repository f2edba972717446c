import Basics
import SystemPackage
import Tensors

/// Writes lazy models as checkpoint directories, which appear under their names only when they are whole.
package struct ModelWriter {
  /// The text that made the models, which is kept beside them.
  package struct Recipe {
    package var fileName: String
    package var text: String
    package var language: ModelCard.RecipeLanguage
    /// The files that it needs, by their paths beside it; asked when the models are written.
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

  private let graph: ExpressionGraph
  private let evaluator: Evaluator
  private let recipe: Recipe?
  private let protected: [FilePath]
  private let report: MergeEventHandler

  /// - Parameters:
  ///   - protected: Files that the outputs must not replace, beside the models that are read.
  ///   - report: Told what happens.
  package init(
    graph: ExpressionGraph, evaluator: Evaluator, recipe: Recipe? = nil,
    protecting protected: [FilePath] = [],
    report: @escaping MergeEventHandler = { _ in }
  ) {
    self.graph = graph
    self.evaluator = evaluator
    self.recipe = recipe
    self.protected = protected
    self.report = report
  }

  /// Writes several models in one pass: what a tensor of one has in common with a tensor of another that is
  /// made of it is read and computed once. Each output appears when all are whole.
  package func write(_ outputs: [Output]) throws {
    try Self.checkPlaces(outputs)
    let inputs = outputs.flatMap(\.model.provenance.checkpoints)
      .flatMap { $0.checkpoint.inputs }
    var writers: [OutputWriter] = []
    // The first may have made a directory that holds the others.
    defer { for writer in writers.reversed() { writer.directory.discard() } }
    for output in outputs {
      let plan = try MergePlan(output)
      if output.model.adapterConfig != nil, output.fileName != nil {
        throw MergeError.adapterAsFile(output.path)
      }
      if case .overlay = output.options.policy, output.model.adapterConfig != nil,
        try OldWeights.holdsAny(OutputDirectory.target(of: output.path))
      {
        throw MergeError.adapterIntoModel(output.path)
      }
      for notice in try OutputDirectory.settleInterruptedRuns(at: output.path) {
        report(.warning(Diagnostic(.foreign(notice))))
      }
      let directory = try OutputDirectory(
        path: output.path, policy: output.options.policy, protecting: protected + inputs,
        isDurable: output.options.isDurable)
      writers.append(OutputWriter(output, plan, directory, recipe, report))
    }
    let planned = writers.map {
      MergeEvent.Output(
        path: $0.output.path, tensors: $0.plan.tensors.count, bytes: $0.plan.layout.totalBytes)
    }
    report(.planned(planned))
    let states = InputStates(outputs.map(\.model))
    do { try write(writers) } catch {
      // What was read of a file while it changed says nothing of it.
      try states.requireUnchanged()
      throw error
    }
    try states.requireUnchanged()
    try OutputDirectory.commit(writers.map(\.directory))
    report(.finished(planned))
  }

  /// Makes sure that no output is another, or lies within one whose old contents go, be it through a link.
  private static func checkPlaces(_ outputs: [Output]) throws {
    let paths = try outputs.map { try OutputDirectory.target(of: $0.path) }
    for (index, path) in paths.enumerated() {
      for (other, otherPath) in paths.enumerated() where other != index && path.starts(with: otherPath) {
        if path == otherPath { throw MergeError.sameOutput(outputs[index].path) }
        if case .overlay = outputs[other].options.policy { continue }
        throw MergeError.outputWithin(outputs[index].path, other: outputs[other].path)
      }
    }
  }

  /// Writes all files: first the small ones, of which a bad one should not take hours to be found.
  private func write(_ writers: [OutputWriter]) throws {
    for writer in writers { try writer.writeSmallFiles() }
    let weights = try writers.map { try $0.makeWeights() }
    let executor = MergeExecutor(
      plans: writers.map(\.plan), graph: graph, evaluator: evaluator,
      sinks: { weights[$0].sink($1) })
    var findings = [FindingsReport](repeating: FindingsReport(), count: writers.count)
    try executor.run(report: report) { findings[$0.output].add($2, in: $0.name, storedAs: $1) }
    for writer in weights { try writer.finish() }
    for (writer, findings) in zip(writers, findings) { try say(findings, of: writer.output) }
    var said: Set<String> = []
    for writer in writers {
      // What merging required is known now.
      try writer.writeCard()
      try writer.writeRecord()
      for warning in writer.output.model.warnings where said.insert(warning).inserted {
        report(.warning(Diagnostic(.foreign(warning))))
      }
    }
  }

  /// Warns of what was found in an output's tensors; numbers that are none are an error where the user is strict.
  private func say(_ findings: FindingsReport, of output: Output) throws {
    if let sentence = findings.differingSentence { report(.warning(Diagnostic(.foreign(sentence)))) }
    guard let sentence = findings.nonFiniteSentence else { return }
    if output.options.isStrict { throw MergeError.nonFinite(output.path, sentence) }
    report(.warning(Diagnostic(.foreign(sentence))))
  }
}
