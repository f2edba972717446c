/// Thrown while compiling: a node that no program can compute in place, and that a sweep of its own
/// must compute first.
struct NeedsMaterialisation: Error {
  let node: NodeID
}

/// Compiles expressions over one iteration space to a program.
///
/// Index maps are pushed down to the leaves; a subexpression that is used twice at the same positions
/// is computed once. Works off a list, not by recursion, whatever the expression's depth.
struct ProgramCompiler {
  private struct Key: Hashable {
    var node: NodeID
    var map: Int32
  }

  private enum Value {
    case scalar(Int)
    case virtual(Int)
  }

  private let graph: ExpressionGraph
  /// Nodes that have, or will have, a result of their own.
  private let materialised: Set<NodeID>
  private let depth: Int
  private var program: Program
  private var maps: [IndexMap] = []
  private var mapIDs: [IndexMap: Int32] = [:]
  private var values: [Key: Value] = [:]
  private var leafKeys: [ObjectIdentifier: NodeID] = [:]
  private var scalarSlots: [NodeID: Int] = [:]
  /// Instructions on virtual registers, one of its own for each result.
  private var instructions: [Program.Instruction] = []

  /// Splices and rankings nest as deep as this; beyond it they are materialised.
  private static let deepest = 24

  init(graph: ExpressionGraph, materialised: Set<NodeID>, precision: Precision, count: Int, depth: Int = 0) {
    self.graph = graph
    self.materialised = materialised
    self.depth = depth
    program = Program(precision: precision, count: count)
  }

  /// The program that computes `roots`, all of the iteration space's count.
  static func compile(
    _ roots: [NodeID], graph: ExpressionGraph, materialised: Set<NodeID>, precision: Precision, count: Int,
    depth: Int = 0
  ) throws -> Program {
    var compiler = ProgramCompiler(
      graph: graph, materialised: materialised, precision: precision, count: count, depth: depth)
    let identity = compiler.intern(.identity(count: count))
    let results = try roots.map { try compiler.compile(Key(node: $0, map: identity)) }
    compiler.allocate(results)
    return compiler.program
  }

  // MARK: Walking the expression

  private mutating func intern(_ map: IndexMap) -> Int32 {
    if let id = mapIDs[map] { return id }
    let id = Int32(maps.count)
    maps.append(map)
    mapIDs[map] = id
    return id
  }

  private mutating func compile(_ root: Key) throws -> Value {
    var stack: [(key: Key, expanded: Bool)] = [(root, false)]
    while let (key, expanded) = stack.popLast() {
      if values[key] != nil { continue }
      let target = try resolve(key)
      if let value = values[target] {
        values[key] = value
        continue
      }
      if expanded {
        let value = try emit(target)
        values[target] = value
        values[key] = value
        continue
      }
      stack.append((key, true))
      for operand in try operands(of: target) where values[operand] == nil { stack.append((operand, false)) }
    }
    return values[root]!
  }

  /// Whether the node's elements are read from a result instead of being computed here.
  private func isResult(_ node: NodeID) -> Bool {
    if graph.isScalar(node) { return false }
    if materialised.contains(node) { return true }
    if case .reduce = graph[node].operation { return true }
    return false
  }

  /// Follows views to the node that they look at.
  private mutating func resolve(_ key: Key) throws -> Key {
    var key = key
    while case .view(let view) = graph[key.node].operation, !isResult(key.node) {
      guard let map = maps[Int(key.map)].followed(by: view) else {
        // Either this view's own elements are put down, or those that it looks at.
        throw NeedsMaterialisation(node: key.node)
      }
      key = Key(node: graph[key.node].inputs[0], map: intern(map))
    }
    if case .stored(let leaf) = graph[key.node].operation {
      let same = leafKeys[ObjectIdentifier(leaf)] ?? key.node
      leafKeys[ObjectIdentifier(leaf)] = same
      key.node = same
    }
    return key
  }

  private mutating func operands(of key: Key) throws -> [Key] {
    let node = graph[key.node]
    if isResult(key.node) || graph.isScalar(key.node) { return [] }
    if node.precision == .double, program.precision == .single { throw NeedsMaterialisation(node: key.node) }
    switch node.operation {
    case .unary, .binary, .select, .convert:
      if maps[Int(key.map)].repeats, node.shape.count <= maps[Int(key.map)].count / 4, node.shape.count > 1 {
        throw NeedsMaterialisation(node: key.node)
      }
      return try (0..<node.inputs.count).map { try operand(node.inputs[$0], of: key) }
    case .topMask:
      return [try operand(node.inputs[0], of: key)]
    default:
      return []
    }
  }

  private mutating func operand(_ input: NodeID, of key: Key) throws -> Key {
    let shape = graph[input].shape
    let target = graph[key.node].shape
    if graph.isScalar(input) { return Key(node: input, map: intern(.identity(count: 1))) }
    if shape.count == target.count { return Key(node: input, map: key.map) }
    guard let map = maps[Int(key.map)].followed(by: .broadcast(shape, to: target)) else {
      throw NeedsMaterialisation(node: key.node)
    }
    return Key(node: input, map: intern(map))
  }

  // MARK: Emitting instructions

  private mutating func emit(_ key: Key) throws -> Value {
    let node = graph[key.node]
    let map = maps[Int(key.map)]
    if graph.isScalar(key.node) { return .scalar(scalar(key.node)) }
    if isResult(key.node) {
      program.leaves.append(Program.Leaf(origin: .result(key.node), map: map))
      return append(.load, first: program.leaves.count - 1)
    }
    switch node.operation {
    case .stored(let leaf):
      program.leaves.append(Program.Leaf(origin: .stored(leaf), map: map))
      return append(.load, first: program.leaves.count - 1)
    case .filled(let value):
      program.scalars.append(.constant(value))
      return .scalar(program.scalars.count - 1)
    case .random(let distribution, let stream):
      program.draws.append(Program.RandomDraw(distribution: distribution, stream: stream, map: map))
      return append(.random, first: program.draws.count - 1)
    case .unary(let operation):
      return append(.unary(operation), [register(try value(0, of: key))])
    case .binary(let operation):
      return emitBinary(operation, try value(0, of: key), try value(1, of: key), of: node)
    case .select:
      return append(.select, try (0..<3).map { register(try value($0, of: key)) })
    case .convert(let dtype):
      return append(.convert, [register(try value(0, of: key))], dtype: dtype)
    case .topMask:
      let input = register(try value(0, of: key))
      program.masks.append(Program.Mask(selection: node.inputs[1], cut: node.inputs[2], map: map))
      return append(.mask, [Int32(program.masks.count - 1), input])
    case .concatenate, .gather, .rank:
      guard map.isLinear, depth < Self.deepest else { throw NeedsMaterialisation(node: key.node) }
      return try emitNested(node, offset: map.offset)
    case .identical:
      throw TensorError.notArithmetic(operation: "arithmetic", node.dtype ?? .f32)
    case .constant, .view, .reduce, .selectCoarse, .selectFine, .tieCut, .deferred:
      preconditionFailure("Not an operation of a program")
    }
  }

  private mutating func value(_ index: Int, of key: Key) throws -> Value {
    try values[operand(graph[key.node].inputs[index], of: key)]!
  }

  private mutating func emitBinary(
    _ operation: BinaryOperation, _ first: Value, _ second: Value, of node: ExpressionGraph.Node
  ) -> Value {
    if operation == .power, let exponent = graph.constantValue(node.inputs[1]) {
      // Exact forms of the common powers.
      let base = register(first)
      if exponent == 2 { return append(.binary(.multiply), [base, base]) }
      if exponent == 0.5 { return append(.unary(.sqrt), [base]) }
    }
    if case .scalar = first, case .scalar = second {
      return append(.binary(operation), [register(first), operand(second)])
    }
    return append(.binary(operation), [operand(first), operand(second)])
  }

  private mutating func emitNested(_ node: ExpressionGraph.Node, offset: Int) throws -> Value {
    func program(of input: NodeID) throws -> Program {
      try ProgramCompiler.compile(
        [input], graph: graph, materialised: materialised, precision: self.program.precision,
        count: graph[input].shape.count, depth: depth + 1)
    }
    switch node.operation {
    case .concatenate(let dimension):
      let inputs = (0..<node.inputs.count).map { node.inputs[$0] }
      let sizes = inputs.map { input in
        let (_, size, inner) = graph[input].shape.split(at: dimension)
        return size * inner
      }
      self.program.splices.append(
        Program.Splice(layout: .pieces(sizes: sizes), pieces: try inputs.map(program), offset: offset))
      return append(.splice, first: self.program.splices.count - 1)
    case .gather(let dimension, let indices):
      let (_, source, inner) = graph[node.inputs[0]].shape.split(at: dimension)
      self.program.splices.append(
        Program.Splice(
          layout: .slices(indices: indices, source: source, inner: inner),
          pieces: [try program(of: node.inputs[0])], offset: offset))
      return append(.splice, first: self.program.splices.count - 1)
    default:
      let row = node.shape.dimensions[node.shape.rank - 1]
      self.program.rankings.append(
        Program.Ranking(program: try program(of: node.inputs[0]), row: row, offset: offset))
      return append(.rank, first: self.program.rankings.count - 1)
    }
  }

  private mutating func scalar(_ node: NodeID) -> Int {
    if let slot = scalarSlots[node] { return slot }
    program.scalars.append(graph.constantValue(node).map(Program.Scalar.constant) ?? .node(node))
    scalarSlots[node] = program.scalars.count - 1
    return program.scalars.count - 1
  }

  private func operand(_ value: Value) -> Program.Operand {
    switch value {
    case .scalar(let slot): ~Int32(slot)
    case .virtual(let register): Int32(register)
    }
  }

  /// The value in a register; a scalar is spread over one.
  private mutating func register(_ value: Value) -> Program.Operand {
    guard case .scalar(let slot) = value else { return operand(value) }
    return operand(append(.fill, [~Int32(slot)]))
  }

  private mutating func append(_ code: Program.Code, first index: Int) -> Value { append(code, [Int32(index)]) }

  private mutating func append(
    _ code: Program.Code, _ operands: [Program.Operand], dtype: DType = .f32
  ) -> Value {
    let register = instructions.count
    instructions.append(
      Program.Instruction(
        code: code, destination: Int32(register), first: operands[0],
        second: operands.count > 1 ? operands[1] : 0, third: operands.count > 2 ? operands[2] : 0,
        dtype: dtype))
    return .virtual(register)
  }

  // MARK: Registers

  /// Gives virtual registers real ones, each free again after its last use. A destination is never one
  /// of its own operands, so that loops over them need no overlap check to be vectorised.
  private mutating func allocate(_ results: [Value]) {
    var lastUse = [Int](repeating: -1, count: instructions.count)
    for (position, instruction) in instructions.enumerated() {
      forEachRegister(of: instruction) { lastUse[Int($0)] = position }
    }
    for case .virtual(let register) in results { lastUse[register] = Int.max }

    var assigned = [Int32](repeating: 0, count: instructions.count)
    var free: [Int32] = []
    for position in instructions.indices {
      var instruction = instructions[position]
      let destination = free.popLast() ?? Int32(program.registerCount)
      if destination == program.registerCount { program.registerCount += 1 }
      var ended: [Int32] = []
      forEachRegister(of: instruction) { register in
        if lastUse[Int(register)] == position {
          ended.append(assigned[Int(register)])
          lastUse[Int(register)] = -1
        }
      }
      rename(&instruction, assigned)
      assigned[position] = destination
      instruction.destination = destination
      if lastUse[position] < 0 { ended.append(destination) }
      free.append(contentsOf: ended)
      program.instructions.append(instruction)
    }
    program.roots = results.map { value in
      switch value {
      case .scalar(let slot): ~Int32(slot)
      case .virtual(let register): assigned[register]
      }
    }
  }

  private func forEachRegister(of instruction: Program.Instruction, _ body: (Int32) -> Void) {
    switch instruction.code {
    case .load, .random, .splice, .rank: break
    case .mask: body(instruction.second)
    case .fill, .convert, .unary: if instruction.first >= 0 { body(instruction.first) }
    case .binary:
      if instruction.first >= 0 { body(instruction.first) }
      if instruction.second >= 0, instruction.second != instruction.first { body(instruction.second) }
    case .select:
      body(instruction.first)
      if instruction.second != instruction.first { body(instruction.second) }
      if instruction.third != instruction.first, instruction.third != instruction.second {
        body(instruction.third)
      }
    }
  }

  private func rename(_ instruction: inout Program.Instruction, _ assigned: [Int32]) {
    func real(_ operand: Int32) -> Int32 { operand >= 0 ? assigned[Int(operand)] : operand }
    switch instruction.code {
    case .load, .random, .splice, .rank: break
    case .mask: instruction.second = real(instruction.second)
    case .fill, .convert, .unary: instruction.first = real(instruction.first)
    case .binary:
      instruction.first = real(instruction.first)
      instruction.second = real(instruction.second)
    case .select:
      instruction.first = real(instruction.first)
      instruction.second = real(instruction.second)
      instruction.third = real(instruction.third)
    }
  }
}
