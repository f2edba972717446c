/// An error of a script, or of a Swift function that a script called.
///
/// It holds nothing of the Lua state but `value`, and reads the same after the state is closed.
package struct LuaError: Error, CustomStringConvertible {
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
  /// What was wrong, without the place.
  package var message: String
  /// The user's file, as `load` was told its name (long ones shortened by Lua), if the place is known.
  package var file: String?
  /// The line in `file`, from 1.
  package var line: Int?
  /// Lua's stack when the error was raised, innermost call first, if it was raised within a call.
  package var traceback: String?
  /// The error object, if a script raised something other than text; Lua code that the error passes gets it
  /// back.
  package var value: LuaReference?

  /// An error whose place is not known yet: thrown by a Swift function that Lua called, it gets the user's
  /// line.
  package init(_ message: String, kind: Kind = .runtime) {
    self.kind = kind
    self.message = message
  }

  /// An error with Lua's own text, which begins with `file:line: ` where Lua knows the place.
  init(luaMessage: String, kind: Kind, traceback: String? = nil) {
    let (place, message) = Self.split(luaMessage)
    self.init(message, kind: kind)
    self.traceback = traceback
    setPosition(place)
  }

  /// A Swift function throws it when it finds, while it waits, that the run is to stop.
  package static let interrupted = LuaError("interrupted", kind: .interrupted)

  /// `main.lua:12: message`.
  package var description: String {
    guard let file, let line else { return message }
    return "\(file):\(line): \(message)"
  }

  /// Sets `file` and `line` from `file:line`; leaves them if that is not what it is.
  package mutating func setPosition(_ position: some StringProtocol) {
    guard let colon = position.lastIndex(of: ":"), colon != position.startIndex,
      let line = Int(position[position.index(after: colon)...])
    else { return }
    self.file = String(position[..<colon])
    self.line = line
  }

  /// `main.lua:12: message` in its two parts; the first is empty if there is no place.
  private static func split(_ text: String) -> (place: Substring, message: String) {
    var searched = text.startIndex
    while let colon = text[searched...].firstIndex(of: ":"), !text[..<colon].contains("\n") {
      let digits = text[text.index(after: colon)...].prefix { $0.isASCII && $0.isNumber }
      let rest = text[digits.endIndex...]
      if !digits.isEmpty, colon != text.startIndex, rest.hasPrefix(": ") {
        return (text[..<digits.endIndex], String(rest.dropFirst(2)))
      }
      searched = text.index(after: colon)
    }
    return ("", text)
  }
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
