/// A value of a recipe, before it is laid out on lines.
indirect enum LuaValue: Sendable {
  /// Lua text: a number, a quoted string, a name. It may have several lines, which stay as they are.
  case code(String)
  /// Lua text of several lines, which may be indented.
  case lines([String])
  case table([LuaEntry])
  /// A table that has each of its entries on a line of its own, however short.
  case block([LuaEntry])

  /// A string.
  static func string(_ text: String) -> LuaValue { .code(luaString(text)) }
}

/// A field or a list entry of a table.
struct LuaEntry: Sendable {
  /// The field's name; nil for an entry of the list.
  var key: String?
  var value: LuaValue
  /// What in the config made it.
  var place: Place?
}

extension LuaEntry {
  /// `{ first, last }` and the like.
  static func item(_ value: LuaValue, _ place: Place?) -> LuaEntry {
    LuaEntry(key: nil, value: value, place: place)
  }

  static func field(_ key: String, _ value: LuaValue, _ place: Place?) -> LuaEntry {
    LuaEntry(key: key, value: value, place: place)
  }
}
