import Basics
import Lua
import Tensors

/// Operators and methods that compute element by element.
extension TensorBinding {
  var operators: [String: LuaFunction] {
    func composed(_ sign: String, _ build: @escaping (NodeID, NodeID) throws -> NodeID) -> LuaFunction {
      { call in
        for operand in 1...2
        where call.kind(operand) != .number && self.node(at: operand, in: call.lua) == nil {
          throw try self.operandError(call, operand, sign)
        }
        return try self.withOperands(call, [1, 2]) { try self.result(build($0[0], $0[1]), call) }
      }
    }
    func binary(_ operation: BinaryOperation) -> LuaFunction {
      composed(operation.name) { try self.graph.binary(operation, $0, $1) }
    }
    func refused(_ sign: String, _ method: String) -> LuaFunction {
      { _ in throw LuaError("'\(sign)' is not available for lazy tensors; use a:\(method)(b)") }
    }
    return [
      "__add": binary(.add), "__sub": binary(.subtract), "__mul": binary(.multiply),
      "__div": binary(.divide), "__pow": binary(.power),
      "__idiv": composed("//") { try self.floorDivided($0, $1) },
      "__mod": composed("%") { try self.remainder($0, $1) },
      "__unm": { call in try self.result(self.graph.unary(.negate, self.tensor(call, 1)), call) },
      "__lt": refused("<", "lt"), "__le": refused("<=", "le"),
      "__eq": { call in try call.result(self.isSame(call)) },
      "__len": { _ in throw LuaError("a tensor has no length; use x.shape[1], or x.numel for all elements") },
      "__tostring": { call in try call.result(self.describe(self.tensor(call, 1))) },
    ]
  }

  /// Whether `a == b` compares a tensor with itself; what else it could mean is not known yet.
  private func isSame(_ call: LuaCall) throws -> Bool {
    guard let first = node(at: 1, in: call.lua), let second = node(at: 2, in: call.lua) else { return false }
    guard first == second else {
      throw LuaError(
        "'==' cannot compare lazy tensors; use a:eq(b) for a mask, :item() for a number, or mk.defer for a "
          + "condition on numbers that are known later")
    }
    return true
  }

  /// Rounded down, as Lua's.
  private func floorDivided(_ first: NodeID, _ second: NodeID) throws -> NodeID {
    try graph.scope { try graph.unary(.floor, graph.binary(.divide, first, second)) }
  }

  /// Of the divisor's sign, as Lua's.
  private func remainder(_ first: NodeID, _ second: NodeID) throws -> NodeID {
    try graph.scope {
      try graph.binary(.subtract, first, graph.binary(.multiply, floorDivided(first, second), second))
    }
  }

  /// The error of an operand that is neither tensor nor number. An input of a method is a table with the tensor in it.
  private func operandError(_ call: LuaCall, _ operand: Int, _ operation: String) throws -> LuaError {
    let (found, side) = (call.lua.typeName(at: operand), operand == 1 ? "left" : "right")
    let meant: String? = try call.lua.withBalancedStack {
      try call.lua.pushField("tensor", at: operand)
      return node(at: -1, in: call.lua) != nil ? ".tensor" : nil
    }
    return LuaError(
      Diagnostic("\(operation): cannot compute with a \(found) value on the \(side)").suggesting(meant))
  }

  static let unaryFunctions: [String: UnaryOperation] = [
    "neg": .negate, "abs": .abs, "sqrt": .sqrt, "exp": .exp, "log": .log, "sin": .sin, "cos": .cos,
    "acos": .acos, "sign": .sign, "floor": .floor, "round": .round,
    "tanh": .tanh,
  ]

  static let binaryFunctions: [String: BinaryOperation] = [
    "minimum": .minimum, "maximum": .maximum, "eq": .equal, "ne": .notEqual, "lt": .less,
    "le": .lessOrEqual, "gt": .greater, "ge": .greaterOrEqual,
  ]

  var elementwiseMethods: [String: LuaFunction] {
    var methods: [String: LuaFunction] = [:]
    for (name, operation) in Self.unaryFunctions {
      methods[name] = { call in try self.result(self.graph.unary(operation, self.tensor(call, 1)), call) }
    }
    for (name, operation) in Self.binaryFunctions {
      methods[name] = { call in
        try self.withOperands(call, [1, 2]) {
          try self.result(self.graph.binary(operation, $0[0], $0[1]), call)
        }
      }
    }
    methods["clamp"] = { call in
      let input = try self.tensor(call, 1)
      let bounds = [2, 3].filter { !call.isAbsent($0) }
      guard !bounds.isEmpty else { throw LuaError("clamp: expected a lowest or a highest value") }
      return try self.withOperands(call, bounds) { nodes in
        let lowest = call.isAbsent(2) ? nil : nodes[0]
        let highest = call.isAbsent(3) ? nil : nodes[nodes.count - 1]
        return try self.result(self.graph.clamp(input, lowest, highest), call)
      }
    }
    methods["where"] = { call in try self.select(call) }
    methods["to"] = { call in
      try self.result(self.graph.convert(self.tensor(call, 1), to: call.dtype(2)), call)
    }
    methods["bernoulli"] = { call in
      let probability = try self.tensor(call, 1)
      return try self.result(self.bernoulli(probability, shape: self.graph.shape(of: probability)), call)
    }
    methods["item"] = { call in
      let node = try self.tensor(call, 1)
      do {
        return try call.result(self.evaluator.value(of: node))
      } catch TensorError.cancelled { throw LuaError.interrupted }
    }
    methods["list"] = { call in
      let node = try self.tensor(call, 1)
      do {
        return try NestedList.push(self.elements(of: node), self.graph.shape(of: node), to: call.lua)
      } catch TensorError.cancelled { throw LuaError.interrupted }
    }
    return methods
  }

  /// All elements of a tensor, computed now.
  private func elements(of node: NodeID) throws -> [Double] {
    let count = graph.shape(of: node).count
    if graph.isScalar(node) { return [try evaluator.value(of: node)] }
    try graph.charge(count * 8)
    defer { graph.discharge(count * 8) }
    let target = MemorySource(byteCount: count * 8)
    try evaluator.write(node, as: .f64, to: target, for: "list")
    var elements = [Double](repeating: 0, count: count)
    elements.withUnsafeMutableBytes { target.read(into: $0, at: 0) }
    return elements
  }

  /// A tensor of ones and zeros, where a uniform draw is below the probability.
  func bernoulli(_ probability: NodeID, shape: Shape) throws -> NodeID {
    let stream = work.nextStream()
    return try graph.scope {
      try graph.binary(.less, graph.random(.uniform, shape: shape, stream: stream), probability)
    }
  }

  func select(_ call: LuaCall) throws -> Int {
    try withOperands(call, [1, 2, 3]) {
      try plainOrLazy(graph.select($0[0], $0[1], $0[2]), call, arguments: 1...3)
    }
  }

  /// A function of plain numbers gives a plain number, so that a script need not care which it has.
  func plainOrLazy(_ node: NodeID, _ call: LuaCall, arguments: ClosedRange<Int>) throws -> Int {
    if let value = graph.constantValue(node), arguments.allSatisfy({ call.kind($0) == .number }) {
      graph.release(node)
      return try call.result(value)
    }
    return try result(node, call)
  }
}
