import Basics
import Lua
import Merging
import Tensors

/// What all bindings share.
final class ScriptContext {
  let graph: ExpressionGraph
  let evaluator: Evaluator
  let host: HostServices
  let work: ScriptWork

  init(graph: ExpressionGraph, evaluator: Evaluator, seed: UInt64, host: HostServices) {
    self.graph = graph
    self.evaluator = evaluator
    self.host = host
    work = ScriptWork(seed: seed)
  }
}

/// What bindings ask of the host.
struct HostServices {
  /// Of the standard library.
  var methodNames: [String]
  /// Whether `require` finds a module of this name.
  var moduleExists: (String) -> Bool
  /// How models are written unless a script says otherwise.
  var outputOptions: OutputOptions
  /// Tells of a run's events.
  var report: (MergeEvent) -> Void
  /// Writes models from within a script.
  var save: (Output) throws -> Void
  /// Says a warning, with the user's line.
  var warn: (Diagnostic) -> Void
}

/// What of a script's work is under way: the tensor that is being built, and for whom.
final class ScriptWork {
  /// Of all random draws.
  private let seed: UInt64
  /// The tensor whose expression is being built, and the draws made for it.
  private var stream = (name: "", draws: 0)
  /// What runs that must not save models: the evaluator is at work for it.
  private var notSaving: String?
  /// Where the user asked for the model whose tensor is being built; no line of the script's is running then.
  private(set) var position: SourceLocation?

  init(seed: UInt64) { self.seed = seed }

  /// The random stream of the next draw.
  func nextStream() -> RandomStream {
    defer { stream.draws += 1 }
    return RandomStream(seed: seed, name: stream.name, ordinal: stream.draws)
  }

  /// Runs `body` with draws that are numbered by `name`.
  func withStream<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    let outer = stream
    stream = (name, 0)
    defer { stream = outer }
    return try body()
  }

  /// Runs `body` for a model that the user asked for at `position`.
  func at<Result>(_ position: SourceLocation?, _ body: () throws -> Result) rethrows -> Result {
    let outer = self.position
    self.position = position
    defer { self.position = outer }
    return try body()
  }

  /// Runs `body`, within which models are not saved; `what` says what it is.
  func notSaving<Result>(_ what: String, _ body: () throws -> Result) rethrows -> Result {
    let outer = notSaving
    notSaving = what
    defer { notSaving = outer }
    return try body()
  }

  /// Throws where models cannot be saved: a failure would take down what is under way outside.
  func requireSaving() throws {
    if let notSaving { throw LuaError("save: not within \(notSaving)") }
  }
}
