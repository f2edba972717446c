import Basics
import Lua
import Tensors

/// `defer`: Lua that runs on numbers when they are known, and gives lazy numbers.
final class DeferBinding: Binding {
  private let tensors: TensorBinding

  init(in setup: BindingSetup) throws { tensors = try setup.binding() }

  var functions: [String: LuaFunction] {
    ["defer": { call in try self.deferred(call) }]
  }

  /// Lazy numbers that `defer` gives if it is not told how many.
  private static let usualOutputs = 8

  private func deferred(_ call: LuaCall) throws -> Int {
    let (tensors, work) = (tensors, tensors.work)
    let function = try call.function(2)
    let outputs = try call.optional(3, call.integer) ?? Self.usualOutputs
    guard (1...200).contains(outputs) else {
      throw call.argumentError(3, "1 to 200 results expected, got \(outputs)")
    }
    let isExact = !call.isAbsent(3)
    unowned let lua = call.lua
    let position = lua.userPosition ?? work.position
    let deferredCall = DeferredCall(outputs: outputs) { inputs in
      try lua.withBalancedStack {
        let top = lua.top
        try lua.push(function)
        for input in inputs { try lua.push(input) }
        try work.notSaving("a function given to defer") {
          do { try lua.call(arguments: inputs.count, results: nil) } catch let error as LuaError {
            throw LuaError.located(error, position)
          }
        }
        let found = lua.top - top
        if isExact, found != outputs {
          throw LuaError.located(
            "defer: the function returned \(found) results, expected \(outputs)", position)
        }
        return try (1...outputs).map { index in
          guard index <= found else { return .nan }
          guard let value = lua.number(at: top + index) else {
            throw LuaError.located(
              "defer: result \(index) of the function is no number, but \(lua.typeName(at: top + index))",
              position)
          }
          return value
        }
      }
    }
    return try tensors.withList(call, 1) { nodes in
      let results = try tensors.graph.deferred(nodes, deferredCall)
      for node in results { try tensors.push(node, to: call.lua) }
      return results.count
    }
  }
}
