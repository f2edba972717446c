import Lua
import Tensors

/// Functions of several tensors or numbers.
final class CombinationBinding: Binding {
  private let tensors: TensorBinding

  init(in setup: BindingSetup) throws { tensors = try setup.binding() }

  var functions: [String: LuaFunction] {
    let (tensors, graph) = (tensors, tensors.graph)
    var functions: [String: LuaFunction] = [
      "where": { call in try tensors.select(call) },
      "cat": { call in
        try tensors.withList(call, 1) { nodes in
          guard let first = nodes.first else { throw TensorError.noInputs(operation: "cat") }
          let dimension =
            call.isAbsent(2) ? 0 : try tensors.requiredDimension(call, 2, of: first)
          guard graph.shape(of: first).rank > 0 else {
            throw TensorError.badDimension(operation: "cat", dimension: 1, graph.shape(of: first))
          }
          return try tensors.result(graph.concatenate(nodes, dimension: dimension), call)
        }
      },
      "stack": { call in
        try tensors.withList(call, 1) { nodes in
          guard let first = nodes.first else { throw TensorError.noInputs(operation: "stack") }
          let dimension =
            call.isAbsent(2) ? 0 : try tensors.requiredDimension(call, 2, of: first, extra: 1)
          return try tensors.result(graph.stack(nodes, dimension: dimension), call)
        }
      },
      "identical": { call in
        try tensors.withList(call, 1) { nodes in
          try tensors.result(
            graph.scope {
              try graph.identical(
                nodes.flatMap { try Self.originals(of: $0, graph) }, isRequired: !call.lua.isTruthy(at: 2))
            }, call)
        }
      },
    ]
    for (name, operation) in TensorBinding.unaryFunctions {
      functions[name] = { call in
        try tensors.withOperands(call, [1]) {
          try tensors.plainOrLazy(graph.unary(operation, $0[0]), call, arguments: 1...1)
        }
      }
    }
    for (name, operation) in TensorBinding.binaryFunctions {
      functions[name] = { call in
        try tensors.withOperands(call, [1, 2]) {
          try tensors.plainOrLazy(graph.binary(operation, $0[0], $0[1]), call, arguments: 1...2)
        }
      }
    }
    return functions
  }

  /// What a copied tensor is a copy of: in a chain of merges a copy is made of
  /// copies, and then all of their originals must agree.
  private static func originals(of node: NodeID, _ graph: ExpressionGraph) throws -> [NodeID] {
    let shape = graph.shape(of: node)
    let leaves = graph.storedLeaves(below: node)
    guard graph.storedLeaf(node) == nil, !graph.dtype(of: node).isArithmetic,
      leaves.allSatisfy({ $0.source.byteCount == leaves[0].source.byteCount && $0.count == shape.count })
    else { return [node] }
    return try leaves.map { try graph.stored($0, shape: shape) }
  }
}
