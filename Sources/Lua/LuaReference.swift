import CLua
import CLuaBridge
import Synchronization

/// What references know of their state: whether it is still there, and where to leave what they release.
final class LuaReferenceOwner: @unchecked Sendable {
  // Unchecked: `state` is touched by the state's thread only; the list is behind a lock.
  unowned(unsafe) var state: LuaState?
  /// Slots whose reference is gone, perhaps on another thread; the state frees them when it makes a new one.
  let released = Mutex<[Int32]>([])

  init(state: LuaState) { self.state = state }
}

/// A Lua value kept alive by Swift, such as a function or a table.
///
/// Use it on the thread of its state only. It may be dropped on any thread, and outlive the state: then it
/// refers to nothing. A reference that a userdata's own Swift object holds keeps both alive until the state
/// is closed.
package final class LuaReference: @unchecked Sendable {
  // Unchecked: a value of this type gets to another thread only within an error, and is just dropped there.
  private let owner: LuaReferenceOwner
  private let slot: Int32

  init(owner: LuaReferenceOwner, slot: Int32) {
    self.owner = owner
    self.slot = slot
  }

  deinit {
    owner.released.withLock { $0.append(slot) }
  }

  package func pushValue(to lua: LuaState) throws {
    guard try openState() === lua else { throw LuaError("a Lua value is used in another state than its own") }
    try lua.reserve(1)
    lua_rawgeti(lua.pointer, bridge_registry_index(), lua_Integer(slot))
  }

  /// Calls the function that it refers to and returns the first result.
  ///
  /// Throws `LuaError`: what the function raises, a limit, or that this is no function.
  package func call(_ arguments: any LuaPushable...) throws -> LuaValue {
    let lua = try openState()
    return try lua.withBalancedStack {
      try lua.push(self)
      for argument in arguments { try lua.push(argument) }
      try lua.call(arguments: arguments.count, results: 1)
      return try lua.value(at: -1)
    }
  }

  /// The field of the table that it refers to, read without metamethods; `nil` for any other value.
  package func field(_ name: String) throws -> LuaValue {
    let lua = try openState()
    return try lua.withBalancedStack {
      try lua.push(self)
      return try lua.field(name, at: -1)
    }
  }

  private func openState() throws -> LuaState {
    guard let state = owner.state else { throw LuaError("a Lua value is used after its state was closed") }
    return state
  }
}

extension LuaState {
  /// Pops the value on top of the stack and keeps it.
  package func popReference() -> LuaReference {
    let released = referenceOwner.released.withLock { slots in
      defer { slots.removeAll() }
      return slots
    }
    for slot in released { luaL_unref(pointer, bridge_registry_index(), slot) }
    return LuaReference(owner: referenceOwner, slot: luaL_ref(pointer, bridge_registry_index()))
  }

  /// Keeps the value at a stack index.
  package func reference(at index: Int) throws -> LuaReference {
    try reserve(2)
    lua_pushvalue(pointer, Int32(index))
    return popReference()
  }
}
