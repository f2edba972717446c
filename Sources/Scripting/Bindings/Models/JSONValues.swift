import Basics
import Lua

/// Null is nil, numbers without fraction are integers.
extension JSON: LuaPushable {
  package func pushValue(to lua: LuaState) throws {
    switch self {
    case .null: try lua.pushNil()
    case .bool(let value): try lua.push(value)
    case .number(let literal):
      if let value = Int(literal) { try lua.push(value) } else { try lua.push(doubleValue ?? .nan) }
    case .string(let value): try lua.push(value)
    case .array(let values):
      try lua.createTable(elements: values.count)
      for (index, value) in values.enumerated() {
        try lua.push(value)
        try lua.setElement(index + 1, at: -2)
      }
    case .object(let object):
      try lua.createTable(fields: object.count)
      for (key, value) in object {
        try lua.push(value)
        try lua.setField(key, at: -2)
      }
    }
  }
}
