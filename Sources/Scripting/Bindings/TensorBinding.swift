import Basics
import Lua
import Tensors

/// The userdata type `tensor`: expressions and lazy numbers, with operators, fields and methods.
enum TensorBinding {
  static func makeType(in lua: LuaState, _ context: ScriptContext) throws {
    var methods: [String: LuaFunction] = [:]
    methods.merge(elementwise(context)) { $1 }
    methods.merge(reductions(context)) { $1 }
    methods.merge(views(context)) { $1 }
    let names = methods.keys.sorted() + fields
    let graph = context.graph
    context.tensorType = try lua.makeHandleType(
      LuaTypeDefinition(
        name: "tensor", methods: methods,
        getter: { call in try field(call, context, names) },
        metamethods: operators(context))
    ) { _, handle in graph.release(NodeID(index: Int32(bitPattern: UInt32(handle)))) }
  }

  // MARK: Fields

  private static let fields = ["shape", "dtype", "numel", "ndim"]

  private static func field(_ call: LuaCall, _ context: ScriptContext, _ names: [String]) throws -> Int {
    let node = try context.tensor(call, 1)
    let shape = context.graph.shape(of: node)
    let key = call.kind(2) == .string ? try call.string(2) : ""
    switch key {
    case "shape": return try call.result(shape.dimensions)
    case "dtype": return try call.result(context.graph.dtype(of: node).torchName)
    case "numel": return try call.result(shape.count)
    case "ndim": return try call.result(shape.rank)
    default:
      guard call.kind(2) == .string else {
        throw LuaError("a tensor has no elements to index; use narrow or index_select")
      }
      let hint = nearestName(to: key, among: names).map { " (did you mean '\($0)'?)" } ?? ""
      throw LuaError("a tensor has no field or method '\(key)'\(hint)")
    }
  }

  private static func describe(_ node: NodeID, _ graph: ExpressionGraph) -> String {
    if let value = graph.constantValue(node) { return "lazy number \(value)" }
    if graph.isScalar(node) { return "lazy number" }
    return "tensor \(graph.shape(of: node)) \(graph.dtype(of: node).torchName)"
  }

  // MARK: Operators

  private static func operators(_ context: ScriptContext) -> [String: LuaFunction] {
    let graph = context.graph
    func binary(_ operation: BinaryOperation) -> LuaFunction {
      { call in
        for operand in 1...2
        where call.kind(operand) != .number && call.lua.handle(at: operand, of: context.tensorType) == nil {
          let (found, side) = (call.lua.typeName(at: operand), operand == 1 ? "left" : "right")
          throw LuaError("\(operation.name): cannot compute with a \(found) value on the \(side)")
        }
        return try context.withOperands(call, [1, 2]) {
          try context.result(graph.binary(operation, $0[0], $0[1]), call)
        }
      }
    }
    func refused(_ sign: String, _ method: String) -> LuaFunction {
      { _ in throw LuaError("'\(sign)' gives a boolean, which a lazy tensor has not; use a:\(method)(b)") }
    }
    return [
      "__add": binary(.add), "__sub": binary(.subtract), "__mul": binary(.multiply),
      "__div": binary(.divide), "__pow": binary(.power),
      "__unm": { call in try context.result(graph.unary(.negate, context.tensor(call, 1)), call) },
      "__lt": refused("<", "lt"), "__le": refused("<=", "le"),
      "__tostring": { call in try call.result(describe(context.tensor(call, 1), graph)) },
    ]
  }

  // MARK: Element by element

  static let unaryFunctions: [String: UnaryOperation] = [
    "neg": .negate, "abs": .abs, "sqrt": .sqrt, "exp": .exp, "log": .log, "sin": .sin, "cos": .cos,
    "acos": .acos, "sign": .sign, "floor": .floor, "round": .round,
  ]

  static let binaryFunctions: [String: BinaryOperation] = [
    "minimum": .minimum, "maximum": .maximum, "eq": .equal, "ne": .notEqual, "lt": .less,
    "le": .lessOrEqual, "gt": .greater, "ge": .greaterOrEqual,
  ]

  private static func elementwise(_ context: ScriptContext) -> [String: LuaFunction] {
    let graph = context.graph
    var methods: [String: LuaFunction] = [:]
    for (name, operation) in unaryFunctions {
      methods[name] = { call in try context.result(graph.unary(operation, context.tensor(call, 1)), call) }
    }
    for (name, operation) in binaryFunctions {
      methods[name] = { call in
        try context.withOperands(call, [1, 2]) {
          try context.result(graph.binary(operation, $0[0], $0[1]), call)
        }
      }
    }
    methods["clamp"] = { call in
      let input = try context.tensor(call, 1)
      let bounds = [2, 3].filter { !call.isAbsent($0) }
      guard !bounds.isEmpty else { throw LuaError("clamp: expected a lowest or a highest value") }
      return try context.withOperands(call, bounds) { nodes in
        let lowest = call.isAbsent(2) ? nil : nodes[0]
        let highest = call.isAbsent(3) ? nil : nodes[nodes.count - 1]
        return try context.result(graph.clamp(input, lowest, highest), call)
      }
    }
    methods["where"] = { call in try CoreModule.select(call, context) }
    methods["to"] = { call in
      try context.result(graph.convert(context.tensor(call, 1), to: context.dtype(call, 2)), call)
    }
    methods["bernoulli"] = { call in
      let probability = try context.tensor(call, 1)
      let draw = try graph.random(
        .uniform, shape: graph.shape(of: probability), stream: context.nextStream())
      defer { graph.release(draw) }
      return try context.result(graph.binary(.less, draw, probability), call)
    }
    methods["item"] = { call in
      let node = try context.tensor(call, 1)
      do {
        return try call.result(context.evaluator.value(of: node))
      } catch TensorError.cancelled { throw LuaError.interrupted }
    }
    return methods
  }

  // MARK: Reductions and selection

  private static func reductions(_ context: ScriptContext) -> [String: LuaFunction] {
    let graph = context.graph
    func reducing(_ build: @escaping (NodeID, Int?) throws -> NodeID) -> LuaFunction {
      { call in
        let node = try context.tensor(call, 1)
        return try context.result(build(node, context.dimension(call, 2, of: node)), call)
      }
    }
    func simple(_ reduction: Reduction, _ name: String) -> LuaFunction {
      reducing { try graph.reduce(reduction, $0, dimension: $1, operation: name) }
    }
    return [
      "sum": simple(.sum, "sum"), "min": simple(.minimum, "min"), "max": simple(.maximum, "max"),
      "mean": reducing { try graph.mean($0, dimension: $1) },
      "norm": reducing { try graph.norm($0, dimension: $1) },
      "count_nonzero": reducing { try graph.countNonzero($0, dimension: $1) },
      "softmax": reducing { try graph.softmax($0, dimension: $1) },
      "var": { call in
        let node = try context.tensor(call, 1)
        return try context.result(
          graph.variance(
            node, dimension: context.dimension(call, 2, of: node),
            correction: call.optional(3, call.number) ?? 1), call)
      },
      "dot": { call in
        let node = try context.tensor(call, 1)
        let other = try context.tensor(call, 2)
        return try context.result(
          graph.reduce(
            .dot, node, with: other, dimension: context.dimension(call, 3, of: node), operation: "dot"),
          call)
      },
      "rank": { call in
        let node = try context.tensor(call, 1)
        return try context.result(
          graph.ranks(node, dimension: context.requiredDimension(call, 2, of: node)), call)
      },
      "kth_largest": selecting(context) { try graph.kthLargest($0, k: $1) },
      "topk_mask": selecting(context) { try graph.topMask($0, k: $1) },
    ]
  }

  /// A selection with one k, or with a list of them, for which it gives a list.
  private static func selecting(
    _ context: ScriptContext, _ build: @escaping (NodeID, NodeID) throws -> NodeID
  ) -> LuaFunction {
    { call in
      let node = try context.tensor(call, 1)
      guard call.kind(2) == .table else {
        return try context.withOperands(call, [2]) { try context.result(build(node, $0[0]), call) }
      }
      return try context.withList(call, 2) { counts in
        try call.lua.createTable(elements: counts.count)
        for (index, k) in counts.enumerated() {
          try context.push(build(node, k), to: call.lua)
          try call.lua.setElement(index + 1, at: -2)
        }
        return 1
      }
    }
  }

  // MARK: Shape

  private static func views(_ context: ScriptContext) -> [String: LuaFunction] {
    let graph = context.graph
    return [
      "reshape": { call in
        try context.result(graph.reshape(context.tensor(call, 1), context.sizes(call, 2)), call)
      },
      "transpose": { call in
        let node = try context.tensor(call, 1)
        guard !call.isAbsent(2) else {
          guard graph.shape(of: node).rank == 2 else {
            let shape = graph.shape(of: node)
            throw LuaError(
              "transpose: expected the two dimensions to exchange, for a tensor of shape \(shape)")
          }
          return try context.result(graph.transpose(node, 0, 1), call)
        }
        return try context.result(
          graph.transpose(
            node, context.requiredDimension(call, 2, of: node), context.requiredDimension(call, 3, of: node)),
          call)
      },
      "narrow": { call in
        let node = try context.tensor(call, 1)
        let dimension = try context.requiredDimension(call, 2, of: node)
        return try context.result(
          graph.narrow(
            node, dimension: dimension, start: call.integer(3) &- 1, length: call.integer(4)), call)
      },
      "index_select": { call in
        let node = try context.tensor(call, 1)
        let dimension = try context.requiredDimension(call, 2, of: node)
        return try context.result(
          graph.gather(
            node, dimension: dimension, indices: context.integers(call, 3).map { $0 &- 1 }), call)
      },
      "pad": { call in
        let node = try context.tensor(call, 1)
        let dimension = try context.requiredDimension(call, 2, of: node)
        return try context.result(
          graph.pad(
            node, dimension: dimension, before: call.integer(3), after: call.integer(4),
            value: call.optional(5, call.number) ?? 0), call)
      },
    ]
  }
}
