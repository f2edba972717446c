import Basics

/// The layers of a stack, checked before anything is written.
package struct LayerOrder {
  /// What is wrong with an order of layers.
  package struct Problem: DiagnosableError, Equatable {
    package let message: DiagnosticMessage

    package var diagnostic: Diagnostic { Diagnostic(message) }
  }

  private let base: JSON
  private let architecture: Architecture
  private let module: Architecture.Module
  private let rules: LayerRules
  private let contents: (OutputConfig.LayerSource) -> LayerContents

  /// - Parameters:
  ///   - base: The config.json that the output's is like.
  ///   - contents: Gives the tensors of all layers of a source's model.
  package init(
    base: JSON, architecture: Architecture, module: Architecture.Module, rules: LayerRules,
    contents: @escaping (OutputConfig.LayerSource) -> LayerContents
  ) {
    self.base = base
    self.architecture = architecture
    self.module = module
    self.rules = rules
    self.contents = contents
  }

  /// What is wrong with a stack, nothing if transformers builds the very layers that it names, and warnings.
  ///
  /// - Parameters:
  ///   - sources: Where the layers come from.
  ///   - output: The tensors of the output's layers.
  ///   - like: The model that the config is that of, as a source of any of its layers.
  package func judge(
    _ sources: [OutputConfig.LayerSource], output: LayerContents, like: OutputConfig.LayerSource
  ) -> (problem: Problem?, warnings: [String]) {
    let check = LayerCheck(base: like, rules: rules, contents: contents)
    let derived = derive(sources)
    let layers = sources.enumerated().map { index, source in
      LayerCheck.Layer(
        source: source,
        tensors: withShapes(output[index], contents(source)[source.layer], contents(like).layers))
    }
    let found = check.findings(in: layers, config: derived.json)
    let warnings = found.biases.map { describe($0, sources[$0.layer]) }
    guard found.fault != nil || !derived.errors.isEmpty else { return (nil, warnings) }
    var words = found.fault.map { [describe($0, sources[$0.layer])] } ?? []
    if words.isEmpty { words = derived.errors }
    let message: DiagnosticMessage = "\(words.joined(separator: "; ")); \(help(sources, check))"
    return (Problem(message: message), warnings)
  }

  private func derive(_ sources: [OutputConfig.LayerSource]) -> OutputConfig {
    OutputConfig.derive(
      from: base, architecture: architecture, dtype: nil, layers: [module.name: sources], rules: rules)
  }

  /// The output's tensors with the shapes that their sources have: several, where a list within a layer has them.
  private func withShapes(
    _ tensors: Set<String>, _ source: Set<String>, _ base: [Set<String>]
  ) -> Set<String> {
    if tensors.isSubset(of: source) { return tensors }
    let own = Dictionary(grouping: source, by: LayerContents.name(of:))
    lazy var others = base.map { Dictionary(grouping: $0, by: LayerContents.name(of:)) }
    var found: Set<String> = []
    for tensor in tensors {
      let name = LayerContents.name(of: tensor)
      found.formUnion(own[name] ?? others.lazy.compactMap { $0[name] }.first ?? [tensor])
    }
    return found
  }

  // MARK: Words

  private func describe(_ fault: LayerCheck.Fault, _ source: OutputConfig.LayerSource) -> String {
    let name = LayerContents.name(of: fault.tensor)
    let model = source.model.isEmpty ? "" : " of model '\(source.model)'"
    return "layer \(fault.layer) of the output is layer \(source.layer)\(model), "
      + (fault.isExpected
        ? "which lacks '\(name)', and transformers will build one with it there"
        : "which has '\(name)', and transformers will build one without it there")
      + " (\(Self.words(fault.holders, of: module.numLayers)))"
  }

  private static func words(_ holders: [Int], of count: Int) -> String {
    if holders.isEmpty { return "no layer of the model that gives the config has it" }
    if holders.count == count { return "all layers of the model that gives the config have it" }
    let shown = holders.prefix(8).map(String.init).joined(separator: ", ")
    return "it is in layer\(holders.count == 1 ? "" : "s") \(shown)\(holders.count > 8 ? ", …" : "")"
  }

  // MARK: Ranges that fit

  /// A run of layers of one model that follow each other.
  private struct Run {
    var source: OutputConfig.LayerSource
    var first: Int
    var last: Int
  }

  private func help(_ sources: [OutputConfig.LayerSource], _ check: LayerCheck) -> String {
    let runs = Self.runs(of: sources)
    guard let fitting = nearby(runs, check) else { return "no ranges near these fit" }
    return "ranges that fit: "
      + fitting.map { run in
        (run.source.model.isEmpty ? "" : "'\(run.source.model)' ") + "[\(run.first), \(run.last + 1)]"
      }.joined(separator: ", ")
  }

  private static func runs(of sources: [OutputConfig.LayerSource]) -> [Run] {
    var runs: [Run] = []
    for source in sources {
      if let last = runs.last, last.source.isOfOneModel(with: source), source.layer == last.last + 1 {
        runs[runs.count - 1].last = source.layer
      } else {
        runs.append(Run(source: source, first: source.layer, last: source.layer))
      }
    }
    return runs
  }

  /// The ranges nearest to these that transformers can build.
  private func nearby(_ runs: [Run], _ check: LayerCheck) -> [Run]? {
    // Many short runs are a pattern of their own, to which nothing is near.
    guard runs.count <= 4 else { return nil }
    var candidates: [(distance: Int, runs: [Run])] = [(0, runs)]
    for index in runs.indices {
      candidates = candidates.flatMap { candidate in
        Self.moves.compactMap { first, last -> (Int, [Run])? in
          var changed = candidate.runs
          changed[index].first += first
          changed[index].last += last
          let count = changed[index].source.module.numLayers
          guard changed[index].first >= 0, changed[index].first <= changed[index].last,
            changed[index].last < count
          else { return nil }
          return (candidate.distance + abs(first) + abs(last), changed)
        }
      }
      candidates.sort { $0.distance < $1.distance }
      if candidates.count > 400 { candidates.removeLast(candidates.count - 400) }
    }
    return candidates.first { $0.distance > 0 && fits($0.runs, check) }?.runs
  }

  /// How the first and the last layer of a run may move.
  private static let moves = (-4...4).flatMap { first in (-4...4).map { (first, $0) } }

  private func fits(_ runs: [Run], _ check: LayerCheck) -> Bool {
    let sources = runs.flatMap { run in
      (run.first...run.last).map {
        OutputConfig.LayerSource(
          config: run.source.config, module: run.source.module, layer: $0, model: run.source.model,
          identity: run.source.identity)
      }
    }
    let derived = derive(sources)
    guard derived.errors.isEmpty else { return false }
    let layers = sources.map { LayerCheck.Layer(source: $0, tensors: contents($0)[$0.layer]) }
    return check.fault(in: layers, config: derived.json) == nil
  }
}
