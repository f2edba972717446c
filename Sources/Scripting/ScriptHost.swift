import Checkpoints
import Merging
import SystemPackage
import Tensors

/// Runs recipes: a Lua state with the script API, the expressions that it builds, and the workers that
/// compute them.
///
/// Confined to one thread.
package final class ScriptHost {
  package struct Options {
    package var threads: Int
    package var seed: UInt64
    /// Elements of a tile, for tests; `nil` fits tiles to the cache.
    package var tileSize: Int?
    package var limits: LuaLimits
    package var standardLibrary: StandardLibrary
    /// Replaces the floating-point dtypes of what is written.
    package var dtype: DType?
    package var maximumShardBytes: Int
    package var policy: OutputDirectory.Policy
    /// Whether `m:save` says what it would do instead of doing it.
    package var isDryRun: Bool
    /// Whether README.md, the recipe and its modules are written beside a model.
    package var writesModelCard: Bool
    /// Whether the tokenizer's files are copied.
    package var copiesTokenizer: Bool

    package init(
      threads: Int, seed: UInt64 = 42, tileSize: Int? = nil, limits: LuaLimits = LuaLimits(),
      standardLibrary: StandardLibrary = .embedded, dtype: DType? = nil,
      maximumShardBytes: Int = 5_000_000_000, policy: OutputDirectory.Policy = .refuseNonEmpty,
      isDryRun: Bool = false, writesModelCard: Bool = true, copiesTokenizer: Bool = true
    ) {
      self.threads = threads
      self.seed = seed
      self.tileSize = tileSize
      self.limits = limits
      self.standardLibrary = standardLibrary
      self.dtype = dtype
      self.maximumShardBytes = maximumShardBytes
      self.policy = policy
      self.isDryRun = isDryRun
      self.writesModelCard = writesModelCard
      self.copiesTokenizer = copiesTokenizer
    }
  }

  /// Where the host's words go.
  package struct Messages {
    /// Warnings and what `warn` says.
    package var warn: (String) -> Void
    /// What `print` says; `nil` for standard output.
    package var output: ((String) -> Void)?
    /// How far the output that is being written is.
    package var progress: (_ path: String, ModelWriter.Progress) -> Void

    package init(
      warn: @escaping (String) -> Void = { _ in }, output: ((String) -> Void)? = nil,
      progress: @escaping (String, ModelWriter.Progress) -> Void = { _, _ in }
    ) {
      self.warn = warn
      self.output = output
      self.progress = progress
    }
  }

  package let graph = ExpressionGraph()
  private let options: Options
  private let messages: Messages
  private let lua: LuaState
  private let evaluator: Evaluator
  private let context: ScriptContext
  private let modules: LuaModules
  private let interrupt: LuaInterrupt
  private var recipe: ModelWriter.Recipe?
  private var recipePath: FilePath?

  /// Makes a host for recipes in `root`, beside which their modules are looked for.
  ///
  /// `onHang` is called on a thread of its own when a script hangs where nothing can stop it.
  package init(
    root: String, options: Options, messages: Messages = Messages(), interrupt: LuaInterrupt = LuaInterrupt(),
    onHang: (@Sendable (WatchdogReason) -> Void)? = nil
  ) throws {
    self.options = options
    var messages = messages
    let warn = messages.warn
    var said: Set<String> = []
    // A warning about every tensor or layer is said once.
    messages.warn = { if said.insert($0).inserted { warn($0) } }
    self.messages = messages
    self.interrupt = interrupt
    lua = LuaState(
      limits: options.limits, seed: Int(truncatingIfNeeded: options.seed), interrupt: interrupt,
      output: messages.output, log: messages.warn, onHang: onHang)
    evaluator = Evaluator(
      graph: graph,
      options: Evaluator.Options(
        threads: options.threads, tileSize: options.tileSize, isInterrupted: { interrupt.isRequested },
        makeScratch: Self.makeScratch))
    let library = options.standardLibrary
    modules = LuaModules(root: root, standardLibraryPaths: library.paths) { library.text(of: $0) }
    let saver = Saver()
    context = ScriptContext(
      graph: graph, evaluator: evaluator, seed: options.seed, methodNames: library.methodNames,
      moduleExists: { path in
        library.text(of: "\(path).lua") != nil || ScriptFile.exists("\(path).lua", in: root)
      },
      save: { model, path, options in try saver.host?.save(model, path, options) })
    saver.host = self
    unowned let lua = lua
    graph.charge = { try lua.charge($0) }
    graph.discharge = { lua.discharge($0) }
    try install()
  }

  deinit {
    evaluator.cancel()
    lua.close()
    // Models outlive the state for a moment, and with them their nodes.
    graph.charge = { _ in }
    graph.discharge = { _ in }
  }

  private final class Saver {
    weak var host: ScriptHost?
  }

  private func install() throws {
    try TensorBinding.makeType(in: lua, context)
    try ModelBinding.makeType(in: lua, context)
    try VocabularyBinding.makeType(in: lua, context)
    try modules.install(in: lua)
    try lua.withBalancedStack {
      try CoreModule.push(to: lua, context)
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

  /// Runs a recipe and gives the model that it returns.
  package func run(path: String) throws -> any LazyModel {
    let text = try ScriptFile.read(path)
    recipePath = FilePath(path)
    recipe = ModelWriter.Recipe(
      fileName: "recipe.lua", text: String(decoding: text, as: UTF8.self), language: .lua,
      modules: { [modules] in modules.userFiles })
    return try run(text, name: path)
  }

  /// Runs the recipe that a config was translated into, and gives the model that it returns.
  ///
  /// It is the config that is kept beside the model.
  ///
  /// - Parameters:
  ///   - recipe: The Lua text.
  ///   - name: What errors call it.
  ///   - config: The config's text.
  ///   - path: The config's file, which no output may replace.
  ///   - savedName: What the config is called beside the model.
  package func run(
    recipe text: String, name: String, ofConfig config: String, at path: String,
    savedAs savedName: String = "mergekit_config.yml"
  ) throws -> any LazyModel {
    recipePath = FilePath(path)
    recipe = ModelWriter.Recipe(
      fileName: savedName, text: config, language: .yaml,
      modules: { [modules] in modules.userFiles })
    return try run(text.utf8, name: name)
  }

  /// Runs the text of a recipe.
  package func run(_ text: some Sequence<UInt8>, name: String) throws -> any LazyModel {
    try lua.withBalancedStack {
      try lua.load(text, name: name)
      try lua.call(arguments: 0, results: 1)
      guard let handle = lua.object(at: -1, of: context.modelType) else {
        throw LuaError("\(name): a recipe returns a model, this one returned \(describe(-1))")
      }
      return handle.model
    }
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

  // MARK: Output

  /// Writes a model as the options say.
  package func write(_ model: any LazyModel, to path: String) throws {
    try write(
      model, to: path,
      ModelWriter.Options(
        policy: options.policy, dtype: options.dtype, maximumShardBytes: options.maximumShardBytes,
        recipe: recipe, protected: protected, writesModelCard: options.writesModelCard,
        copiesTokenizer: options.copiesTokenizer))
  }

  /// The recipe, and every checkpoint that it opened, used for this output or not.
  private var protected: [FilePath] {
    (recipePath.map { [$0] } ?? [])
      + context.checkpoints.values.flatMap { [$0.checkpoint.directory] + $0.checkpoint.files.map(\.path) }
  }

  private func write(_ model: any LazyModel, to path: String, _ options: ModelWriter.Options) throws {
    let progress = messages.progress
    let writer = ModelWriter(graph: graph, evaluator: evaluator, warn: messages.warn) { progress(path, $0) }
    do {
      try writer.write(model, to: FilePath(path), options: options)
    } catch TensorError.cancelled {
      // If it was a script that was stopped, with the line.
      try lua.checkInterrupt()
      throw LuaError.interrupted
    }
  }

  private func save(_ model: any LazyModel, _ path: String, _ asked: ScriptContext.SaveOptions) throws {
    if options.isDryRun {
      messages.warn("dry run: '\(model.label)' is not saved to \(path)")
      return
    }
    try write(
      model, to: path,
      ModelWriter.Options(
        policy: asked.force ? .replace : options.policy, dtype: asked.dtype ?? options.dtype,
        maximumShardBytes: asked.maximumShardBytes ?? options.maximumShardBytes, recipe: recipe,
        protected: protected, writesModelCard: options.writesModelCard,
        copiesTokenizer: options.copiesTokenizer))
  }

  /// The plan of writing a model, and the files that it reads.
  package func plan(_ model: any LazyModel) throws -> (plan: MergePlan, reads: [FileUse]) {
    let plan = try MergePlan(
      model: model, dtype: options.dtype, maximumShardBytes: options.maximumShardBytes)
    return (plan, try MergePlan.filesRead(by: model, graph: graph))
  }
}
