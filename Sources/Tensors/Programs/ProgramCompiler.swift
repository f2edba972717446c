/// What the programs of one expression cannot compute in place, and that sweeps of their own compute first.
final class Materialisation {
  private(set) var nodes: Set<NodeID>
  /// Those among them that are kept as masks.
  let masks: Set<NodeID>
  /// Those that have been added since the last look.
  private(set) var added: [NodeID] = []

  init(_ nodes: Set<NodeID>, masks: Set<NodeID>) {
    self.nodes = nodes.union(masks)
    self.masks = masks
  }

  func contains(_ node: NodeID) -> Bool { !nodes.isEmpty && nodes.contains(node) }

  func insert(_ node: NodeID) { if nodes.insert(node).inserted { added.append(node) } }

  /// The nodes in `added`, which is then empty.
  func takeAdded() -> [NodeID] {
    defer { added = [] }
    return added
  }
}

/// Compiles expressions over one iteration space to a program.
///
/// Index maps are pushed down to the leaves; a subexpression that is used twice at the same positions
/// is computed once. What cannot be computed in place joins `materialised`, and the program reads it as if
/// it were a leaf. Works off a list, not by recursion, whatever the expression's depth.
struct ProgramCompiler {
  /// A node's elements at the positions that a map gives.
  private struct Key: Equatable {
    var node: NodeID
    /// An index into `maps`; 0 is the identity. Scalars have 0.
    var map: Int32

    var packed: UInt64 { UInt64(UInt32(bitPattern: node.index)) << 32 | UInt64(UInt32(bitPattern: map)) }
  }

  /// Nested splices and rankings that are part of the program already.
  private final class Nested { var nodes: Set<NodeID> = [] }

  private let graph: ExpressionGraph
  /// Nodes that have, or will have, a result of their own.
  private let materialised: Materialisation
  /// Those among them that this program computes.
  private let own: Set<NodeID>
  private let depth: Int
  private let nested: Nested
  private var program: Program
  private var maps: [IndexMap]
  private var mapIDs: [IndexMap: Int32]
  /// Registers, and scalars as in `Program.Operand`, by packed keys.
  private var values = KeyTable()
  private var leafKeys: [ObjectIdentifier: NodeID] = [:]
  private var scalarSlots: [NodeID: Int] = [:]
  /// Instructions on virtual registers, one of its own for each result.
  private var instructions: [Program.Instruction] = []
  /// Whether a virtual register holds random numbers, ranks, or what is computed from them.
  private var isCostly: [Bool] = []

  /// Splices and rankings nest as deep as this; beyond it they are materialised.
  private static let deepest = 24

  private init(
    graph: ExpressionGraph, materialised: Materialisation, own: Set<NodeID>, precision: Precision, count: Int,
    depth: Int, nested: Nested
  ) {
    self.graph = graph
    self.materialised = materialised
    self.own = own
    self.depth = depth
    self.nested = nested
    program = Program(precision: precision, count: count)
    let identity = IndexMap.identity(count: count)
    maps = [identity]
    mapIDs = [identity: 0]
  }

  /// The program that computes `roots`, all of the iteration space's count. Those of them that are
  /// materialised are computed, not read, if they are among `own`. Roots at the positions `bits` may be masks of bits.
  static func compile(
    _ roots: [NodeID], graph: ExpressionGraph, materialised: Materialisation, own: Set<NodeID> = [],
    precision: Precision, count: Int, bits: Set<Int> = []
  ) throws -> Program {
    var compiler = ProgramCompiler(
      graph: graph, materialised: materialised, own: own, precision: precision, count: count, depth: 0,
      nested: Nested())
    return try compiler.compile(roots, bits: bits)
  }

  private mutating func compile(_ roots: [NodeID], bits: Set<Int> = []) throws -> Program {
    let results = try roots.map { try compile(Key(node: $0, map: 0)) }
    allocate(results, bits: bits)
    return program
  }

  // MARK: Walking the expression

  private mutating func intern(_ map: IndexMap) -> Int32 {
    if let id = mapIDs[map] { return id }
    let id = Int32(maps.count)
    maps.append(map)
    mapIDs[map] = id
    return id
  }

  private mutating func compile(_ root: Key) throws -> Program.Operand {
    var stack: [(key: Key, expanded: Bool)] = [(root, false)]
    while let (key, expanded) = stack.popLast() {
      if values[key.packed] != nil { continue }
      let target = resolve(key)
      if target != key, let value = values[target.packed] {
        values[key.packed] = value
        continue
      }
      if !expanded {
        let waiting = stack.count
        stack.append((key, true))
        pushOperands(of: target, to: &stack)
        if stack.count > waiting + 1 { continue }
        stack.removeLast()
      }
      let value = try emit(target)
      values[target.packed] = value
      if target != key { values[key.packed] = value }
    }
    return values[root.packed]!
  }

  /// Whether the node's elements are read from a result instead of being computed here.
  private func isResult(_ node: NodeID) -> Bool {
    if materialised.contains(node) { return !own.contains(node) }
    if case .reduce = graph.nodes[Int(node.index)].operation { return !graph.isScalar(node) }
    return false
  }

  /// Follows views to the node that they look at.
  private mutating func resolve(_ key: Key) -> Key {
    var key = key
    while case .view(let view) = graph.nodes[Int(key.node.index)].operation, !isResult(key.node) {
      guard let map = maps[Int(key.map)].followed(by: view) else {
        materialised.insert(key.node)
        return key
      }
      key = Key(node: graph.nodes[Int(key.node.index)].inputs[0], map: intern(map))
      // A number has no positions.
      if graph.isScalar(key.node) { key.map = 0 }
    }
    if case .stored(let leaf) = graph.nodes[Int(key.node.index)].operation {
      let same = leafKeys[ObjectIdentifier(leaf)] ?? key.node
      leafKeys[ObjectIdentifier(leaf)] = same
      key.node = same
    }
    return key
  }

  /// Pushes what the node is computed from and has no value yet, the first operand on top.
  private mutating func pushOperands(of key: Key, to stack: inout [(key: Key, expanded: Bool)]) {
    if isResult(key.node) || graph.isScalar(key.node) { return }
    let index = Int(key.node.index)
    let count: Int
    switch graph.nodes[index].operation {
    case .unary, .binary, .select, .convert, .fold:
      if isRepeated(key) || (graph.nodes[index].precision == .double && program.precision == .single) {
        return materialised.insert(key.node)
      }
      count = graph.nodes[index].inputs.count
    case .topMask: count = 1
    case .concatenate, .gather, .rank:
      if !maps[Int(key.map)].isLinear || depth >= Self.deepest { materialised.insert(key.node) }
      return
    default: return
    }
    let waiting = stack.count
    for input in (0..<count).reversed() {
      guard let operand = operand(input, of: key) else {
        stack.removeSubrange(waiting...)
        return materialised.insert(key.node)
      }
      if values[operand.packed] == nil { stack.append((operand, false)) }
    }
  }

  /// Whether the map asks for the node's elements so often that they had better be computed once.
  private func isRepeated(_ key: Key) -> Bool {
    guard key.map != 0 else { return false }
    let map = maps[Int(key.map)]
    let count = graph.nodes[Int(key.node.index)].shape.count
    return map.repeats && count <= map.count / 4 && count > 1
  }

  /// An input at the positions at which the node is wanted; `nil` if no map gives them.
  private mutating func operand(_ index: Int, of key: Key) -> Key? {
    let input = graph.nodes[Int(key.node.index)].inputs[index]
    if graph.isScalar(input) { return Key(node: input, map: 0) }
    let (from, to) = (graph.nodes[Int(input.index)].shape, graph.nodes[Int(key.node.index)].shape)
    if from.count == to.count { return Key(node: input, map: key.map) }
    guard let map = maps[Int(key.map)].followed(by: .broadcast(from, to: to)) else { return nil }
    return Key(node: input, map: intern(map))
  }

  // MARK: Emitting instructions

  private mutating func emit(_ key: Key) throws -> Program.Operand {
    let node = graph[key.node]
    if graph.isScalar(key.node) { return scalar(key.node) }
    if isResult(key.node) {
      return load(materialised.masks.contains(key.node) ? .mask(key.node) : .result(key.node), key)
    }
    switch node.operation {
    case .stored(let leaf):
      return load(.stored(leaf), key)
    case .filled(let value):
      program.scalars.append(.constant(value))
      return ~Int32(program.scalars.count - 1)
    case .random(let distribution, let stream):
      program.draws.append(
        Program.RandomDraw(distribution: distribution, stream: stream, map: maps[Int(key.map)]))
      return append(.random, Int32(program.draws.count - 1))
    case .unary(let operation):
      return append(.unary(operation), register(value(0, of: key)))
    case .binary(let operation):
      let (first, second) = (value(0, of: key), value(1, of: key))
      let result = append(.binary(operation), first < 0 && second < 0 ? register(first) : first, second)
      if operation.isComparison, isCostly[Int(result)], key.map == 0, depth == 0 {
        program.costlyMasks.append(key.node)
        isCostly[Int(result)] = false
      }
      return result
    case .select:
      return append(
        .select, register(value(0, of: key)), register(value(1, of: key)), register(value(2, of: key)))
    case .convert(let dtype):
      return append(.convert, register(value(0, of: key)), dtype: dtype)
    case .fold(let reduction, let takesRoot):
      let operands = (0..<node.inputs.count).map { register(value($0, of: key)) }
      program.folds.append(Program.Fold(reduction: reduction, takesRoot: takesRoot, operands: operands))
      return append(.fold, Int32(program.folds.count - 1))
    case .topMask:
      let input = register(value(0, of: key))
      program.masks.append(
        Program.Mask(selection: node.inputs[1], cut: node.inputs[2], map: maps[Int(key.map)]))
      return append(.mask, Int32(program.masks.count - 1), input)
    case .concatenate, .gather, .rank:
      if depth > 0, !nested.nodes.insert(key.node).inserted {
        // Computing it at both places would double the work at every level of the nest.
        materialised.insert(key.node)
        return load(.result(key.node), key)
      }
      return try emitNested(node, offset: maps[Int(key.map)].offset)
    case .identical:
      throw TensorError.identicalComputed(graph.dtype(of: key.node))
    case .constant, .view, .reduce, .selectCoarse, .selectFine, .tieCut, .deferred:
      preconditionFailure("Not an operation of a program")
    }
  }

  private mutating func load(_ origin: Program.Leaf.Origin, _ key: Key) -> Program.Operand {
    program.leaves.append(Program.Leaf(origin: origin, map: maps[Int(key.map)]))
    return append(.load, Int32(program.leaves.count - 1))
  }

  private mutating func value(_ index: Int, of key: Key) -> Program.Operand {
    values[operand(index, of: key)!.packed]!
  }

  private mutating func emitNested(_ node: ExpressionGraph.Node, offset: Int) throws -> Program.Operand {
    func program(of input: NodeID) throws -> Program {
      var compiler = ProgramCompiler(
        graph: graph, materialised: materialised, own: own, precision: self.program.precision,
        count: graph[input].shape.count, depth: depth + 1, nested: nested)
      return try compiler.compile([input])
    }
    switch node.operation {
    case .concatenate(let dimension):
      let inputs = (0..<node.inputs.count).map { node.inputs[$0] }
      var ends: [Int] = []
      for input in inputs {
        let (_, size, inner) = graph[input].shape.split(at: dimension)
        ends.append((ends.last ?? 0) + size * inner)
      }
      self.program.splices.append(
        Program.Splice(layout: .pieces(ends: ends), pieces: try inputs.map(program), offset: offset))
      return append(.splice, Int32(self.program.splices.count - 1))
    case .gather(let dimension, let indices):
      let (_, source, inner) = graph[node.inputs[0]].shape.split(at: dimension)
      self.program.splices.append(
        Program.Splice(
          layout: .slices(indices: indices, source: source, inner: inner),
          pieces: [try program(of: node.inputs[0])], offset: offset))
      return append(.splice, Int32(self.program.splices.count - 1))
    default:
      let row = node.shape.dimensions[node.shape.rank - 1]
      self.program.rankings.append(
        Program.Ranking(program: try program(of: node.inputs[0]), row: row, offset: offset))
      return append(.rank, Int32(self.program.rankings.count - 1))
    }
  }

  private mutating func scalar(_ node: NodeID) -> Program.Operand {
    if let slot = scalarSlots[node] { return ~Int32(slot) }
    program.scalars.append(graph.constantValue(node).map(Program.Scalar.constant) ?? .node(node))
    scalarSlots[node] = program.scalars.count - 1
    return ~Int32(program.scalars.count - 1)
  }

  /// The operand in a register; a scalar is spread over one.
  private mutating func register(_ operand: Program.Operand) -> Program.Operand {
    operand < 0 ? append(.fill, operand) : operand
  }

  private mutating func append(
    _ code: Program.Code, _ first: Program.Operand, _ second: Program.Operand = 0,
    _ third: Program.Operand = 0, dtype: DType = .f32
  ) -> Program.Operand {
    let register = Int32(instructions.count)
    let instruction = Program.Instruction(
      code: code, destination: register, first: first, second: second, third: third, dtype: dtype)
    instructions.append(instruction)
    var isCostly =
      switch code {
      case .random, .rank: true
      default: false
      }
    program.forEachRegister(of: instruction) { isCostly = isCostly || self.isCostly[Int($0)] }
    self.isCostly.append(isCostly)
    return register
  }

  // MARK: Registers

  /// Gives virtual registers real ones, each free again after its last use. A destination is never one
  /// of its own operands, so that loops over them need no overlap check to be vectorised.
  private mutating func allocate(_ results: [Program.Operand], bits: Set<Int>) {
    let fusion = InstructionFusion(instructions, of: program, results: results, bits: bits)
    let instructions = fusion.instructions
    var lastUse = [Int](repeating: -1, count: instructions.count)
    for (position, instruction) in instructions.enumerated() {
      guard let instruction else { continue }
      program.forEachRegister(of: instruction) { lastUse[Int($0)] = position }
    }
    for register in results where register >= 0 { lastUse[Int(register)] = Int.max }

    var assigned = [Int32](repeating: 0, count: instructions.count)
    var free: [Int32] = []
    program.instructions.reserveCapacity(instructions.count)
    for position in instructions.indices {
      guard var instruction = instructions[position] else { continue }
      let destination = free.popLast() ?? Int32(program.registerCount)
      if destination == program.registerCount { program.registerCount += 1 }
      program.forEachRegister(of: instruction) { register in
        guard lastUse[Int(register)] == position else { return }
        free.append(assigned[Int(register)])
        // An operand that is used twice is freed once.
        lastUse[Int(register)] = -1
      }
      program.rename(&instruction) { assigned[Int($0)] }
      assigned[position] = destination
      instruction.destination = destination
      if lastUse[position] < 0 { free.append(destination) }
      program.instructions.append(instruction)
    }
    program.roots = results.map { $0 < 0 ? $0 : assigned[Int($0)] }
    program.bitRoots = fusion.bitResults
    for (ranking, line) in fusion.rankLines { program.rankings[ranking].line = line }
  }
}
