import Lua
import Tensors

/// Functions that make tensors of nothing but numbers.
final class CreationBinding: Binding {
  private let tensors: TensorBinding

  init(in setup: BindingSetup) throws { tensors = try setup.binding() }

  var functions: [String: LuaFunction] {
    let (tensors, graph, work) = (tensors, tensors.graph, tensors.work)
    func shape(_ call: LuaCall, _ argument: Int) throws -> Shape {
      try Shape(checking: call.integers(argument))
    }
    func random(_ distribution: Distribution) -> LuaFunction {
      { call in
        try tensors.result(
          graph.random(distribution, shape: shape(call, 1), stream: work.nextStream()), call)
      }
    }
    return [
      "zeros": { call in
        try tensors.result(
          graph.filled(shape(call, 1), with: 0, dtype: call.optional(2, call.dtype)), call
        )
      },
      "full": { call in
        try tensors.result(
          graph.filled(
            shape(call, 1), with: call.number(2), dtype: call.optional(3, call.dtype)),
          call)
      },
      "tensor": { call in
        var elements: [Float] = []
        let shape = try NestedList.read(call, 1, into: &elements)
        let dtype = try call.optional(2, call.dtype)
        return try tensors.result(
          graph.scope {
            let values = try graph.values(elements, shape: shape)
            return try dtype.map { try graph.convert(values, to: $0) } ?? values
          }, call)
      },
      "rand": random(.uniform), "randn": random(.normal),
      "bernoulli": { call in
        let shape = try shape(call, 2)
        return try tensors.withOperands(call, [1]) {
          try tensors.result(tensors.bernoulli($0[0], shape: shape), call)
        }
      },
    ]
  }
}
