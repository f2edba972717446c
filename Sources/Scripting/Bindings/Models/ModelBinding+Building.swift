import Lua
import Merging
import Tensors

/// Tensors of models that scripts make.
extension ModelBinding {
  /// `m:map(function(tensor, info) … end)`.
  func map(_ call: LuaCall) throws -> Int {
    let source = try model(call, 1)
    let function = try call.function(2)
    unowned let lua = call.lua
    let position = lua.userPosition
    let definition = DerivedModel.Definition(
      label: source.label.hasSuffix(" (mapped)") ? source.label : "\(source.label) (mapped)",
      names: source.names, like: source, sources: [source]
    ) { name in
      try self.building(name, position) {
        try self.context.work.withStream(name) {
          try lua.withBalancedStack {
            let tensor = try source.expression(for: name)
            try lua.push(function)
            try self.tensors.push(tensor, to: lua)
            try self.pushInfo(name, of: source, to: lua)
            try self.context.work.notSaving("a function given to map") {
              try lua.call(arguments: 2, results: 1)
            }
            return try self.takeTensor("the function given to map", lua)
          }
        }
      }
    }
    try push(DerivedModel(definition, graph: context.graph), to: call.lua)
    return 1
  }

  /// The tensor on top of the stack, with a reference for the caller.
  func takeTensor(_ giver: String, _ lua: LuaState) throws -> NodeID {
    guard let node = tensors.node(at: -1, in: lua) else {
      throw LuaError("\(giver) returned a \(lua.typeName(at: -1)), expected a tensor")
    }
    context.graph.retain(node)
    return node
  }

  /// Errors on the way to a tensor say which it is, and the line that asked for it if they have none.
  func building<Result>(
    _ name: String, _ position: String?, _ body: () throws -> Result
  ) throws -> Result {
    do {
      return try context.work.at(position, body)
    } catch TensorError.cancelled {
      throw LuaError.interrupted
    } catch var error as LuaError {
      if error.file == nil, !error.kind.isFatal { error = LuaError.located(error.message, position) }
      throw MergeError.locate(error, inTensor: name)
    } catch {
      throw MergeError.locate(LuaError.located("\(error)", position), inTensor: name)
    }
  }
}

extension LuaError: PlacedError {
  package func happening(inTensor name: String) -> any Error {
    guard !kind.isFatal else { return self }
    var error = self
    error.message = "tensor '\(name)': \(message)"
    return error
  }
}
