import Lua
import Tensors

/// Methods that arrange elements anew.
extension TensorBinding {
  var viewMethods: [String: LuaFunction] {
    [
      "reshape": { call in
        try self.result(self.graph.reshape(self.tensor(call, 1), call.sizes(2)), call)
      },
      "transpose": { call in
        let node = try self.tensor(call, 1)
        guard !call.isAbsent(2) else {
          guard self.graph.shape(of: node).rank == 2 else {
            let shape = self.graph.shape(of: node)
            throw LuaError(
              "transpose: expected the two dimensions to exchange, for a tensor of shape \(shape)")
          }
          return try self.result(self.graph.transpose(node, 0, 1), call)
        }
        return try self.result(
          self.graph.transpose(
            node, self.requiredDimension(call, 2, of: node), self.requiredDimension(call, 3, of: node)),
          call)
      },
      "narrow": { call in
        let node = try self.tensor(call, 1)
        let dimension = try self.requiredDimension(call, 2, of: node)
        return try self.result(
          self.graph.narrow(
            node, dimension: dimension, start: call.integer(3) &- 1, length: call.integer(4)), call)
      },
      "index_select": { call in
        let node = try self.tensor(call, 1)
        let dimension = try self.requiredDimension(call, 2, of: node)
        if let index = call.count >= 3 ? self.node(at: 3, in: call.lua) : nil {
          return try self.result(self.graph.gather(node, dimension: dimension, index: index), call)
        }
        return try self.result(
          self.graph.gather(
            node, dimension: dimension, indices: call.integers(3).map { $0 &- 1 }), call)
      },
      "pad": { call in
        let node = try self.tensor(call, 1)
        let dimension = try self.requiredDimension(call, 2, of: node)
        return try self.result(
          self.graph.pad(
            node, dimension: dimension, before: call.integer(3), after: call.integer(4),
            value: call.optional(5, call.number) ?? 0), call)
      },
    ]
  }
}
