import Basics

/// An error of a script, or of a Swift function that a script called.
///
/// It holds nothing of the Lua state but `value`, and reads the same after the state is closed.
package struct LuaError: DiagnosableError, DiagnosticCarrier {
  /// What went wrong.
  package enum Kind: Sendable, Hashable {
    /// The text is not Lua.
    case syntax
    /// Raised by the script, by Lua, or by a Swift function.
    case runtime
    /// More memory than `LuaLimits.memoryBytes`.
    case memoryLimit
    /// More instructions than `LuaLimits.instructions`.
    case instructionLimit
    /// More time than `LuaLimits.seconds`.
    case timeLimit
    /// A request through `LuaInterrupt`.
    case interrupted

    /// Whether it stops the state for good: no `pcall` of a script catches it.
    package var isFatal: Bool {
      switch self {
      case .syntax, .runtime: false
      case .memoryLimit, .instructionLimit, .timeLimit, .interrupted: true
      }
    }
  }

  package var kind: Kind
  /// What was wrong, and where: the line in the user's file, as `load` was told its name (long ones shortened by
  /// Lua), if it is known.
  package var diagnostic: Diagnostic
  /// The user's line when it was raised, which `error` may leave out of the text.
  package var raisedAt: SourceLocation?
  /// Lua's stack when the error was raised, innermost call first, if it was raised within a call.
  package var traceback: String?
  /// The error object, if a script raised something other than text; Lua code that the error passes gets it
  /// back.
  package var value: LuaReference?

  /// An error whose location is not known yet: thrown by a Swift function that Lua called, it gets the user's
  /// line.
  package init(_ diagnostic: Diagnostic, kind: Kind = .runtime) {
    self.kind = kind
    self.diagnostic = diagnostic
  }

  package init(_ message: DiagnosticMessage, kind: Kind = .runtime) {
    self.init(Diagnostic(message), kind: kind)
  }

  /// An error in somebody else's words.
  @_disfavoredOverload
  package init(_ text: String, kind: Kind = .runtime) {
    self.init(Diagnostic(.foreign(text)), kind: kind)
  }

  /// An error of Swift code that a script called. A place in a file of data is none in the user's.
  package init(raised error: any Error) {
    var diagnostic = Diagnostic(error)
    if let location = diagnostic.location {
      diagnostic.file = location.description
      diagnostic.location = nil
    }
    self.init(diagnostic)
  }

  /// What was wrong, without the location.
  package var message: String { DiagnosticRenderer().unlocated(diagnostic) }

  /// The user's file, if the location is known.
  package var file: String? { diagnostic.location?.path }

  /// The line in `file`, from 1.
  package var line: Int? { diagnostic.location?.line }

  package func changed(_ change: (Diagnostic) -> Diagnostic) -> any Error {
    guard !kind.isFatal else { return self }
    var error = self
    error.diagnostic = change(diagnostic)
    return error
  }

  /// A Swift function throws it when it finds, while it waits, that the run is to stop.
  package static let interrupted = LuaError("interrupted", kind: .interrupted)
}

// MARK: - Sentences

extension LuaError {
  /// The sentence of a limit that a script ran into.
  static func message(of kind: Kind, limits: LuaLimits) -> String {
    switch kind {
    case .memoryLimit:
      "script used more than its limit of \(describe(bytes: limits.memoryBytes ?? 0)) of memory"
        + (limits.memoryOption.map { " (\($0))" } ?? "")
    case .instructionLimit:
      "script ran more than \(grouped(limits.instructions ?? 0)) instructions: an endless loop?"
    case .timeLimit:
      "the run took longer than its limit of \(seconds(limits.seconds ?? 0))"
        + (limits.secondsOption.map { " (\($0))" } ?? "")
    case .interrupted: "interrupted"
    case .syntax, .runtime: ""
    }
  }

  /// `256 MB`; the largest unit that needs no fraction.
  private static func describe(bytes: Int) -> String {
    let units = [("GB", 1 << 30), ("MB", 1 << 20), ("MB", 1_000_000), ("KB", 1 << 10), ("bytes", 1)]
    let (name, size) = units.first { bytes >= $0.1 && bytes % $0.1 == 0 } ?? ("bytes", 1)
    return "\(grouped(bytes / size)) \(name)"
  }

  /// `1 second`, `2.5 seconds`.
  private static func seconds(_ number: Double) -> String {
    number == 1 ? "1 second" : "\(Int(exactly: number).map(grouped) ?? "\(number)") seconds"
  }

  /// `1,000,000`.
  private static func grouped(_ number: Int) -> String {
    var text = ""
    for (place, digit) in String(number).reversed().enumerated() {
      if place > 0, place % 3 == 0, digit != "-" { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }
}
