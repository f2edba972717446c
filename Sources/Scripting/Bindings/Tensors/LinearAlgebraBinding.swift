import Basics
import Lua
import Tensors

/// Products and decompositions of matrices.
final class LinearAlgebraBinding: Binding {
  private let tensors: TensorBinding

  init(in setup: BindingSetup) throws {
    tensors = try setup.binding()
    try setup.lua.addMethods(methods, to: tensors.type)
  }

  private var methods: [String: LuaFunction] {
    let (tensors, graph) = (tensors, tensors.graph)
    return [
      "matmul": { call in
        try tensors.result(graph.matmul(tensors.tensor(call, 1), tensors.tensor(call, 2)), call)
      },
      "eigh": { call in try self.results(graph.eigh(tensors.tensor(call, 1)), call) },
      "svd": { call in
        let matrix = try tensors.tensor(call, 1)
        let options = try Self.options(call, 2, ["rank", "iterations"]) { _ in
          try Self.count(call)
        }
        return try self.results(
          graph.svd(
            matrix, rank: options["rank"], iterations: options["iterations"] ?? 2,
            stream: tensors.work.nextStream()), call)
      },
      "solve": { call in try self.solve(call) },
    ]
  }

  var functions: [String: LuaFunction] {
    let (tensors, graph) = (tensors, tensors.graph)
    return [
      "assign": { call in
        try tensors.result(graph.assignment(tensors.tensor(call, 1)), call)
      },
      "gram": { call in
        let matrix = try tensors.tensor(call, 1)
        let dimension = try tensors.dimension(call, 2, of: matrix)
        return try tensors.result(graph.gram(matrix, dimension: dimension ?? 1), call)
      },
    ]
  }

  private func solve(_ call: LuaCall) throws -> Int {
    let (tensors, graph) = (tensors, tensors.graph)
    let matrix = try tensors.tensor(call, 1)
    let right = try tensors.tensor(call, 2)
    return try graph.scopedResult(for: tensors, call) {
      let ridges = try Self.options(call, 3, ["ridge"]) { _ -> NodeID in
        if let number = call.lua.number(at: -1) { return try graph.constant(number) }
        guard let node = tensors.node(at: -1, in: call.lua) else {
          throw call.argumentError(3, "ridge: number expected, got \(call.lua.typeName(at: -1))")
        }
        return node
      }
      return try graph.solve(matrix, right, ridge: ridges["ridge"] ?? graph.constant(0))
    }
  }

  private func results(_ nodes: [NodeID], _ call: LuaCall) throws -> Int {
    for node in nodes { try tensors.push(node, to: call.lua) }
    return nodes.count
  }

  // MARK: Options

  /// A count in the value that is on top of the stack.
  private static func count(_ call: LuaCall) throws -> Int {
    guard let value = call.lua.integer(at: -1), value >= 0 else {
      throw call.argumentError(2, "whole numbers expected, got \(call.lua.typeName(at: -1))")
    }
    return value
  }

  /// The fields of an optional table of options; `read` looks at the value on top of the stack.
  private static func options<Value>(
    _ call: LuaCall, _ argument: Int, _ known: [String], _ read: (String) throws -> Value
  ) throws -> [String: Value] {
    guard !call.isAbsent(argument) else { return [:] }
    try call.table(argument)
    var options: [String: Value] = [:]
    try call.lua.forEachPair(at: argument) {
      guard let key = call.lua.string(at: -2), known.contains(key) else {
        let key = call.lua.string(at: -2) ?? "?"
        throw call.argumentError(
          argument, "unknown option \(name: key)\(didYouMean: nearestName(to: key, among: known))")
      }
      options[key] = try read(key)
    }
    return options
  }
}

extension ExpressionGraph {
  /// Builds a node in a scope, and gives it to Lua.
  fileprivate func scopedResult(for tensors: TensorBinding, _ call: LuaCall, _ build: () throws -> NodeID)
    throws
    -> Int
  {
    try tensors.result(scope(build), call)
  }
}
