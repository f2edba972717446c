import CLua
import CLuaBridge

/// The stack: indices count from 1 in a call's frame, negative ones from the top. None of these runs a
/// metamethod.
extension LuaState {
  /// Makes room. Throws if Lua's stack is full, which takes a recursion without end.
  package func reserve(_ slots: Int) throws {
    guard lua_checkstack(pointer, Int32(clamping: slots)) != 0 else { throw LuaError("stack overflow") }
  }

  /// The count of values in the frame.
  package var top: Int { Int(lua_gettop(pointer)) }

  /// Drops values from the top.
  package func pop(_ count: Int = 1) { bridge_pop(pointer, Int32(count)) }

  /// Runs `body` and drops what it left on the stack, even if it throws.
  package func withBalancedStack<Result>(_ body: () throws -> Result) throws -> Result {
    let top = lua_gettop(pointer)
    defer { lua_settop(pointer, top) }
    return try body()
  }

  /// An index that stays right when more is pushed.
  package func absolute(_ index: Int) -> Int { Int(lua_absindex(pointer, Int32(index))) }

  // MARK: Pushing

  /// Pushes a value.
  package func push(_ value: some LuaPushable) throws { try value.pushValue(to: self) }

  /// Pushes nil.
  package func pushNil() throws {
    try reserve(1)
    lua_pushnil(pointer)
  }

  /// Pushes a copy of the value at `index`.
  package func pushCopy(of index: Int) throws {
    try reserve(1)
    lua_pushvalue(pointer, Int32(index))
  }

  /// Pushes a string of bytes that need not be text.
  package func push(bytes: UnsafeRawBufferPointer) throws {
    try reserve(1)
    lua_pushlstring(pointer, bytes.assumingMemoryBound(to: CChar.self).baseAddress, bytes.count)
  }

  /// Pushes a new table with room for so many elements and fields.
  package func createTable(elements: Int = 0, fields: Int = 0) throws {
    try reserve(3)
    lua_createtable(pointer, Int32(clamping: elements), Int32(clamping: fields))
  }

  /// Pushes a function that runs `body`. Its name stands in messages about its arguments.
  ///
  /// The state keeps `body` until it is closed: for functions made once, not once a call.
  package func pushFunction(_ name: String, _ body: @escaping LuaFunction) throws {
    try reserve(2)
    functions.append((name, body))
    bridge_push_function(pointer, Int32(functions.count - 1))
  }

  /// Replaces the function on top by one that does the same and keeps its caller on the stack while it runs.
  ///
  /// For functions of a library that scripts call: in `return f()` Lua drops the script's frame before it
  /// enters a Lua function, and messages could not name the line.
  package func makeEntryPoint() throws {
    guard kind(at: -1) == .function else { throw LuaError("function expected, got \(typeName(at: -1))") }
    bridge_make_entry_point(pointer)
  }

  // MARK: Reading

  /// The type of a value; `.none` beyond the top.
  package func kind(at index: Int) -> LuaKind { LuaKind(rawValue: lua_type(pointer, Int32(index))) ?? .none }

  /// The type as messages name it: that of a userdata is its own name.
  package func typeName(at index: Int) -> String {
    guard bridge_to_userdata(pointer, Int32(index)) != nil, (try? reserve(2)) != nil,
      lua_getmetatable(pointer, Int32(index)) != 0
    else { return kind(at: index).description }
    defer { pop() }
    return (try? field("__name", at: -1))?.string ?? kind(at: index).description
  }

  /// Whether a value counts as true: all do but nil and false.
  package func isTruthy(at index: Int) -> Bool { lua_toboolean(pointer, Int32(index)) != 0 }

  package func boolean(at index: Int) -> Bool? {
    kind(at: index) == .boolean ? isTruthy(at: index) : nil
  }

  /// The value of an integer, or of a float that is one; no string is converted.
  package func integer(at index: Int) -> Int? {
    guard lua_type(pointer, Int32(index)) == LUA_TNUMBER else { return nil }
    var isInteger: Int32 = 0
    let value = lua_tointegerx(pointer, Int32(index), &isInteger)
    return isInteger != 0 ? Int(value) : nil
  }

  /// The value of a number; no string is converted.
  package func number(at index: Int) -> Double? {
    guard lua_type(pointer, Int32(index)) == LUA_TNUMBER else { return nil }
    return lua_tonumberx(pointer, Int32(index), nil)
  }

  /// The text of a string, invalid UTF-8 repaired; no number is converted.
  package func string(at index: Int) -> String? {
    withBytes(at: index) { String(decoding: $0, as: UTF8.self) }
  }

  /// The bytes of a string, valid within `body`; `nil` if it is none.
  package func withBytes<Result>(
    at index: Int, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result? {
    guard lua_type(pointer, Int32(index)) == LUA_TSTRING else { return nil }
    var length = 0
    let bytes = lua_tolstring(pointer, Int32(index), &length)
    return try body(UnsafeRawBufferPointer(start: bytes, count: length))
  }

  /// The value, with a reference where it is no plain one. Throws if Lua's stack is full.
  package func value(at index: Int) throws -> LuaValue {
    switch kind(at: index) {
    case .none, .nil: .nil
    case .boolean: .boolean(isTruthy(at: index))
    case .number:
      lua_isinteger(pointer, Int32(index)) != 0
        ? .integer(Int(lua_tointegerx(pointer, Int32(index), nil)))
        : .number(lua_tonumberx(pointer, Int32(index), nil))
    case .string: .string(string(at: index) ?? "")
    case .table: .table(try reference(at: index))
    case .function: .function(try reference(at: index))
    case .lightUserdata, .userdata, .thread: .other(try reference(at: index))
    }
  }

  // MARK: Tables

  /// The length of a sequence; 0 for other than tables.
  package func length(at index: Int) -> Int {
    kind(at: index) == .table ? Int(clamping: lua_rawlen(pointer, Int32(index))) : 0
  }

  /// Pushes a field of a table, or nil.
  @discardableResult
  package func pushField(_ name: String, at index: Int) throws -> LuaKind {
    guard kind(at: index) == .table else {
      try pushNil()
      return .nil
    }
    let table = absolute(index)
    try push(name)
    return LuaKind(rawValue: lua_rawget(pointer, Int32(table))) ?? .nil
  }

  /// Pushes an element of a table, counted from 1, or nil.
  @discardableResult
  package func pushElement(_ element: Int, at index: Int) throws -> LuaKind {
    try reserve(1)
    guard kind(at: index) == .table else {
      try pushNil()
      return .nil
    }
    return LuaKind(rawValue: lua_rawgeti(pointer, Int32(index), lua_Integer(element))) ?? .nil
  }

  /// A field of a table; nil for other than tables.
  package func field(_ name: String, at index: Int) throws -> LuaValue {
    try pushField(name, at: index)
    defer { pop() }
    return try value(at: -1)
  }

  /// An element of a table, counted from 1; nil for other than tables.
  package func element(_ element: Int, at index: Int) throws -> LuaValue {
    try pushElement(element, at: index)
    defer { pop() }
    return try value(at: -1)
  }

  /// Sets a field of the table at `index` to the value on top, and pops that.
  package func setField(_ name: String, at index: Int) throws {
    precondition(kind(at: index) == .table, "no table at this stack index")
    let table = absolute(index)
    try push(name)
    lua_rotate(pointer, -2, 1)
    lua_rawset(pointer, Int32(table))
  }

  /// Sets a field of the table at `index`.
  package func setField(_ name: String, to value: some LuaPushable, at index: Int) throws {
    let table = absolute(index)
    try push(value)
    try setField(name, at: table)
  }

  /// Sets an element of the table at `index`, counted from 1, to the value on top, and pops that.
  package func setElement(_ element: Int, at index: Int) throws {
    precondition(kind(at: index) == .table, "no table at this stack index")
    lua_rawseti(pointer, Int32(index), lua_Integer(element))
  }

  /// Runs `body` for each pair of the table at `index`, in the order of `pairs`: key at -2, value at -1.
  ///
  /// `body` may push, call Lua, and change the table; a key that is gone by its turn is passed over.
  ///
  ///     try lua.forEachPair(at: 1) { options[lua.string(at: -2) ?? ""] = lua.number(at: -1) }
  package func forEachPair(at index: Int, _ body: () throws -> Void) throws {
    guard kind(at: index) == .table else { return }
    try withBalancedStack {
      let table = absolute(index)
      try reserve(16)
      let count = bridge_push_sorted_keys(pointer, Int32(table))
      let keys = top
      let isSequence = kind(at: keys) == .nil
      guard count > 0 else { return }
      for position in 1...count {
        if isSequence {
          lua_pushinteger(pointer, position)
        } else {
          lua_rawgeti(pointer, Int32(keys), position)
        }
        lua_pushvalue(pointer, -1)
        if lua_rawget(pointer, Int32(table)) != LUA_TNIL { try body() }
        lua_settop(pointer, Int32(keys))
      }
    }
  }

  /// Runs `body` for each element of the sequence at `index`: its number is given, its value at -1.
  package func forEachElement(at index: Int, _ body: (Int) throws -> Void) throws {
    let count = length(at: index)
    guard count > 0 else { return }
    try withBalancedStack {
      let table = absolute(index)
      let top = lua_gettop(pointer)
      for element in 1...count {
        guard try pushElement(element, at: table) != .nil else {
          throw LuaError("element \(element) of a list of \(count) is nil")
        }
        try body(element)
        lua_settop(pointer, top)
      }
    }
  }

  /// Gives the table at `index` a metatable, a table.
  package func setMetatable(_ metatable: LuaReference, at index: Int) throws {
    precondition(kind(at: index) == .table, "no table at this stack index")
    let table = absolute(index)
    try push(metatable)
    lua_setmetatable(pointer, Int32(table))
  }

  // MARK: Globals

  /// A global variable.
  package func global(_ name: String) throws -> LuaValue {
    try withBalancedStack {
      try pushGlobals()
      return try field(name, at: -1)
    }
  }

  /// Sets a global variable.
  package func setGlobal(_ name: String, to value: some LuaPushable) throws {
    try withBalancedStack {
      try pushGlobals()
      try setField(name, to: value, at: -1)
    }
  }

  /// Sets a global variable to a function that runs `body`.
  package func setGlobal(function name: String, _ body: @escaping LuaFunction) throws {
    try withBalancedStack {
      try pushGlobals()
      try pushFunction(name, body)
      try setField(name, at: -2)
    }
  }

  private func pushGlobals() throws {
    try reserve(4)
    lua_rawgeti(pointer, bridge_registry_index(), lua_Integer(LUA_RIDX_GLOBALS))
  }
}
