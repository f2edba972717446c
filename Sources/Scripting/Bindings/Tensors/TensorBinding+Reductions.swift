import Lua
import Tensors

/// Reductions and selection.
extension TensorBinding {
  var reductionMethods: [String: LuaFunction] {
    func reducing(_ build: @escaping (NodeID, Int?) throws -> NodeID) -> LuaFunction {
      { call in
        let node = try self.tensor(call, 1)
        return try self.result(build(node, self.dimension(call, 2, of: node)), call)
      }
    }
    func simple(_ reduction: Reduction, _ name: String) -> LuaFunction {
      reducing { try self.graph.reduce(reduction, $0, dimension: $1, operation: name) }
    }
    func alongDimension(_ build: @escaping (NodeID, Int) throws -> NodeID) -> LuaFunction {
      { call in
        let node = try self.tensor(call, 1)
        return try self.result(build(node, self.requiredDimension(call, 2, of: node)), call)
      }
    }
    let masks = selecting { try self.graph.topMask($0, k: $1) }
    return [
      "sum": simple(.sum, "sum"), "min": simple(.minimum, "min"), "max": simple(.maximum, "max"),
      "mean": reducing { try self.graph.mean($0, dimension: $1) },
      "norm": reducing { try self.graph.norm($0, dimension: $1) },
      "count_nonzero": reducing { try self.graph.countNonzero($0, dimension: $1) },
      "softmax": reducing { try self.graph.softmax($0, dimension: $1) },
      "var": { call in
        let node = try self.tensor(call, 1)
        return try self.result(
          self.graph.variance(
            node, dimension: self.dimension(call, 2, of: node),
            correction: call.optional(3, call.number) ?? 1), call)
      },
      "dot": { call in
        let node = try self.tensor(call, 1)
        let other = try self.tensor(call, 2)
        return try self.result(
          self.graph.reduce(
            .dot, node, with: other, dimension: self.dimension(call, 3, of: node), operation: "dot"),
          call)
      },
      "rank": { call in
        let node = try self.tensor(call, 1)
        return try self.result(
          self.graph.ranks(node, dimension: self.requiredDimension(call, 2, of: node)), call)
      },
      "kth_largest": selecting { try self.graph.kthLargest($0, k: $1) },
      "kth_smallest": selecting { try self.graph.kthSmallest($0, k: $1) },
      "topk_mask": { call in
        guard !call.isAbsent(3) else { return try masks(call) }
        let node = try self.tensor(call, 1)
        return try self.result(
          self.graph.topMask(
            node, k: call.integer(2), dimension: self.requiredDimension(call, 3, of: node)), call)
      },
      "argmax": reducing { try self.graph.argmax($0, dimension: $1) },
      "sort": alongDimension { try self.graph.sorted($0, dimension: $1) },
      "argsort": alongDimension { try self.graph.order($0, dimension: $1) },
      "cumsum": alongDimension { try self.graph.cumulativeSum($0, dimension: $1) },
      "quantile": { call in
        let node = try self.tensor(call, 1)
        return try self.result(
          self.graph.quantile(node, call.number(2), dimension: self.dimension(call, 3, of: node)), call)
      },
    ]
  }

  /// A selection with one k, or with a list of them, for which it gives a list.
  private func selecting(_ build: @escaping (NodeID, NodeID) throws -> NodeID) -> LuaFunction {
    { call in
      let node = try self.tensor(call, 1)
      guard call.kind(2) == .table else {
        return try self.withOperands(call, [2]) { try self.result(build(node, $0[0]), call) }
      }
      return try self.withList(call, 2) { counts in
        try call.lua.createTable(elements: counts.count)
        for (index, k) in counts.enumerated() {
          try self.push(build(node, k), to: call.lua)
          try call.lua.setElement(index + 1, at: -2)
        }
        return 1
      }
    }
  }
}
