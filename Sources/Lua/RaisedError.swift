import Basics
import CLua
import CLuaBridge

/// An error of a Swift function while it is on its way through Lua: the value that `pcall` catches.
///
///     local ok, why = pcall(twice, "x")
///     print(why)           -- main.lua:1: bad argument #1 to 'twice' (number expected, got string)
///     print(why.message)   -- the same without the line
package final class RaisedError {
  package let error: LuaError
  private weak var lua: LuaState?
  private let charged: Int

  /// Counts what it holds against the script's limit: Lua sees a few bytes of it alone.
  init(_ error: LuaError, in lua: LuaState) throws {
    self.error = error
    charged = 1024 + (error.traceback?.utf8.count ?? 0)
    try lua.charge(charged)
    self.lua = lua
  }

  deinit { lua?.discharge(charged) }
}

extension LuaState {
  /// The error that a Swift function raised, if it is the value at a stack index.
  package func raisedError(at index: Int) -> LuaError? {
    errorType.flatMap { object(at: index, of: $0)?.error }
  }

  /// Pushes an error as the value that is raised.
  func push(raised error: LuaError) throws {
    guard let errorType else { return try pushNil() }
    try push(object: RaisedError(error, in: self), of: errorType)
  }

  /// Made with the state: where an error is raised, there may be no room for it.
  func makeErrorType() throws -> LuaObjectType<RaisedError> {
    try makeObjectType(
      LuaTypeDefinition(
        name: "error", methods: try stringMethods(), getter: Self.errorField,
        metamethods: [
          "__tostring": { call in try call.result(Self.errorText(call, 1)) },
          "__concat": { call in try call.result(Self.errorText(call, 1) + Self.errorText(call, 2)) },
        ]), of: RaisedError.self)
  }

  /// The methods of strings, on what the error reads as: scripts look at what they catch.
  private func stringMethods() throws -> [String: LuaFunction] {
    let library = try withBalancedStack {
      try reserve(2)
      lua_rawgeti(pointer, bridge_registry_index(), lua_Integer(LUA_RIDX_GLOBALS))
      return try field("string", at: -1).table
    }
    var methods: [String: LuaFunction] = [:]
    for name in ["find", "gmatch", "gsub", "len", "lower", "match", "sub", "upper"] {
      guard let function = try library?.field(name).function else { continue }
      methods[name] = { call in
        let top = call.count
        try call.lua.push(function)
        try call.lua.push(Self.errorText(call, 1))
        if top > 1 { for argument in 2...top { try call.lua.pushCopy(of: argument) } }
        try call.lua.call(arguments: top, results: nil)
        return call.lua.top - top
      }
    }
    return methods
  }

  /// What an operand of `..` reads as.
  private static func errorText(_ call: LuaCall, _ argument: Int) throws -> String {
    let lua = call.lua
    if let error = lua.raisedError(at: argument) { return error.description }
    if let integer = lua.integer(at: argument), lua.kind(at: argument) == .number { return "\(integer)" }
    if let number = lua.number(at: argument) { return "\(number)" }
    guard let text = lua.string(at: argument) else {
      throw LuaError("attempt to concatenate a \(lua.typeName(at: argument)) value")
    }
    return text
  }

  /// Fields of an error, nil where nothing is known.
  private static func errorField(_ call: LuaCall) throws -> Int {
    guard let error = call.lua.raisedError(at: 1) else { return try call.result(LuaValue.nil) }
    let (diagnostic, renderer) = (error.diagnostic, DiagnosticRenderer())
    switch call.lua.string(at: 2) {
    case "message": return try call.result(error.message)
    case "file": return try call.result(error.file)
    case "line": return try call.result(error.line)
    case "key_path":
      return try call.result(diagnostic.keyPath.isEmpty ? nil : diagnostic.keyPath.description)
    case "expected": return try call.result(diagnostic.expected.map { renderer.text($0) })
    case "found": return try call.result(diagnostic.found.map { renderer.text($0) })
    case "suggestion": return try call.result(diagnostic.suggestion?.name)
    case let name:
      throw LuaError("an error has no field \(name: name ?? "?") (tostring makes a text of it)")
    }
  }
}

extension SourceLocation {
  /// A position of the bridge; `nil` if it is none.
  init?(_ position: bridge_position) {
    guard position.line > 0 else { return nil }
    let file = withUnsafeBytes(of: position.file) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    self.init(path: file, line: Int(position.line))
  }
}

extension bridge_position {
  init(_ location: SourceLocation?) {
    self.init()
    guard let location, let line = location.line else { return }
    self.line = Int32(line)
    withUnsafeMutableBytes(of: &file) { bytes in
      bytes.copyBytes(from: Array(location.path.utf8.prefix(bytes.count - 1)))
    }
  }
}
