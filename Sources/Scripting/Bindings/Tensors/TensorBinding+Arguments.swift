import Lua
import Tensors

extension NodeID {
  /// The node that a userdata's payload stands for.
  init(handle: UInt64) { self.init(index: Int32(bitPattern: UInt32(handle))) }

  fileprivate var handle: UInt64 { UInt64(UInt32(bitPattern: index)) }
}

/// Nodes on Lua's stack, for all bindings that take or give tensors.
extension TensorBinding {
  /// Pushes a node; the userdata takes over the caller's reference.
  func push(_ node: NodeID, to lua: LuaState) throws {
    do {
      try lua.push(handle: node.handle, of: type)
    } catch {
      graph.release(node)
      throw error
    }
  }

  /// Pushes the one result, and takes over the caller's reference.
  func result(_ node: NodeID, _ call: LuaCall) throws -> Int {
    try push(node, to: call.lua)
    return 1
  }

  /// The tensor or lazy number at a stack index, which keeps it alive.
  func node(at index: Int, in lua: LuaState) -> NodeID? {
    lua.handle(at: index, of: type).map(NodeID.init(handle:))
  }

  /// A node of a number, with one reference for the caller.
  private func constant(_ value: Double) throws -> NodeID {
    if let node = constants[value.bitPattern].flatMap(graph.strong) { return node }
    let node = try graph.constant(value)
    if constants.count >= 64 { constants.removeAll() }
    constants[value.bitPattern] = graph.weak(node)
    return node
  }

  /// The tensor or lazy number in an argument. The argument keeps it alive.
  func tensor(_ call: LuaCall, _ argument: Int) throws -> NodeID {
    guard argument <= call.count, let node = node(at: argument, in: call.lua) else {
      throw call.typeError(argument, "tensor")
    }
    return node
  }

  /// Calls `body` with the node of each argument, numbers turned into constants.
  func withOperands<Result>(
    _ call: LuaCall, _ arguments: [Int], _ body: ([NodeID]) throws -> Result
  ) throws -> Result {
    var nodes: [NodeID] = []
    defer { nodes.forEach(graph.release) }
    for argument in arguments {
      if let number = argument <= call.count ? call.lua.number(at: argument) : nil {
        nodes.append(try constant(number))
      } else {
        guard argument <= call.count, let node = node(at: argument, in: call.lua) else {
          throw call.typeError(argument, "tensor or number")
        }
        graph.retain(node)
        nodes.append(node)
      }
    }
    return try body(nodes)
  }

  /// Calls `body` with the nodes of a list, numbers turned into constants.
  func withList<Result>(_ call: LuaCall, _ argument: Int, _ body: ([NodeID]) throws -> Result) throws
    -> Result
  {
    try call.table(argument)
    var nodes: [NodeID] = []
    defer { nodes.forEach(graph.release) }
    try call.lua.forEachElement(at: argument) { element in
      if let number = call.lua.number(at: -1) {
        nodes.append(try constant(number))
      } else if let node = node(at: -1, in: call.lua) {
        graph.retain(node)
        nodes.append(node)
      } else {
        throw call.argumentError(
          argument, "element \(element): tensor or number expected, got \(call.lua.typeName(at: -1))")
      }
    }
    return try body(nodes)
  }

  /// A dimension's position from an argument that counts from 1, or from the end; `nil` if it is absent.
  func dimension(_ call: LuaCall, _ argument: Int, of node: NodeID) throws -> Int? {
    guard let number = try call.optional(argument, call.integer) else { return nil }
    return try graph.shape(of: node).position(ofDimension: number, operation: call.name)
  }

  /// A dimension's position from an argument that must be there; `extra` is how many more there may be.
  func requiredDimension(_ call: LuaCall, _ argument: Int, of node: NodeID, extra: Int = 0) throws -> Int {
    try graph.shape(of: node).position(
      ofDimension: call.integer(argument), operation: call.name, extra: extra)
  }
}
