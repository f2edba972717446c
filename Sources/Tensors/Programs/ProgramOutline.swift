/// What a program computes: nodes at the positions that they are wanted at, each once, after what it is computed
/// from. Tracing finds it, and compiling turns it into instructions.
struct ProgramOutline {
  struct Entry {
    var node: NodeID
    /// An index into `maps`; 0 is the identity. Scalars have 0.
    var map: Int32
    var source: Source
    /// Where in `operands` those of the entry begin.
    var operands: Int32
    /// Whether it is, or is computed from, random draws or ranks.
    var isExpensive = false
    /// Of functions of rows: whether blocks hold whole rows, so that it is computed from a register.
    var isWithinBlocks = false
  }

  /// Where an entry's elements come from.
  enum Source: UInt8 {
    /// A number.
    case scalar
    /// A result of its own that another sweep has stored.
    case result
    /// A mask that another sweep has kept.
    case mask
    /// The operation, done here.
    case operation
  }

  let precision: Precision
  /// Elements of the iteration space.
  let count: Int
  var maps: [IndexMap]
  var entries: [Entry] = []
  /// Entries that others are computed from, by their places.
  var operands: [Int32] = []
  /// Of concatenations, gathers and rankings, one for each input, in the order of entries.
  var nested: [ProgramOutline] = []
  /// The entries that were asked for, in order.
  var roots: [Int32] = []
  /// Comparisons of what random draws or ranks decide: one bit per element, and expensive to recompute.
  var costlyMasks: [NodeID] = []
  /// Tiles that hold a multiple of this many elements do no work twice.
  var granularity = 1
  /// Blocks begin and end at multiples of this: the rows of functions that are computed within a block.
  var alignment = 1
  /// Whether leaves are read in another order than they are stored in, which larger tiles make cheaper.
  var readsScattered = false

  init(precision: Precision, count: Int) {
    self.precision = precision
    self.count = count
    maps = [.identity(count: count)]
  }
}
