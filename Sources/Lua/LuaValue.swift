import CLua
import CLuaBridge

/// The types of Lua.
package enum LuaKind: Int32, Sendable, CustomStringConvertible {
  case none = -1
  case `nil` = 0
  case boolean = 1
  case lightUserdata = 2
  case number = 3
  case string = 4
  case table = 5
  case function = 6
  case userdata = 7
  case thread = 8

  /// The name that scripts know, or `no value` for an argument that is not there.
  package var description: String {
    switch self {
    case .none: "no value"
    case .nil: "nil"
    case .boolean: "boolean"
    case .lightUserdata, .userdata: "userdata"
    case .number: "number"
    case .string: "string"
    case .table: "table"
    case .function: "function"
    case .thread: "thread"
    }
  }
}

/// A Lua value in Swift.
package enum LuaValue: Sendable {
  case `nil`
  case boolean(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case table(LuaReference)
  case function(LuaReference)
  /// A userdata or a coroutine.
  case other(LuaReference)

  package var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }

  /// The value of an integer, or of a float that is one.
  package var integer: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  package var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  package var string: String? { if case .string(let value) = self { value } else { nil } }

  package var table: LuaReference? { if case .table(let value) = self { value } else { nil } }

  package var function: LuaReference? { if case .function(let value) = self { value } else { nil } }

  package var isNil: Bool { if case .nil = self { true } else { false } }
}

/// A Swift value that has a Lua value.
package protocol LuaPushable {
  /// Pushes exactly one value. Throws only if Lua's stack is full, or a reference's state is closed.
  func pushValue(to lua: LuaState) throws
}

extension Bool: LuaPushable {
  package func pushValue(to lua: LuaState) throws {
    try lua.reserve(1)
    lua_pushboolean(lua.pointer, self ? 1 : 0)
  }
}

extension Int: LuaPushable {
  package func pushValue(to lua: LuaState) throws {
    try lua.reserve(1)
    lua_pushinteger(lua.pointer, lua_Integer(self))
  }
}

extension Double: LuaPushable {
  package func pushValue(to lua: LuaState) throws {
    try lua.reserve(1)
    lua_pushnumber(lua.pointer, self)
  }
}

extension String: LuaPushable {
  package func pushValue(to lua: LuaState) throws {
    try lua.reserve(1)
    var text = self
    text.withUTF8 { bytes in
      // An empty string may have no address.
      _ = bytes.withMemoryRebound(to: CChar.self) { lua_pushlstring(lua.pointer, $0.baseAddress, $0.count) }
    }
  }
}

extension Optional: LuaPushable where Wrapped: LuaPushable {
  package func pushValue(to lua: LuaState) throws {
    if let self { try self.pushValue(to: lua) } else { try lua.pushNil() }
  }
}

/// A sequence from 1.
extension Array: LuaPushable where Element: LuaPushable {
  package func pushValue(to lua: LuaState) throws {
    try lua.createTable(elements: count)
    for (index, element) in enumerated() {
      try element.pushValue(to: lua)
      lua_rawseti(lua.pointer, -2, lua_Integer(index + 1))
    }
  }
}

extension Dictionary: LuaPushable where Key == String, Value: LuaPushable {
  package func pushValue(to lua: LuaState) throws {
    try lua.createTable(fields: count)
    for (key, value) in self { try lua.setField(key, to: value, at: -1) }
  }
}

extension LuaReference: LuaPushable {}

extension LuaValue: LuaPushable {
  package func pushValue(to lua: LuaState) throws {
    switch self {
    case .nil: try lua.pushNil()
    case .boolean(let value): try lua.push(value)
    case .integer(let value): try lua.push(value)
    case .number(let value): try lua.push(value)
    case .string(let value): try lua.push(value)
    case .table(let value), .function(let value), .other(let value): try lua.push(value)
    }
  }
}
