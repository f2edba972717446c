/// A straight line of block operations that computes some expressions at the same element positions:
/// what lies between barriers, fused.
///
/// It says what to read and where to find it, but holds neither data nor the values of scalars; those
/// are bound when it is launched.
package struct Program {
  /// A register if not negative, else the scalar `~operand`.
  package typealias Operand = Int32

  enum Code: Sendable {
    case load, random, mask, splice, rank, row, product, fill, convert, select, fold
    /// A function of rows of which a block holds whole ones.
    case blockRow
    /// Whether a uniform draw is below a scalar, as bits.
    case bernoulli
    /// Whether a vector is below the line of a ranking, as bits.
    case belowRankLine
    case unary(UnaryOperation)
    case binary(BinaryOperation)
    /// (first operation second) end third, of float32.
    case pair(BinaryOperation, PairEnd)
  }

  /// The second operation of a pair, on the first one's result and a third operand.
  enum PairEnd: Sendable {
    case add, subtract, multiply, less, lessOrEqual, greater, greaterOrEqual
    /// The third operand less the result.
    case subtractFrom
    /// The result's, without a third operand.
    case magnitude
  }

  package struct Instruction: Sendable {
    var code: Code
    package var destination: Int32
    /// Operands; `first` of load, random, bernoulli, mask, splice, rank, row, blockRow, product, belowRankLine and fold
    /// is an index into the program's lists.
    package var first: Operand = 0
    var second: Operand = 0
    var third: Operand = 0
    var dtype: DType = .f32
    /// Bit k of a binary operation or a pair: operand k is an index into the leaves, whose bfloat16 or bits are read
    /// where they are stored.
    var stored: UInt8 = 0
    /// Bit k: operand k is a register of bits.
    var bits: UInt8 = 0

    /// Calls `body` with the operands of a binary operation or a pair that are registers.
    fileprivate func forEachOperandRegister(_ body: (Int32) -> Void) {
      if first >= 0, stored & 1 == 0 { body(first) }
      if second >= 0, stored & 2 == 0 { body(second) }
      if case .pair(_, let end) = code, end != .magnitude, third >= 0, stored & 4 == 0 { body(third) }
    }
  }

  /// Stored elements, a barrier's result or a mask, at the positions of a map.
  package struct Leaf {
    enum Origin {
      case stored(StoredLeaf)
      case result(NodeID)
      /// A mask that a sweep has kept.
      case mask(NodeID)
    }
    var origin: Origin
    package var map: IndexMap
  }

  enum Scalar {
    case constant(Double)
    case node(NodeID)
  }

  struct RandomDraw: Sendable {
    var distribution: Distribution
    var stream: RandomStream
    var map: IndexMap
  }

  struct Mask {
    var selection: NodeID
    var cut: NodeID
    var map: IndexMap
  }

  /// A sequence of runs, each computed by a program of its own: concatenations and gathers.
  struct Splice {
    enum Layout: Sendable {
      /// Piece p fills the elements before `ends[p]`, from the end of the piece before it, of each outer
      /// block of `ends.last` elements.
      case pieces(ends: [Int])
      /// Slice s of `count` in each outer block is slice `indices[s]` of `source` in the piece.
      case slices(indices: [Int], source: Int, inner: Int)
    }
    var layout: Layout
    var pieces: [Program]
    /// Where the program's elements begin in the spliced space.
    var offset: Int
  }

  struct Ranking {
    var program: Program
    var row: Int
    var offset: Int
    /// What is made of the ranks, if they are only compared with.
    var line: RankLine?
  }

  /// A function of whole rows.
  struct Row {
    var program: Program
    var function: RowFunction
    var length: Int
    var offset: Int
  }

  /// A function of rows that lie whole in a block.
  package struct BlockRow: Sendable {
    var function: RowFunction
    var length: Int
  }

  /// A product of matrices, of which the right one is held whole by each worker, and the left one read by rows.
  struct Product {
    var left: Program
    var right: Program
    var rows: Int
    var inner: Int
    var columns: Int
    /// Where the program's elements begin in the product.
    var offset: Int

    /// Rows that are computed together: enough for BLAS to be fast. By the shape alone, for they decide about the
    /// last bits.
    static func rowsOfBlock(columns: Int) -> Int { max(16, Partition.chunk / max(1, columns)) }
  }

  /// factor · rank + addend; both are scalars.
  struct RankLine {
    var factor: Operand
    var addend: Operand
  }

  /// A reduction of registers, element by element.
  struct Fold: Sendable {
    var reduction: Reduction
    var takesRoot: Bool
    /// Registers; for `.dot`, the first half are the first factors.
    var operands: [Operand]
  }

  var precision: Precision
  /// Elements of the iteration space.
  var count: Int
  package var leaves: [Leaf] = []
  var scalars: [Scalar] = []
  var draws: [RandomDraw] = []
  var masks: [Mask] = []
  var splices: [Splice] = []
  var rankings: [Ranking] = []
  var rows: [Row] = []
  package var blockRows: [BlockRow] = []
  var products: [Product] = []
  var folds: [Fold] = []
  package var instructions: [Instruction] = []
  package var registerCount = 0
  /// What was asked for, in order.
  package var roots: [Operand] = []
  /// The positions of those that are registers of bits.
  var bitRoots: Set<Int> = []
  /// As the outline's.
  var granularity = 1
  /// As the outline's.
  var alignment = 1
  var readsScattered = false
}

extension Program {
  /// Calls `body` with the registers that an instruction reads; with one that it reads twice, perhaps
  /// twice.
  func forEachRegister(of instruction: Instruction, _ body: (Int32) -> Void) {
    switch instruction.code {
    case .load, .random, .bernoulli, .splice, .rank, .row, .product: break
    case .mask, .belowRankLine, .blockRow: body(instruction.second)
    case .fill: break
    case .convert, .unary: body(instruction.first)
    case .binary, .pair: instruction.forEachOperandRegister(body)
    case .select:
      body(instruction.first)
      body(instruction.second)
      body(instruction.third)
    case .fold: folds[Int(instruction.first)].operands.forEach(body)
    }
  }

  /// Puts other registers in the place of those that an instruction reads.
  mutating func rename(_ instruction: inout Instruction, _ register: (Int32) -> Int32) {
    func real(_ operand: Operand) -> Operand { operand >= 0 ? register(operand) : operand }
    switch instruction.code {
    case .load, .random, .bernoulli, .splice, .rank, .row, .product, .fill: break
    case .mask, .belowRankLine, .blockRow: instruction.second = real(instruction.second)
    case .convert, .unary: instruction.first = real(instruction.first)
    case .binary, .pair:
      if instruction.stored & 1 == 0 { instruction.first = real(instruction.first) }
      if instruction.stored & 2 == 0 { instruction.second = real(instruction.second) }
      guard case .pair(_, let end) = instruction.code, end != .magnitude else { break }
      if instruction.stored & 4 == 0 { instruction.third = real(instruction.third) }
    case .select:
      instruction.first = real(instruction.first)
      instruction.second = real(instruction.second)
      instruction.third = real(instruction.third)
    case .fold:
      let fold = Int(instruction.first)
      folds[fold].operands = folds[fold].operands.map(real)
    }
  }

  /// Calls `body` with every node whose value or result is looked up when the program is launched.
  func forEachNode(_ body: (NodeID) -> Void) { forEachNode { node, _ in body(node) } }

  /// Calls `body` with every node whose value, of scalars, or result is looked up when the program is launched.
  func forEachNode(_ body: (_ node: NodeID, _ isScalar: Bool) -> Void) {
    for leaf in leaves {
      switch leaf.origin {
      case .result(let node), .mask(let node): body(node, false)
      case .stored: break
      }
    }
    for scalar in scalars { if case .node(let node) = scalar { body(node, true) } }
    for mask in masks {
      body(mask.selection, false)
      body(mask.cut, false)
    }
    for splice in splices { for piece in splice.pieces { piece.forEachNode(body) } }
    for ranking in rankings { ranking.program.forEachNode(body) }
    for row in rows { row.program.forEachNode(body) }
    for product in products {
      product.left.forEachNode(body)
      product.right.forEachNode(body)
    }
  }
}
