import Basics

extension LuaState {
  /// A Lua value as JSON: a table with elements is an array, any other an object. Errors name it by `path`.
  package func json(at index: Int, _ path: String, depth: Int = 0) throws -> JSON {
    guard depth < 32 else { throw LuaError("\(path): tables nest more than 32 deep") }
    switch kind(at: index) {
    case .boolean: return .bool(isTruthy(at: index))
    case .string: return .string(string(at: index) ?? "")
    case .number:
      if case .integer(let value) = try value(at: index) { return JSON(value) }
      let value = number(at: index) ?? .nan
      guard value.isFinite else { throw LuaError("\(path): finite number expected, got \(value)") }
      return JSON(value)
    case .table:
      let table = absolute(index)
      if length(at: table) > 0 {
        var elements: [JSON] = []
        try forEachElement(at: table) {
          elements.append(try json(at: -1, "\(path)[\($0)]", depth: depth + 1))
        }
        return .array(elements)
      }
      var object = JSONObject()
      try forEachPair(at: table) {
        guard kind(at: -2) == .string, let key = string(at: -2) else {
          throw LuaError("\(path): names as keys expected")
        }
        object[key] = try json(at: -1, "\(path).\(key)", depth: depth + 1)
      }
      return .object(object)
    default: throw LuaError("\(path): a value of JSON expected, got \(typeName(at: index))")
    }
  }
}
