import Basics
import CLua
import CLuaBridge

/// One call of a Swift function by Lua: its arguments and results.
///
///     { call in try call.result(call.string(1) + "s") }
///
/// Arguments are at the stack indices from 1 to `count`. Those read here are checked; an error says
/// `bad argument #1 to 'abs' (number expected, got nil)`. Valid until the function returns.
package struct LuaCall {
  /// The state that calls.
  package let lua: LuaState
  /// The count of arguments.
  package let count: Int
  private let index: Int

  init(lua: LuaState, index: Int) {
    self.lua = lua
    self.index = index
    count = lua.top
  }

  /// The function's name.
  package var name: String { lua.functions[index].name }

  // MARK: Arguments

  /// Whether an argument is missing or nil.
  package func isAbsent(_ argument: Int) -> Bool {
    let kind = kind(argument)
    return kind == .none || kind == .nil
  }

  /// The type of an argument; `.none` if it is missing.
  package func kind(_ argument: Int) -> LuaKind { argument > count ? .none : lua.kind(at: argument) }

  package func boolean(_ argument: Int) throws -> Bool {
    guard argument <= count, let value = lua.boolean(at: argument) else {
      throw typeError(argument, "boolean")
    }
    return value
  }

  /// An integer, or a float that is one.
  package func integer(_ argument: Int) throws -> Int {
    if argument <= count, let value = lua.integer(at: argument) { return value }
    throw kind(argument) == .number
      ? argumentError(argument, "number has no integer representation") : typeError(argument, "number")
  }

  package func number(_ argument: Int) throws -> Double {
    guard argument <= count, let value = lua.number(at: argument) else { throw typeError(argument, "number") }
    return value
  }

  package func string(_ argument: Int) throws -> String {
    guard argument <= count, let value = lua.string(at: argument) else { throw typeError(argument, "string") }
    return value
  }

  /// Checks that the argument is a table; returns its stack index.
  @discardableResult
  package func table(_ argument: Int) throws -> Int {
    guard kind(argument) == .table else { throw typeError(argument, "table") }
    return argument
  }

  package func function(_ argument: Int) throws -> LuaReference {
    guard kind(argument) == .function else { throw typeError(argument, "function") }
    return try lua.reference(at: argument)
  }

  /// Any value, nil if it is missing.
  package func value(_ argument: Int) throws -> LuaValue {
    argument > count ? .nil : try lua.value(at: argument)
  }

  /// `nil` if the argument is missing or nil, otherwise what `read` makes of it:
  /// `call.optional(2, call.number)`.
  package func optional<Value>(_ argument: Int, _ read: (Int) throws -> Value) throws -> Value? {
    isAbsent(argument) ? nil : try read(argument)
  }

  // MARK: Errors

  /// `bad argument #1 to 'narrow' (dimension 3 of 2)`.
  package func argumentError(_ argument: Int, _ message: DiagnosticMessage) -> LuaError {
    guard bridge_called_as_method(lua.pointer) else {
      return LuaError("bad argument #\(argument) to '\(name)' (\(message))")
    }
    // As Lua counts: the object before the colon is no argument.
    return argument == 1
      ? LuaError("calling '\(name)' on bad self (\(message))")
      : LuaError("bad argument #\(argument - 1) to '\(name)' (\(message))")
  }

  /// `bad argument #1 to 'abs' (number expected, got nil)`.
  package func typeError(_ argument: Int, _ expected: String) -> LuaError {
    let found = argument > count ? LuaKind.none.description : lua.typeName(at: argument)
    return argumentError(argument, "\(expected) expected, got \(found)")
  }

  // MARK: Results

  /// Pushes the one result: `return try call.result(3)`.
  package func result(_ value: some LuaPushable) throws -> Int {
    try lua.push(value)
    return 1
  }

  /// Pushes several results.
  package func results(_ values: any LuaPushable...) throws -> Int {
    for value in values { try lua.push(value) }
    return values.count
  }
}
