import Basics
import Lua

/// Diagnostics as the Lua half of the API writes them.
extension LuaCall {
  /// A diagnostic from a message and a place.
  ///
  /// The message is text; a list of parts, with `suggestion`; or an error that was caught, whose location is that of
  /// the call from now on. A part is text, or a value that is not to be taken for ours: `{ value = … }`, `{ model = … }`,
  /// `{ tensor = … }`, `{ name = … }`. The place is that of a value, `{ call =, path = }`, or words.
  func diagnostic(_ argument: Int, place: Int) throws -> Diagnostic {
    var diagnostic = try message(argument, isPlaced: kind(place) != .none && kind(place) != .nil)
    switch kind(place) {
    case .none, .nil: break
    case .table:
      diagnostic.function = try lua.field("call", at: place).string ?? diagnostic.function
      diagnostic = diagnostic.under(KeyPath(parsing: try lua.field("path", at: place).string ?? ""))
    default:
      let words = try string(place)
      diagnostic = diagnostic.following("\(foreign: words): ")
    }
    return diagnostic
  }

  private func message(_ argument: Int, isPlaced: Bool) throws -> Diagnostic {
    if let raised = lua.raisedError(at: argument) {
      var diagnostic = raised.diagnostic
      diagnostic.location = nil
      guard isPlaced else { return diagnostic }
      // What it was about in the call that raised it says nothing of the place.
      let path = diagnostic.keyPath.isEmpty ? nil : diagnostic.keyPath.description
      for context in [path, diagnostic.function, diagnostic.file] {
        if let context { diagnostic = diagnostic.following("\(context): ") }
      }
      (diagnostic.keyPath, diagnostic.function, diagnostic.file) = (KeyPath(), nil, nil)
      return diagnostic
    }
    guard kind(argument) == .table else { return Diagnostic(.foreign(try string(argument))) }
    var message = DiagnosticMessage()
    try lua.forEachElement(at: argument) { _ in message += try part(at: lua.absolute(-1)) }
    return Diagnostic(message).suggesting(try lua.field("suggestion", at: argument).string)
  }

  private func part(at index: Int) throws -> DiagnosticMessage {
    if let raised = lua.raisedError(at: index) { return .foreign(raised.message) }
    guard lua.kind(at: index) == .table else { return .foreign(lua.string(at: index) ?? "?") }
    if let model = try lua.field("model", at: index).string { return "\(model: model)" }
    if let tensor = try lua.field("tensor", at: index).string { return "\(tensor: tensor)" }
    if let name = try lua.field("name", at: index).string { return "\(name: name)" }
    return try lua.withBalancedStack {
      try lua.pushField("value", at: index)
      let value = try value(at: lua.absolute(-1))
      return "\(value: value)"
    }
  }

  private func value(at index: Int) throws -> DiagnosticValue {
    switch lua.kind(at: index) {
    case .boolean: return .boolean(lua.isTruthy(at: index))
    case .number:
      return lua.integer(at: index).map(DiagnosticValue.integer) ?? .number(lua.number(at: index) ?? 0)
    case .string: return .text(lua.string(at: index) ?? "")
    case .table:
      var list: [DiagnosticValue] = []
      try lua.forEachElement(at: index) { _ in list.append(try value(at: lua.absolute(-1))) }
      return .list(list)
    default: return .null
    }
  }
}

extension Diagnostic {
  /// The same fault with words before it.
  fileprivate func following(_ words: DiagnosticMessage) -> Diagnostic {
    var diagnostic = self
    if message.isEmpty, let expected {
      diagnostic.message = "expected " + expected
      if let found { diagnostic.message += ", found " + found }
      (diagnostic.expected, diagnostic.found) = (nil, nil)
    }
    diagnostic.message = words + diagnostic.message
    return diagnostic
  }
}
