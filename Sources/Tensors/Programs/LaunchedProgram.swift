/// A program with what its launch knows: byte sources, the values of scalars, the outcomes of
/// selections. Immutable; workers share it.
struct LaunchedProgram: Sendable {
  struct Leaf: Sendable {
    var source: any ByteSource
    var dtype: DType
    var width: Int
    var map: IndexMap

    /// The mask that is read bit by bit, where it is and in its own order.
    var mask: BitMask? { map.isLinear ? source as? BitMask : nil }

    /// Elements of the iteration space that follow each other and are one stored element, as where a number
    /// for each row is spread over the rows; `nil` if they are few, or not all alike. Only one is read then.
    var run: Int? {
      guard let last = map.axes.last, last.stride == 0, last.size >= 64,
        map.axes.count == 1 || (map.axes.count == 2 && map.axes[0].stride == 1)
      else { return nil }
      return last.size
    }
  }

  struct Mask: Sendable {
    /// Elements greater than it belong to the top k (NaN counts as greatest), and of those equal to it
    /// the ones with an index below `cut`.
    var threshold: Float
    var cut: Int
    var map: IndexMap
  }

  struct Splice: Sendable {
    var layout: Program.Splice.Layout
    var pieces: [LaunchedProgram]
    var offset: Int
    /// Elements of one outer block.
    var period: Int
  }

  struct Ranking: Sendable {
    var program: LaunchedProgram
    var row: Int
    var offset: Int
    /// What is made of the ranks, if they are only compared with.
    var line: RankLine?
  }

  /// As `Program.Row`.
  struct Row: Sendable {
    var program: LaunchedProgram
    var function: RowFunction
    var length: Int
    var offset: Int
  }

  /// As `Program.Product`.
  struct Product: Sendable {
    var left: LaunchedProgram
    var right: LaunchedProgram
    var rows: Int
    var inner: Int
    var columns: Int
    var offset: Int
  }

  struct RankLine: Sendable {
    var factor: Float
    var addend: Float
  }

  var count: Int
  var leaves: [Leaf]
  var scalars: [Double]
  var draws: [Program.RandomDraw]
  var masks: [Mask]
  var splices: [Splice]
  var rankings: [Ranking]
  var rows: [Row]
  var blockRows: [Program.BlockRow]
  var products: [Product]
  var folds: [Program.Fold]
  var instructions: [Program.Instruction]
  var registerCount: Int
  /// As the outline's.
  var alignment: Int
  var roots: [Program.Operand]
  var bitRoots: Set<Int>

  /// Bytes of one element of every leaf that a tile holds.
  var bytesPerElement: Int {
    leaves.reduce(0) { $0 + ($1.run == nil ? $1.width : 0) }
      + splices.flatMap(\.pieces).reduce(0) { max($0, $1.bytesPerElement) } + 4
      * (products.count + rows.count)
  }
}

extension LaunchedProgram {
  /// Looks up everything that `program` left open; `scalar` gives the values of scalar nodes, all of
  /// whose sweeps have ended, and `masks` are those that such sweeps have kept.
  init(
    _ program: Program, graph: ExpressionGraph, masks kept: [NodeID: StoredLeaf] = [:],
    scalar: (NodeID) throws -> Double
  ) throws {
    count = program.count
    leaves = program.leaves.map { leaf in
      let stored: StoredLeaf
      switch leaf.origin {
      case .stored(let leaf): stored = leaf
      case .result(let node):
        graph.settleIfKnown(elementOfCall: node)
        guard let leaf = graph.storedLeaf(node) else { preconditionFailure("No result yet") }
        stored = leaf
      case .mask(let node):
        guard let leaf = kept[node] else { preconditionFailure("No mask yet") }
        stored = leaf
      }
      return Leaf(
        source: stored.source, dtype: stored.dtype, width: stored.dtype.byteWidth ?? 1, map: leaf.map)
    }
    let scalars = try program.scalars.map { entry in
      switch entry {
      case .constant(let value): value
      case .node(let node): try scalar(node)
      }
    }
    self.scalars = scalars
    draws = program.draws
    masks = program.masks.map { mask in
      guard case .selection(let selected) = graph[mask.selection].result,
        case .cut(let cut) = graph[mask.cut].result
      else { preconditionFailure("No result yet") }
      return Mask(threshold: selected.threshold, cut: cut, map: mask.map)
    }
    splices = try program.splices.map { splice in
      let period: Int
      switch splice.layout {
      case .pieces(let ends): period = ends.last ?? 0
      case .slices(let indices, _, let inner): period = indices.count * inner
      }
      return Splice(
        layout: splice.layout,
        pieces: try splice.pieces.map {
          try LaunchedProgram($0, graph: graph, masks: kept, scalar: scalar)
        },
        offset: splice.offset, period: period)
    }
    rankings = try program.rankings.map {
      Ranking(
        program: try LaunchedProgram($0.program, graph: graph, masks: kept, scalar: scalar),
        row: $0.row, offset: $0.offset,
        line: $0.line.map {
          RankLine(factor: Float(scalars[Int(~$0.factor)]), addend: Float(scalars[Int(~$0.addend)]))
        })
    }
    rows = try program.rows.map {
      Row(
        program: try LaunchedProgram($0.program, graph: graph, masks: kept, scalar: scalar),
        function: $0.function, length: $0.length, offset: $0.offset)
    }
    products = try program.products.map {
      Product(
        left: try LaunchedProgram($0.left, graph: graph, masks: kept, scalar: scalar),
        right: try LaunchedProgram($0.right, graph: graph, masks: kept, scalar: scalar),
        rows: $0.rows, inner: $0.inner, columns: $0.columns, offset: $0.offset)
    }
    blockRows = program.blockRows
    folds = program.folds
    instructions = program.instructions
    registerCount = program.registerCount
    alignment = program.alignment
    roots = program.roots
    bitRoots = program.bitRoots
  }
}
