import CLua
import CLuaBridge

/// What a type of userdata is made of.
///
///     LuaTypeDefinition(
///       name: "point", methods: ["norm": norm], getter: coordinate, metamethods: ["__add": sum])
package struct LuaTypeDefinition {
  /// The name in messages, and what `getmetatable` gives a script.
  package var name: String
  /// Called as `object:method()`; the object is argument 1.
  package var methods: [String: LuaFunction]
  /// Reads a field that is no method: gets the object and the key, and pushes the value. Without it an
  /// unknown field is an error.
  package var getter: LuaFunction?
  /// `__add`, `__eq`, `__tostring`, `__newindex`…; those that keep the type safe are reserved: `__gc`,
  /// `__index`, `__metatable`, `__name`, `__mode`.
  package var metamethods: [String: LuaFunction]

  package init(
    name: String, methods: [String: LuaFunction] = [:], getter: LuaFunction? = nil,
    metamethods: [String: LuaFunction] = [:]
  ) {
    self.name = name
    self.methods = methods
    self.getter = getter
    self.metamethods = metamethods
  }

  fileprivate static let reserved: Set<String> = [
    "__gc", "__index", "__metatable", "__name", "__mode", "__close",
  ]
}

/// A type of userdata.
package protocol LuaUserdataType {
  /// Its number in the state.
  var index: Int { get }
  /// The name in messages.
  var name: String { get }
}

/// A type whose userdata hold a number, such as an index into an arena, and no Swift object.
package struct LuaHandleType: LuaUserdataType, Sendable {
  package let index: Int
  /// The name in messages.
  package let name: String
}

/// A type whose userdata hold a Swift object.
package struct LuaObjectType<Object: AnyObject>: LuaUserdataType, Sendable {
  package let index: Int
  /// The name in messages.
  package let name: String
}

extension LuaState {
  /// Makes a type of userdata that hold numbers.
  ///
  /// - Parameter release: Gets the number of each userdata once, when it was collected or the state is
  ///   closed. It runs within whatever allocates in Lua, pushing included, and may use the state for
  ///   `discharge` only.
  package func makeHandleType(
    _ definition: LuaTypeDefinition, release: @escaping (LuaState, UInt64) -> Void
  ) throws -> LuaHandleType {
    LuaHandleType(index: try register(definition, release: release), name: definition.name)
  }

  /// Makes a type of userdata that hold objects of a Swift class.
  package func makeObjectType<Object: AnyObject>(
    _ definition: LuaTypeDefinition, of type: Object.Type
  ) throws -> LuaObjectType<Object> {
    let index = try register(definition) { _, payload in
      Unmanaged<Object>.fromPayload(payload).release()
    }
    return LuaObjectType(index: index, name: definition.name)
  }

  /// Adds methods to a type, for its userdata that are there as well as for new ones.
  ///
  ///     try lua.addMethods(["trace": { call in … }], to: matrixType)
  package func addMethods(_ methods: [String: LuaFunction], to type: some LuaUserdataType) throws {
    try withBalancedStack {
      try reserve(4)
      lua_rawgeti(pointer, bridge_registry_index(), lua_Integer(types[type.index].methods))
      for (name, body) in methods {
        precondition(types[type.index].methodNames.insert(name).inserted, "\(type.name) has a method \(name)")
        try pushFunction(name, body)
        try setField(name, at: -2)
      }
    }
  }

  /// The names of a type's methods.
  package func methodNames(of type: some LuaUserdataType) -> Set<String> { types[type.index].methodNames }

  /// Pushes a new userdata, which from now on owns what the handle stands for.
  package func push(handle: UInt64, of type: LuaHandleType) throws {
    try reserve(2)
    bridge_push_userdata(pointer, types[type.index].metatable, UInt32(type.index), handle)
  }

  /// Pushes a new userdata that retains the object.
  package func push<Object>(object: Object, of type: LuaObjectType<Object>) throws {
    try reserve(2)
    let payload = UInt64(UInt(bitPattern: Unmanaged.passRetained(object).toOpaque()))
    bridge_push_userdata(pointer, types[type.index].metatable, UInt32(type.index), payload)
  }

  /// The handle in the userdata at a stack index; `nil` for every other value.
  package func handle(at index: Int, of type: LuaHandleType) -> UInt64? {
    payload(at: index, type: type.index)
  }

  /// The object in the userdata at a stack index; `nil` for every other value.
  package func object<Object>(at index: Int, of type: LuaObjectType<Object>) -> Object? {
    payload(at: index, type: type.index).map { Unmanaged.fromPayload($0).takeUnretainedValue() }
  }

  private func payload(at index: Int, type: Int) -> UInt64? {
    guard let userdata = bridge_to_userdata(pointer, Int32(index)), Int(userdata.pointee.type) == type else {
      return nil
    }
    return userdata.pointee.payload
  }

  private func register(
    _ definition: LuaTypeDefinition, release: @escaping (LuaState, UInt64) -> Void
  ) throws -> Int {
    try withBalancedStack {
      try reserve(16)
      try createTable(fields: definition.methods.count)
      for (name, body) in definition.methods {
        try pushFunction(name, body)
        try setField(name, at: -2)
      }
      try pushCopy(of: -1)
      let methods = luaL_ref(pointer, bridge_registry_index())
      var getter: Int32 = -1
      if let body = definition.getter {
        functions.append((definition.name, body))
        getter = Int32(functions.count - 1)
      }
      bridge_push_metatable(pointer, definition.name, getter)
      for (name, body) in definition.metamethods {
        precondition(!LuaTypeDefinition.reserved.contains(name), "\(name) is reserved")
        try pushFunction(name, body)
        try setField(name, at: -2)
      }
      let metatable = luaL_ref(pointer, bridge_registry_index())
      types.append(
        UserdataType(
          metatable: metatable, methods: methods, methodNames: Set(definition.methods.keys), release: release)
      )
      return types.count - 1
    }
  }
}

extension LuaCall {
  /// The handle in an argument of this type.
  package func handle(_ argument: Int, of type: LuaHandleType) throws -> UInt64 {
    guard argument <= count, let handle = lua.handle(at: argument, of: type) else {
      throw typeError(argument, type.name)
    }
    return handle
  }

  /// The object in an argument of this type.
  package func object<Object>(_ argument: Int, of type: LuaObjectType<Object>) throws -> Object {
    guard argument <= count, let object = lua.object(at: argument, of: type) else {
      throw typeError(argument, type.name)
    }
    return object
  }

  /// Pushes the one result, a new userdata.
  package func result(handle: UInt64, of type: LuaHandleType) throws -> Int {
    try lua.push(handle: handle, of: type)
    return 1
  }

  /// Pushes the one result, a new userdata.
  package func result<Object>(object: Object, of type: LuaObjectType<Object>) throws -> Int {
    try lua.push(object: object, of: type)
    return 1
  }
}

extension Unmanaged {
  fileprivate static func fromPayload(_ payload: UInt64) -> Self {
    fromOpaque(UnsafeRawPointer(bitPattern: UInt(payload))!)
  }
}
