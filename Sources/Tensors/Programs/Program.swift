/// A straight line of block operations that computes some expressions at the same element positions:
/// what lies between barriers, fused.
///
/// It says what to read and where to find it, but holds neither data nor the values of scalars; those
/// are bound when it is launched.
struct Program {
  /// A register if not negative, else the scalar `~operand`.
  typealias Operand = Int32

  enum Code: Sendable {
    case load, random, mask, splice, rank, fill, convert, select
    case unary(UnaryOperation)
    case binary(BinaryOperation)
  }

  struct Instruction: Sendable {
    var code: Code
    var destination: Int32
    /// Operands; `first` of load, random, mask, splice and rank is an index into the program's lists.
    var first: Operand = 0
    var second: Operand = 0
    var third: Operand = 0
    var dtype: DType = .f32
  }

  /// Stored elements, or a barrier's result, at the positions of a map.
  struct Leaf {
    enum Origin {
      case stored(StoredLeaf)
      case result(NodeID)
    }
    var origin: Origin
    var map: IndexMap
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
      /// Piece p fills `sizes[p]` elements of every `sizes` in all.
      case pieces(sizes: [Int])
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
  }

  var precision: Precision
  /// Elements of the iteration space.
  var count: Int
  var leaves: [Leaf] = []
  var scalars: [Scalar] = []
  var draws: [RandomDraw] = []
  var masks: [Mask] = []
  var splices: [Splice] = []
  var rankings: [Ranking] = []
  var instructions: [Instruction] = []
  var registerCount = 0
  /// What was asked for, in order.
  var roots: [Operand] = []

  /// Tiles that hold a multiple of this many elements do no work twice.
  var granularity: Int { rankings.map(\.row).max() ?? 1 }

  /// Whether leaves are read in another order than they are stored in, which larger tiles make cheaper.
  var readsScattered: Bool {
    leaves.contains { leaf in
      guard case .stored(let stored) = leaf.origin, !(stored.source is MemorySource) else { return false }
      return !leaf.map.isLinear && stored.count > 65_536
    }
  }
}
