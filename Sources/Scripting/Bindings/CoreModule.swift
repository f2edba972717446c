import Basics
import Lua
import Merging
import Tensors

/// The module `mergekit.core`: what Swift gives to scripts, `require "mergekit"` builds on it.
enum CoreModule {
  /// Pushes the module's table.
  static func push(to lua: LuaState, _ context: ScriptContext) throws {
    try lua.createTable()
    func add(_ name: String, _ function: @escaping LuaFunction) throws {
      try lua.pushFunction(name, function)
      try lua.setField(name, at: -2)
    }
    for (name, function) in constants(context) { try add(name, function) }
    for (name, function) in combinations(context) { try add(name, function) }
    for (name, function) in hostFunctions(context) { try add(name, function) }
    for (name, function) in ModelBinding.functions(context) { try add(name, function) }
    for (name, operation) in TensorBinding.unaryFunctions {
      try add(name) { call in
        try context.withOperands(call, [1]) { operands in
          let result = try context.graph.unary(operation, operands[0])
          return try plainOrLazy(result, call, context, arguments: [1])
        }
      }
    }
    for (name, operation) in TensorBinding.binaryFunctions {
      try add(name) { call in
        try context.withOperands(call, [1, 2]) { operands in
          let result = try context.graph.binary(operation, operands[0], operands[1])
          return try plainOrLazy(result, call, context, arguments: [1, 2])
        }
      }
    }
  }

  /// A function of plain numbers gives a plain number, so that a script need not care which it has.
  private static func plainOrLazy(
    _ node: NodeID, _ call: LuaCall, _ context: ScriptContext, arguments: [Int]
  ) throws -> Int {
    if let value = context.graph.constantValue(node), arguments.allSatisfy({ call.kind($0) == .number }) {
      context.graph.release(node)
      return try call.result(value)
    }
    return try context.result(node, call)
  }

  static func select(_ call: LuaCall, _ context: ScriptContext) throws -> Int {
    try context.withOperands(call, [1, 2, 3]) {
      let result = try context.graph.select($0[0], $0[1], $0[2])
      return try plainOrLazy(result, call, context, arguments: [1, 2, 3])
    }
  }

  // MARK: Tensors from nothing

  private static func constants(_ context: ScriptContext) -> [String: LuaFunction] {
    let graph = context.graph
    func shape(_ call: LuaCall, _ argument: Int) throws -> Shape {
      try Shape(checking: context.integers(call, argument))
    }
    func random(_ distribution: Distribution) -> LuaFunction {
      { call in
        try context.result(
          graph.random(distribution, shape: shape(call, 1), stream: context.nextStream()), call)
      }
    }
    return [
      "zeros": { call in
        try context.result(
          graph.filled(shape(call, 1), with: 0, dtype: call.optional(2) { try context.dtype(call, $0) }), call
        )
      },
      "full": { call in
        try context.result(
          graph.filled(
            shape(call, 1), with: call.number(2), dtype: call.optional(3) { try context.dtype(call, $0) }),
          call)
      },
      "tensor": { call in
        var elements: [Float] = []
        let shape = try NestedList.read(call, 1, into: &elements)
        let node = try graph.values(elements, shape: shape)
        guard !call.isAbsent(2) else { return try context.result(node, call) }
        defer { graph.release(node) }
        return try context.result(graph.convert(node, to: context.dtype(call, 2)), call)
      },
      "rand": random(.uniform), "randn": random(.normal),
      "bernoulli": { call in
        let draw = try graph.random(.uniform, shape: shape(call, 2), stream: context.nextStream())
        defer { graph.release(draw) }
        return try context.withOperands(call, [1]) {
          try context.result(graph.binary(.less, draw, $0[0]), call)
        }
      },
    ]
  }

  // MARK: Several tensors

  private static func combinations(_ context: ScriptContext) -> [String: LuaFunction] {
    let graph = context.graph
    return [
      "where": { call in try select(call, context) },
      "cat": { call in
        try context.withList(call, 1) { nodes in
          guard let first = nodes.first else { throw TensorError.noInputs(operation: "cat") }
          let dimension =
            call.isAbsent(2) ? 0 : try context.requiredDimension(call, 2, of: first)
          guard graph.shape(of: first).rank > 0 else {
            throw TensorError.badDimension(operation: "cat", dimension: 1, graph.shape(of: first))
          }
          return try context.result(graph.concatenate(nodes, dimension: dimension), call)
        }
      },
      "stack": { call in
        try context.withList(call, 1) { nodes in
          guard let first = nodes.first else { throw TensorError.noInputs(operation: "stack") }
          let dimension =
            call.isAbsent(2) ? 0 : try context.requiredDimension(call, 2, of: first, extra: 1)
          return try context.result(graph.stack(nodes, dimension: dimension), call)
        }
      },
      "identical": { call in
        try context.withList(call, 1) { nodes in
          let copied = try nodes.flatMap { try originals(of: $0, graph) }
          defer { copied.forEach(graph.release) }
          return try context.result(graph.identical(copied), call)
        }
      },
      "defer": { call in try deferred(call, context) },
    ]
  }

  /// What a copied tensor is a copy of, each with a reference: in a chain of merges a copy is made of
  /// copies, and then all of their originals must agree.
  private static func originals(of node: NodeID, _ graph: ExpressionGraph) throws -> [NodeID] {
    let shape = graph.shape(of: node)
    let leaves = graph.storedLeaves(below: node)
    guard graph.storedLeaf(node) == nil, !graph.dtype(of: node).isArithmetic,
      leaves.allSatisfy({ $0.source.byteCount == leaves[0].source.byteCount && $0.count == shape.count })
    else {
      graph.retain(node)
      return [node]
    }
    return try leaves.map { try graph.stored($0, shape: shape) }
  }

  /// Lazy numbers that `defer` gives if it is not told how many.
  private static let deferredOutputs = 8

  private static func deferred(_ call: LuaCall, _ context: ScriptContext) throws -> Int {
    let function = try call.function(2)
    let outputs = try call.optional(3, call.integer) ?? deferredOutputs
    guard (1...200).contains(outputs) else {
      throw call.argumentError(3, "1 to 200 results expected, got \(outputs)")
    }
    let isExact = !call.isAbsent(3)
    unowned let lua = call.lua
    let position = lua.userPosition ?? context.buildPosition
    let deferredCall = DeferredCall(outputs: outputs) { inputs in
      try lua.withBalancedStack {
        let top = lua.top
        try lua.push(function)
        for input in inputs { try lua.push(input) }
        try context.notSaving("a function given to defer") {
          do { try lua.call(arguments: inputs.count, results: nil) } catch let error as LuaError
            where error.file == nil && !error.kind.isFatal
          {
            throw LuaError.located(error.message, position)
          }
        }
        let found = lua.top - top
        if isExact, found != outputs {
          throw LuaError.located("defer: the function gave \(found) results, expected \(outputs)", position)
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
    return try context.withList(call, 1) { nodes in
      let results = try context.graph.deferred(nodes, deferredCall)
      for node in results { try context.push(node, to: call.lua) }
      return results.count
    }
  }

  // MARK: The host

  private static func hostFunctions(_ context: ScriptContext) -> [String: LuaFunction] {
    [
      "stream": { call in
        let name = try call.string(1)
        let function = try call.function(2)
        return try context.withStream(name) {
          let top = call.lua.top
          try call.lua.push(function)
          try call.lua.call(arguments: 0, results: nil)
          return call.lua.top - top
        }
      },
      // Errors of a function made so name the caller's line, also in `return mk.merge{…}`.
      "entry": { call in
        _ = try call.function(1)
        try call.lua.pushCopy(of: 1)
        try call.lua.makeEntryPoint()
        return 1
      },
      "nearest": { call in
        var names: [String] = []
        try call.table(2)
        try call.lua.forEachElement(at: 2) { _ in
          if let name = call.lua.string(at: -1) { names.append(name) }
        }
        return try call.result(nearestName(to: call.string(1), among: names))
      },
      "promote": { call in
        var dtypes: [DType] = []
        try call.table(1)
        try call.lua.forEachElement(at: 1) { _ in
          dtypes.append(try ScriptContext.dtype(named: call.lua.string(at: -1) ?? ""))
        }
        return try call.result(DType.promoted(dtypes)?.torchName)
      },
      // Whether `require` would find a file of this name.
      "module_exists": { call in try call.result(context.moduleExists(call.string(1))) },
      "method_names": { call in try call.result(context.methodNames) },
      "is_float": { call in try call.result(context.dtype(call, 1).isArithmetic) },
      // The full name of a dtype that can be computed, for `dtype =` of a merge.
      "dtype_name": { call in
        try call.result(
          ScriptContext.computedDType(named: call.string(1), operation: "dtype").torchName)
      },
      // Raises an error at the user's own line, whatever library function found it.
      "fail": { call in throw LuaError(try call.string(1)) },
    ]
  }
}

extension LuaError {
  /// An error at a place that was noted before, as `userPosition` gives it.
  static func located(_ message: String, _ position: String?) -> LuaError {
    var error = LuaError(message)
    if let position { error.setPosition(position) }
    return error
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

/// Nested lists of numbers as tensors.
enum NestedList {
  /// Reads a number or a list of lists of numbers in an argument; its shape is that of the first entries.
  static func read(_ call: LuaCall, _ argument: Int, into elements: inout [Float]) throws -> Shape {
    if call.kind(argument) == .number {
      elements.append(Float(try call.number(argument)))
      return .scalar
    }
    try call.table(argument)
    var sizes: [Int] = []
    var charged = 0
    defer { call.lua.discharge(charged) }
    try read(call, argument, at: argument, depth: 0, &sizes, &elements, &charged)
    return try Shape(checking: sizes)
  }

  private static func read(
    _ call: LuaCall, _ argument: Int, at index: Int, depth: Int, _ sizes: inout [Int],
    _ elements: inout [Float], _ charged: inout Int
  ) throws {
    guard depth < 16 else { throw call.argumentError(argument, "lists nest more than 16 deep") }
    let lua = call.lua
    let length = lua.length(at: index)
    if sizes.count == depth { sizes.append(length) }
    guard sizes[depth] == length else {
      throw call.argumentError(argument, "lists of \(sizes[depth]) and \(length) elements side by side")
    }
    try lua.forEachElement(at: index) { _ in
      // Lists may share lists, so that few tables stand for many numbers.
      if elements.count * 4 - charged >= 1 << 16 {
        try lua.checkInterrupt()
        try lua.charge(elements.count * 4 - charged)
        charged = elements.count * 4
      }
      switch lua.kind(at: -1) {
      case .number where sizes.count == depth + 1:
        elements.append(Float(lua.number(at: -1) ?? .nan))
      // Elements that were read without a list below this one stand in this one.
      case .table where sizes.count > depth + 1 || elements.isEmpty:
        try read(call, argument, at: lua.absolute(-1), depth: depth + 1, &sizes, &elements, &charged)
      case .number, .table:
        throw call.argumentError(argument, "numbers and lists side by side")
      default:
        throw call.argumentError(argument, "number or list expected, got \(lua.typeName(at: -1))")
      }
    }
  }
}
