import Basics
import Checkpoints
import Lua
import Merging
import SystemPackage
import Tensors

/// Runs recipes: a Lua state with the script API, the expressions that it builds, and the workers that
/// compute them.
///
///     let host = try ScriptHost(root: "recipes", options: ScriptHost.Options(threads: 2))
///     try host.write(host.run(path: "recipes/merge.lua"), to: "out")
///
/// Confined to one thread.
package final class ScriptHost {
  package struct Options {
    package static let defaultSeed: UInt64 = 42

    package var threads: Int
    package var seed: UInt64
    /// Elements of a tile, for tests; `nil` fits tiles to the cache.
    package var tileSize: Int?
    /// Bytes of whole matrices that decompositions may hold.
    package var matrixMemory = 2_000_000_000
    package var limits: LuaLimits
    package var standardLibrary: StandardLibrary
    /// How models are written, unless a script says otherwise.
    package var output: OutputOptions
    /// Whether `m:save` says what it would do instead of doing it.
    package var isDryRun: Bool
    /// The folders below which `m:save` may write.
    package var savesBelow: [String] = []

    package init(
      threads: Int, seed: UInt64 = Self.defaultSeed, tileSize: Int? = nil, limits: LuaLimits = LuaLimits(),
      standardLibrary: StandardLibrary = .embedded, output: OutputOptions = OutputOptions(),
      isDryRun: Bool = false
    ) {
      self.threads = threads
      self.seed = seed
      self.tileSize = tileSize
      self.limits = limits
      self.standardLibrary = standardLibrary
      self.output = output
      self.isDryRun = isDryRun
    }
  }

  /// Where the host's words go.
  package struct Messages {
    /// What happens while models are written, and warnings, those of `warn` included.
    package var report: MergeEventHandler
    /// What a warning is turned into, by the user's line that it comes from, if there is one.
    package var placed: (_ warning: Diagnostic, _ line: Int?) -> Diagnostic
    /// What `print` says; `nil` for standard output.
    package var output: ((String) -> Void)?

    package init(
      report: @escaping MergeEventHandler = { _ in },
      placed: @escaping (_ warning: Diagnostic, _ line: Int?) -> Diagnostic = { warning, _ in warning },
      output: ((String) -> Void)? = nil
    ) {
      self.report = report
      self.placed = placed
      self.output = output
    }
  }

  package let graph = ExpressionGraph()
  package let options: Options
  private let messages: Messages
  private let lua: LuaState
  private let evaluator: Evaluator
  private let context: ScriptContext
  private let models: ModelBinding
  private let modules: LuaModules
  private let interrupt: LuaInterrupt
  private var recipe: ModelWriter.Recipe?
  private var recipePath: FilePath?
  private var saves: SaveScope

  /// Makes a host for recipes in `root`, beside which their modules are looked for.
  ///
  /// `onHang` is called on a thread of its own when a script hangs where nothing can stop it.
  package init(
    root: String, options: Options, messages: Messages = Messages(), interrupt: LuaInterrupt = LuaInterrupt(),
    onHang: (@Sendable (WatchdogReason) -> Void)? = nil
  ) throws {
    self.options = options
    saves = SaveScope(folders: options.savesBelow)
    var messages = messages
    let (report, placed) = (messages.report, messages.placed)
    var said: Set<String> = []
    // A warning about every tensor or layer is said once.
    func say(_ warning: Diagnostic, _ line: Int?) {
      let located = placed(warning, line)
      if said.insert(located.description).inserted { report(.warning(located)) }
    }
    messages.report = { event in
      if case .warning(let warning) = event { say(warning, nil) } else { report(event) }
    }
    self.messages = messages
    weak var state: LuaState?
    self.interrupt = interrupt
    var limits = options.limits
    limits.memoryOption = "--memory-limit"
    limits.secondsOption = "--time-limit"
    lua = LuaState(
      limits: limits, seed: Int(truncatingIfNeeded: options.seed), interrupt: interrupt,
      output: messages.output, log: { say(Diagnostic(.foreign($0)), state?.userPosition?.line) },
      onHang: onHang)
    state = lua
    graph.matrixMemory = options.matrixMemory
    evaluator = Evaluator(
      graph: graph,
      options: Evaluator.Options(
        threads: options.threads, tileSize: options.tileSize, isInterrupted: { interrupt.isRequested },
        makeScratch: Self.makeScratch))
    let library = options.standardLibrary
    modules = LuaModules(root: root, standardLibraryPaths: library.paths) { library.file($0) }
    let saver = Saver()
    context = ScriptContext(
      graph: graph, evaluator: evaluator, seed: options.seed,
      host: HostServices(
        methodNames: library.methodNames,
        moduleExists: { [modules] in modules.exists($0) }, outputOptions: options.output,
        report: { messages.report($0) }, save: { try saver.host?.save($0) },
        warn: { say($0, state?.userPosition?.line) }))
    let setup = BindingSetup(lua: lua, context: context)
    models = try setup.binding()
    saver.host = self
    unowned let lua = lua
    graph.workers = options.threads
    graph.charge = { try lua.charge($0) }
    graph.discharge = { lua.discharge($0) }
    var room = ScratchRoom()
    graph.willMakeScratch = { if room.isCollectionDue(beforeMaking: $0) { lua.collectGarbage() } }
    try install(setup)
  }

  deinit {
    evaluator.cancel()
    lua.close()
    // Models outlive the state for a moment, and with them their nodes.
    graph.charge = { _ in }
    graph.discharge = { _ in }
    graph.willMakeScratch = { _ in }
  }

  private final class Saver {
    weak var host: ScriptHost?
  }

  private func install(_ setup: BindingSetup) throws {
    try modules.install(in: lua)
    try lua.withBalancedStack {
      try setup.pushModule(of: allBindings)
      modules.preload("mergekit.core", lua.popReference())
    }
    try lua.run(#"require "mergekit.globals" (_G)"#, name: "mergekit/globals.lua", origin: .standardLibrary)
  }

  /// Small results stay in memory; large ones go to a file without a name.
  private static let makeScratch: @Sendable (Int) throws -> any ByteSource & ByteSink = { bytes in
    bytes <= 16 << 20
      ? MemorySource(byteCount: bytes)
      : try ScratchFile(byteCount: bytes, in: scratchDirectory)
  }

  private static let scratchDirectory = FilePath(environment("TMPDIR") ?? "/var/tmp")

  // MARK: Recipes

  /// What a recipe returns.
  package enum Results {
    /// One model.
    case model(any LazyModel)
    /// A table of models by their names, in its order.
    case models([(name: String, model: any LazyModel)])
  }

  /// Runs a recipe and gives the model that it returns.
  package func run(path: String) throws -> any LazyModel { try only(results(path: path), path) }

  /// Runs a recipe and gives the model, or the models, that it returns.
  package func results(path: String) throws -> Results {
    let text = try ScriptFile.read(path)
    recipePath = FilePath(path)
    recipe = ModelWriter.Recipe(
      fileName: "recipe.lua", text: String(decoding: text, as: UTF8.self), language: .lua,
      modules: { [modules] in modules.userFiles })
    return try results(text, name: path)
  }

  /// Runs a script for what it prints; what it returns does not matter.
  package func execute(path: String) throws {
    let text = try ScriptFile.read(path)
    recipePath = FilePath(path)
    try lua.withBalancedStack {
      try lua.load(text, name: path)
      try lua.call(arguments: 0, results: 0)
    }
  }

  /// Runs the tests that a file returns, functions by their names, in the order of the names.
  ///
  /// - Parameter report: Told of each, with what went wrong. An error that stops the script for good ends all.
  package func test(path: String, _ report: (_ name: String, _ failure: LuaError?) -> Void) throws {
    let text = try ScriptFile.read(path)
    recipePath = FilePath(path)
    try lua.withBalancedStack {
      try lua.load(text, name: path)
      try lua.call(arguments: 0, results: 1)
      guard lua.kind(at: -1) == .table else {
        throw LuaError(
          "\(path): a file of tests returns a table of functions, this one returned \(describe(-1))")
      }
      try lua.forEachPair(at: lua.absolute(-1)) {
        guard lua.kind(at: -2) == .string, let name = lua.string(at: -2), lua.kind(at: -1) == .function else {
          throw LuaError(
            "\(path): tests are functions by their names, this one is \(describe(-1)) at \(describe(-2))")
        }
        do {
          try context.work.withStream(name) {
            try lua.pushCopy(of: -1)
            try lua.call(arguments: 0, results: 0)
          }
          report(name, nil)
        } catch let error as LuaError where !error.kind.isFatal {
          report(name, error)
        }
      }
    }
  }

  /// Runs the text of a recipe that a command has made of its options, which is kept beside what it writes.
  package func model(ofRecipe text: String, name: String) throws -> any LazyModel {
    recipe = ModelWriter.Recipe(
      fileName: "recipe.lua", text: text, language: .lua, modules: { [modules] in modules.userFiles })
    return try run(text.utf8, name: name)
  }

  private func only(_ results: Results, _ name: String) throws -> any LazyModel {
    guard case .model(let model) = results else {
      throw LuaError("\(name): expected one model, the recipe returned a table of models")
    }
    return model
  }

  /// The files that the recipe or its methods have required so far, by their paths beside it.
  package var userFiles: [(path: String, text: [UInt8])] { modules.userFiles }

  /// Runs the recipe that a config was translated into, and gives the model, or the models, that it returns.
  ///
  /// It is the config that is kept beside the model.
  ///
  /// - Parameters:
  ///   - recipe: The Lua text.
  ///   - name: What errors call it.
  ///   - config: The config's text.
  ///   - path: The config's file, which no output may replace.
  ///   - savedName: What the config is called beside the model.
  package func results(
    recipe text: String, name: String, ofConfig config: String, at path: String,
    savedAs savedName: String = "mergekit_config.yml"
  ) throws -> Results {
    recipePath = FilePath(path)
    recipe = ModelWriter.Recipe(
      fileName: savedName, text: config, language: .yaml,
      modules: { [modules] in modules.userFiles })
    return try results(text.utf8, name: name)
  }

  /// Runs the text of a recipe.
  package func run(_ text: some Sequence<UInt8>, name: String) throws -> any LazyModel {
    try only(results(text, name: name), name)
  }

  private func results(_ text: some Sequence<UInt8>, name: String) throws -> Results {
    try lua.withBalancedStack {
      try lua.load(text, name: name)
      try lua.call(arguments: 0, results: 1)
      if let model = models.model(at: -1, in: lua) { return .model(model) }
      guard lua.kind(at: -1) == .table else {
        throw LuaError("\(name): a recipe returns a model, this one returned \(describe(-1))")
      }
      return .models(try namedModels(name))
    }
  }

  /// The models of the table on top of the stack, whose names become those of directories.
  private func namedModels(_ recipe: String) throws -> [(name: String, model: any LazyModel)] {
    var found: [(name: String, model: any LazyModel)] = []
    try lua.forEachPair(at: lua.absolute(-1)) {
      guard lua.kind(at: -2) == .string, let name = lua.string(at: -2) else {
        throw LuaError(
          "\(recipe): a recipe returns a model, or models by their names, this one a table with \(describe(-2)) as a key"
        )
      }
      guard Self.isDirectoryName(name) else {
        throw LuaError("\(recipe): '\(name)' cannot name a result: it becomes a directory's name")
      }
      guard let model = models.model(at: -1, in: lua) else {
        throw LuaError("\(recipe): result '\(name)' is \(describe(-1)), expected a model")
      }
      found.append((name, model))
    }
    if found.isEmpty {
      throw LuaError("\(recipe): a recipe returns a model, this one returned an empty table")
    }
    return found
  }

  private static func isDirectoryName(_ name: String) -> Bool {
    guard let component = FilePath.Component(name) else { return false }
    return component.kind == .regular && component.string == name
      && name.unicodeScalars.allSatisfy { $0.value >= 32 }
  }

  private func describe(_ index: Int) -> String {
    switch lua.kind(at: index) {
    case .nil, .none: "nothing"
    case .boolean, .number, .string, .table, .function, .thread, .userdata, .lightUserdata:
      "a \(lua.typeName(at: index))"
    }
  }

  /// Runs Lua text that is part of the program, and gives its value.
  package func evaluate(_ text: String, name: String) throws -> LuaValue {
    try lua.run(text, name: name, origin: .standardLibrary)
  }

  /// Runs Lua text that is part of the program, and reads its value, which is on top of the stack.
  package func evaluate<Value>(_ text: String, name: String, _ read: (LuaState) throws -> Value) throws
    -> Value
  {
    try lua.withBalancedStack {
      try lua.load(text.utf8, name: name, origin: .standardLibrary)
      try lua.call(arguments: 0, results: 1)
      return try read(lua)
    }
  }

  /// Opens a model as `mk.model` does, with the adapters that its reference names.
  package func open(_ reference: String) throws -> any LazyModel {
    try lua.withBalancedStack {
      try lua.load("return require('mergekit').model(...)".utf8, name: "open", origin: .standardLibrary)
      try lua.push(reference)
      try lua.call(arguments: 1, results: 1)
      guard let model = models.model(at: -1, in: lua) else { throw LuaError("\(reference) is no model") }
      return model
    }
  }

  // MARK: Output

  /// Writes a model as the options say.
  package func write(_ model: any LazyModel, to path: String) throws {
    try write([Output(model, path: FilePath(path), options: options.output)])
  }

  /// Writes several models in one pass. An output that holds nothing but what the script has saved there is as good
  /// as empty.
  package func write(_ outputs: [Output]) throws {
    try writeAll(
      outputs.map { output in
        var output = output
        if output.options.policy == .refuseNonEmpty, saves.madeContents(of: output.path) {
          output.options.policy = .overlay
        }
        return output
      })
  }

  /// The recipe, and every checkpoint that it opened, used for this output or not.
  private var protected: [FilePath] {
    (recipePath.map { [$0] } ?? [])
      + (models.checkpoints.merging(models.adapters) { first, _ in first }).values.flatMap {
        $0.checkpoint.inputs
      }
  }

  private func writeAll(_ outputs: [Output]) throws {
    let writer = ModelWriter(
      graph: graph, evaluator: evaluator, recipe: recipe, protecting: protected, report: messages.report)
    do {
      try writer.write(outputs)
    } catch TensorError.cancelled {
      throw stopped()
    } catch let error as LuaError where error.kind == .interrupted {
      throw stopped()
    }
  }

  /// Why the run stopped: if it was a script that was, with the line.
  private func stopped() -> LuaError {
    do { try lua.checkInterrupt() } catch let error as LuaError { return error } catch {}
    return LuaError.interrupted
  }

  private func save(_ asked: Output) throws {
    let isReplacing = options.output.policy == .replace
    let isForced = asked.options.policy == .replace
    let target = try saves.checked(asked.path, force: isForced, replaces: isReplacing)
    guard !options.isDryRun else {
      return messages.report(
        .warning(Diagnostic("dry run: \(name: asked.model.label) is not saved to \(asked.path)")))
    }
    var output = asked
    output.options.policy =
      isForced && (isReplacing || saves.isOwn(target)) ? .replace : options.output.policy
    output.options.copiesCode = false
    try writeAll([output])
    saves.noteSaved(target)
  }

  /// The plan of writing a model, and the files that it reads.
  package func plan(_ model: any LazyModel) throws -> (plan: MergePlan, reads: [FileUse]) {
    let (plans, reads) = try plan([Output(model, path: FilePath(), options: options.output)])
    return (plans[0], reads)
  }

  /// The plans of writing several models in one pass, and the files that they read.
  package func plan(_ outputs: [Output]) throws -> (plans: [MergePlan], reads: [FileUse]) {
    (try outputs.map { try MergePlan($0) }, try MergePlan.filesRead(by: outputs.map(\.model), graph: graph))
  }
}
