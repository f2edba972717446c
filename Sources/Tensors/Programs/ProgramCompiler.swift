/// Turns outlines of programs into instructions.
struct ProgramCompiler {
  private let graph: ExpressionGraph
  private let outline: ProgramOutline
  private var program: Program
  /// Of each entry of the outline: a register, or a scalar as in `Program.Operand`.
  private var values: [Program.Operand] = []
  /// How many of the nested outlines have been compiled.
  private var nestedCount = 0
  /// Instructions on virtual registers, one of its own for each result.
  private var instructions: [Program.Instruction] = []

  /// The program of an outline. Roots at the positions `bits` may be masks of bits.
  static func compile(_ outline: ProgramOutline, graph: ExpressionGraph, bits: Set<Int> = []) throws
    -> Program
  {
    var compiler = ProgramCompiler(graph, outline)
    compiler.values.reserveCapacity(outline.entries.count)
    compiler.instructions.reserveCapacity(outline.entries.count)
    for entry in outline.entries { compiler.values.append(try compiler.emit(entry)) }
    compiler.allocate(outline.roots.map { compiler.values[Int($0)] }, bits: bits)
    return compiler.program
  }

  private init(_ graph: ExpressionGraph, _ outline: ProgramOutline) {
    self.graph = graph
    self.outline = outline
    program = Program(precision: outline.precision, count: outline.count)
    program.granularity = outline.granularity
    program.alignment = outline.alignment
    program.readsScattered = outline.readsScattered
  }

  // MARK: Emitting instructions

  private mutating func emit(_ entry: ProgramOutline.Entry) throws -> Program.Operand {
    switch entry.source {
    case .scalar:
      program.scalars.append(
        graph.constantValue(entry.node).map(Program.Scalar.constant) ?? .node(entry.node))
      return ~Int32(program.scalars.count - 1)
    case .result: return load(.result(entry.node), entry)
    case .mask: return load(.mask(entry.node), entry)
    case .operation: return try emitOperation(entry)
    }
  }

  private mutating func emitOperation(_ entry: ProgramOutline.Entry) throws -> Program.Operand {
    let node = graph[entry.node]
    switch node.operation {
    case .row(let function) where entry.isWithinBlocks:
      program.blockRows.append(
        Program.BlockRow(function: function, length: node.shape.dimensions[node.shape.rank - 1]))
      return append(.blockRow, Int32(program.blockRows.count - 1), register(value(0, of: entry)))
    case .stored(let leaf):
      return load(.stored(leaf), entry)
    case .filled(let value):
      program.scalars.append(.constant(value))
      return ~Int32(program.scalars.count - 1)
    case .random(let distribution, let stream):
      program.draws.append(
        Program.RandomDraw(distribution: distribution, stream: stream, map: map(of: entry)))
      return append(.random, Int32(program.draws.count - 1))
    case .unary(let operation):
      return append(.unary(operation), register(value(0, of: entry)))
    case .binary(let operation):
      let (first, second) = (value(0, of: entry), value(1, of: entry))
      return append(.binary(operation), first < 0 && second < 0 ? register(first) : first, second)
    case .select:
      return append(
        .select, register(value(0, of: entry)), register(value(1, of: entry)), register(value(2, of: entry)))
    case .convert(let dtype):
      return append(.convert, register(value(0, of: entry)), dtype: dtype)
    case .fold(let reduction, let takesRoot):
      let operands = (0..<node.inputs.count).map { register(value($0, of: entry)) }
      program.folds.append(Program.Fold(reduction: reduction, takesRoot: takesRoot, operands: operands))
      return append(.fold, Int32(program.folds.count - 1))
    case .topMask:
      let input = register(value(0, of: entry))
      program.masks.append(
        Program.Mask(selection: node.inputs[1], cut: node.inputs[2], map: map(of: entry)))
      return append(.mask, Int32(program.masks.count - 1), input)
    case .concatenate, .gather, .rank, .row, .product:
      return try emitNested(node, offset: map(of: entry).offset)
    case .identical:
      throw TensorError.identicalComputed(graph.dtype(of: entry.node))
    case .constant, .results, .view, .reduce, .selectCoarse, .selectFine, .tieCut, .call, .element:
      preconditionFailure("Not an operation of a program")
    }
  }

  private func map(of entry: ProgramOutline.Entry) -> IndexMap { outline.maps[Int(entry.map)] }

  private func value(_ index: Int, of entry: ProgramOutline.Entry) -> Program.Operand {
    values[Int(outline.operands[Int(entry.operands) + index])]
  }

  private mutating func load(_ origin: Program.Leaf.Origin, _ entry: ProgramOutline.Entry) -> Program.Operand
  {
    program.leaves.append(Program.Leaf(origin: origin, map: map(of: entry)))
    return append(.load, Int32(program.leaves.count - 1))
  }

  private mutating func emitNested(_ node: ExpressionGraph.Node, offset: Int) throws -> Program.Operand {
    var programs: [Program] = []
    for _ in 0..<node.inputs.count {
      programs.append(try Self.compile(outline.nested[nestedCount], graph: graph))
      nestedCount += 1
    }
    switch node.operation {
    case .concatenate(let dimension):
      var ends: [Int] = []
      for index in 0..<node.inputs.count {
        let (_, size, inner) = graph[node.inputs[index]].shape.split(at: dimension)
        ends.append((ends.last ?? 0) + size * inner)
      }
      program.splices.append(Program.Splice(layout: .pieces(ends: ends), pieces: programs, offset: offset))
      return append(.splice, Int32(program.splices.count - 1))
    case .gather(let dimension, let indices):
      let (_, source, inner) = graph[node.inputs[0]].shape.split(at: dimension)
      program.splices.append(
        Program.Splice(
          layout: .slices(indices: indices, source: source, inner: inner), pieces: programs, offset: offset))
      return append(.splice, Int32(program.splices.count - 1))
    case .row(let function):
      program.rows.append(
        Program.Row(
          program: programs[0], function: function, length: node.shape.dimensions[node.shape.rank - 1],
          offset: offset))
      return append(.row, Int32(program.rows.count - 1))
    case .product:
      let inner = graph[node.inputs[1]].shape.dimensions[0]
      program.products.append(
        Program.Product(
          left: programs[0], right: programs[1], rows: node.shape.dimensions[0], inner: inner,
          columns: node.shape.dimensions[1], offset: offset))
      return append(.product, Int32(program.products.count - 1))
    default:
      let row = node.shape.dimensions[node.shape.rank - 1]
      program.rankings.append(Program.Ranking(program: programs[0], row: row, offset: offset))
      return append(.rank, Int32(program.rankings.count - 1))
    }
  }

  /// The operand in a register; a scalar is spread over one.
  private mutating func register(_ operand: Program.Operand) -> Program.Operand {
    operand < 0 ? append(.fill, operand) : operand
  }

  private mutating func append(
    _ code: Program.Code, _ first: Program.Operand, _ second: Program.Operand = 0,
    _ third: Program.Operand = 0, dtype: DType = .f32
  ) -> Program.Operand {
    instructions.append(
      Program.Instruction(
        code: code, destination: Int32(instructions.count), first: first, second: second, third: third,
        dtype: dtype))
    return Int32(instructions.count - 1)
  }

  // MARK: Registers

  /// Gives virtual registers real ones, each free again after its last use. A destination is never one
  /// of its own operands, so that loops over them need no overlap check to be vectorised.
  private mutating func allocate(_ results: [Program.Operand], bits: Set<Int>) {
    // A block of bits begins at the block's first element, which those that are widened to whole rows do not.
    let bits = outline.alignment == 1 ? bits : []
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
