import Basics
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
    try push(derived(definition), to: call.lua)
    return 1
  }

  /// Building a tensor goes through all models of a chain on one stack. Each takes two of the 200 calls that Lua allows
  /// from C to Lua and back (LUAI_MAXCCALLS); what is left is for the functions of the innermost.
  private static let deepest = 90

  /// A model that Lua functions make, unless too many of them make each other.
  func derived(_ definition: DerivedModel.Definition) throws -> DerivedModel {
    let model = try DerivedModel(definition, graph: context.graph)
    guard model.depth <= Self.deepest else {
      throw LuaError(
        "a chain of \(model.depth) models made of models is too long (Lua's stack has room for \(Self.deepest)); save one in between"
      )
    }
    return model
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
    _ name: String, _ position: SourceLocation?, _ body: () throws -> Result
  ) throws -> Result {
    do {
      return try context.work.at(position, body)
    } catch TensorError.cancelled {
      throw LuaError.interrupted
    } catch {
      throw MergeError.locate(LuaError.located(error, position), inTensor: name)
    }
  }
}
