/// Makes fewer instructions of a program of float32: an operation whose result only one other reads joins that one,
/// and stored bfloat16 is converted where it is read. Each instruction less is a trip through the L1 cache less;
/// the arithmetic stays what it was.
struct InstructionFusion {
  /// By virtual register; `nil` if it has joined another.
  private(set) var instructions: [Program.Instruction?]
  /// The positions of results that are bits.
  private(set) var bitResults: Set<Int> = []
  /// What is made of the ranks that are only compared with, by the rankings' numbers.
  private(set) var rankLines: [Int: Program.RankLine] = [:]
  private let program: Program
  private let results: [Program.Operand]

  /// Fuses the instructions of `program`, one for each virtual register, whose `results` are asked for, those at the
  /// positions `bits` also as masks of bits.
  init(
    _ instructions: [Program.Instruction], of program: Program, results: [Program.Operand], bits: Set<Int>
  ) {
    self.instructions = instructions
    self.program = program
    self.results = results
    guard program.precision == .single else { return }
    let comparisons = bitComparisons()
    makePairs(but: Set(comparisons.flatMap { [$0.position] + $0.joined }))
    readLeavesInPlace()
    for comparison in comparisons { compare(comparison, bits) }
  }

  private func useCounts() -> [Int] {
    var uses = [Int](repeating: 0, count: instructions.count)
    for case let instruction? in instructions {
      program.forEachRegister(of: instruction) { uses[Int($0)] += 1 }
    }
    for result in results where result >= 0 { uses[Int(result)] += 1 }
    return uses
  }

  /// By register, the instructions that read it.
  private func readers() -> [[Int]] {
    var readers = [[Int]](repeating: [], count: instructions.count)
    for (position, instruction) in instructions.enumerated() {
      guard let instruction else { continue }
      program.forEachRegister(of: instruction) { readers[Int($0)].append(position) }
    }
    return readers
  }

  // MARK: Comparisons

  /// A comparison that can be made as bits, in an instruction of its own kind.
  private struct BitComparison {
    var position: Int
    var instruction: Program.Instruction
    /// The positions of those that join it.
    var joined: [Int]
    /// With which ranking's ranks it compares, and what it makes of them.
    var line: (ranking: Int, line: Program.RankLine)?
  }

  private func bitComparisons() -> [BitComparison] {
    guard !program.draws.isEmpty || !program.rankings.isEmpty else { return [] }
    let uses = useCounts()
    return instructions.indices.compactMap { position in
      guard let instruction = instructions[position].flatMap(Self.vectorFirst) else { return nil }
      return comparedDraw(instruction, uses) ?? comparedRanks(instruction, uses)
    }
  }

  /// Whether a uniform draw that nothing else reads is below a scalar.
  private func comparedDraw(_ comparison: Program.Instruction, _ uses: [Int]) -> BitComparison? {
    guard case .binary(.less) = comparison.code, comparison.second < 0, uses[Int(comparison.first)] == 1,
      let random = instructions[Int(comparison.first)], case .random = random.code
    else { return nil }
    let draw = program.draws[Int(random.first)]
    guard draw.distribution == .uniform, draw.map.isLinear else { return nil }
    return BitComparison(
      position: Int(comparison.destination),
      instruction: Program.Instruction(
        code: .bernoulli, destination: comparison.destination, first: random.first, second: comparison.second),
      joined: [Int(comparison.first)])
  }

  /// Whether a vector is below factor · rank + addend, which nothing else reads.
  private func comparedRanks(_ comparison: Program.Instruction, _ uses: [Int]) -> BitComparison? {
    let (below, above): (Program.Operand, Program.Operand)
    switch comparison.code {
    case .binary(.less): (below, above) = (comparison.first, comparison.second)
    case .binary(.greater): (below, above) = (comparison.second, comparison.first)
    default: return nil
    }
    /// The instruction behind a register that is read once, with its own register first.
    func only(_ register: Program.Operand) -> Program.Instruction? {
      guard register >= 0, uses[Int(register)] == 1 else { return nil }
      return instructions[Int(register)]
    }
    guard below >= 0, below != above,
      let sum = only(above).flatMap(Self.vectorFirst), case .binary(.add) = sum.code, sum.second < 0,
      let product = only(sum.first).flatMap(Self.vectorFirst), case .binary(.multiply) = product.code,
      product.second < 0, let rank = only(product.first), case .rank = rank.code
    else { return nil }
    return BitComparison(
      position: Int(comparison.destination),
      instruction: Program.Instruction(
        code: .belowRankLine, destination: comparison.destination, first: rank.first, second: below),
      joined: [above, sum.first, product.first].map(Int.init),
      line: (Int(rank.first), Program.RankLine(factor: product.second, addend: sum.second)))
  }

  /// Makes a comparison one of bits, if all that need it take them.
  private mutating func compare(_ comparison: BitComparison, _ bits: Set<Int>) {
    let register = Int32(comparison.position)
    let roots = results.indices.filter { results[$0] == register }
    let readers = readers()[comparison.position]
    for reader in readers { putSecond(register, in: &instructions[reader]!) }
    guard bits.isSuperset(of: roots),
      readers.allSatisfy({ Self.canRead(register, .bits, in: instructions[$0]!) })
    else { return }
    for reader in readers {
      if case .pair = instructions[reader]!.code {
        instructions[reader]!.bits |= 4
      } else {
        instructions[reader]!.bits |= 2
      }
    }
    bitResults.formUnion(roots)
    instructions[comparison.position] = comparison.instruction
    for position in comparison.joined { instructions[position] = nil }
    if let (ranking, line) = comparison.line { rankLines[ranking] = line }
  }

  // MARK: Pairs

  private mutating func makePairs(but unpaired: Set<Int>) {
    let uses = useCounts()
    for position in instructions.indices {
      guard let last = instructions[position], !unpaired.contains(position) else { continue }
      for operand in Operands.all(of: last) where operand.inner >= 0 && uses[Int(operand.inner)] == 1 {
        guard !unpaired.contains(Int(operand.inner)), let inner = instructions[Int(operand.inner)],
          let first = Self.vectorFirst(inner),
          case .binary(let operation) = first.code, Self.canPair(operation, operand.end)
        else { continue }
        instructions[position] = Program.Instruction(
          code: .pair(operation, operand.end), destination: last.destination, first: first.first,
          second: first.second, third: operand.third)
        instructions[Int(operand.inner)] = nil
        break
      }
    }
  }

  /// One way to see an instruction as the end of a pair.
  private struct Operands {
    var inner: Program.Operand
    var end: Program.PairEnd
    var third: Program.Operand

    static func all(of instruction: Program.Instruction) -> [Operands] {
      switch instruction.code {
      case .unary(.abs): return [Operands(inner: instruction.first, end: .magnitude, third: 0)]
      case .binary(let operation):
        guard let ends = ends(of: operation) else { return [] }
        return [
          Operands(inner: instruction.first, end: ends.asFirst, third: instruction.second),
          Operands(inner: instruction.second, end: ends.asSecond, third: instruction.first),
        ]
      default: return []
      }
    }

    /// What an operation is to a result that is its first operand, or its second.
    private static func ends(
      of operation: BinaryOperation
    ) -> (asFirst: Program.PairEnd, asSecond: Program.PairEnd)? {
      switch operation {
      case .add: (.add, .add)
      case .multiply: (.multiply, .multiply)
      case .subtract: (.subtract, .subtractFrom)
      case .less: (.less, .greater)
      case .lessOrEqual: (.lessOrEqual, .greaterOrEqual)
      case .greater: (.greater, .less)
      case .greaterOrEqual: (.greaterOrEqual, .lessOrEqual)
      case .divide, .power, .minimum, .maximum, .equal, .notEqual: nil
      }
    }
  }

  private static func canPair(_ first: BinaryOperation, _ end: Program.PairEnd) -> Bool {
    switch first {
    case .add, .subtract, .multiply: true
    case .less, .lessOrEqual, .greater, .greaterOrEqual: end == .multiply
    case .divide, .power, .minimum, .maximum, .equal, .notEqual: false
    }
  }

  /// The same operation with a register for its first operand, or `nil` if there is none.
  private static func vectorFirst(_ instruction: Program.Instruction) -> Program.Instruction? {
    guard case .binary(let operation) = instruction.code else { return nil }
    if instruction.first >= 0 { return instruction }
    var swapped = instruction
    (swapped.first, swapped.second) = (instruction.second, instruction.first)
    switch operation {
    case .add, .multiply: break
    case .less: swapped.code = .binary(.greater)
    case .lessOrEqual: swapped.code = .binary(.greaterOrEqual)
    case .greater: swapped.code = .binary(.less)
    case .greaterOrEqual: swapped.code = .binary(.lessOrEqual)
    default: return nil
    }
    return swapped
  }

  // MARK: Leaves

  /// How a leaf can be read where it is stored.
  private enum StoredForm { case bfloat16, bits }

  /// Lets operations read stored bfloat16 and masks themselves where all that read them can.
  private mutating func readLeavesInPlace() {
    let readers = readers()
    let results = Set(results)
    for position in instructions.indices {
      let register = Int32(position)
      guard let load = instructions[position], case .load = load.code, let form = form(of: load.first),
        !results.contains(register), !readers[position].isEmpty
      else { continue }
      if form == .bits { for reader in readers[position] { putSecond(register, in: &instructions[reader]!) } }
      guard readers[position].allSatisfy({ Self.canRead(register, form, in: instructions[$0]!) }) else {
        continue
      }
      for reader in readers[position] { instructions[reader]!.read(leaf: load.first, inPlaceOf: register) }
      instructions[position] = nil
    }
  }

  private func form(of leaf: Int32) -> StoredForm? {
    let leaf = program.leaves[Int(leaf)]
    guard leaf.map.isLinear else { return nil }
    switch leaf.origin {
    case .stored(let stored): return stored.dtype == .bf16 ? .bfloat16 : nil
    case .mask: return .bits
    case .result: return nil
    }
  }

  /// Swaps the factors of a product, so that a mask's register is the second one, unless that is a mask already.
  private func putSecond(_ register: Int32, in instruction: inout Program.Instruction) {
    guard case .binary(.multiply) = instruction.code, instruction.stored & 1 == 0,
      instruction.first == register,
      instruction.bits == 0, instruction.stored & 2 == 0 || form(of: instruction.second) != .bits
    else { return }
    (instruction.first, instruction.second) = (instruction.second, instruction.first)
    instruction.stored = instruction.stored >> 1 & 1
  }

  /// Whether an instruction can read the form wherever it reads the register.
  private static func canRead(_ register: Int32, _ form: StoredForm, in instruction: Program.Instruction)
    -> Bool
  {
    switch (instruction.code, form) {
    case (.binary(.add), .bfloat16), (.binary(.subtract), .bfloat16), (.binary(.multiply), .bfloat16):
      return true
    case (.binary(.multiply), .bits):
      return instruction.stored & 2 == 0 && instruction.second == register
        && (instruction.stored & 1 != 0 || instruction.first != register)
    case (.pair(let first, let end), _):
      let isInside =
        instruction.stored & 1 == 0 && instruction.first == register
        || instruction.stored & 2 == 0 && instruction.second == register
      let isThird = end != .magnitude && instruction.stored & 4 == 0 && instruction.third == register
      switch form {
      case .bfloat16:
        return
          (!isInside || (first == .subtract && (instruction.second >= 0 || instruction.stored & 2 != 0)))
          && (!isThird || end == .add)
      case .bits:
        return !isInside && end == .multiply && !first.isComparison
      }
    default: return false
    }
  }
}

extension Program.Instruction {
  /// Puts a leaf in the place of the operands that are a register.
  fileprivate mutating func read(leaf: Int32, inPlaceOf register: Int32) {
    if stored & 1 == 0, first == register { (first, stored) = (leaf, stored | 1) }
    if stored & 2 == 0, second == register { (second, stored) = (leaf, stored | 2) }
    guard case .pair(_, let end) = code, end != .magnitude else { return }
    if stored & 4 == 0, third == register { (third, stored) = (leaf, stored | 4) }
  }
}
