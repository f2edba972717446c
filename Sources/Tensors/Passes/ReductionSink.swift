/// Reduces blocks of a program's roots to one number for each outer × inner position.
///
/// The tree is fixed by element indices: chunks of `Partition.chunk` elements of a row (or, for columns,
/// the slices of a unit) are summed by themselves, then joined in order.
///
/// `@unchecked Sendable`: workers write disjoint parts of `partials`.
final class ReductionSink: SweepSink, @unchecked Sendable {
  /// The reduced space, seen as [outer, size, inner].
  struct Geometry: Hashable {
    var outer: Int
    var size: Int
    var inner: Int

    init(outer: Int, size: Int, inner: Int) {
      // A dimension of one element has as many rows as there are elements.
      self.outer = size == 1 ? outer * inner : outer
      self.size = size
      self.inner = size == 1 ? 1 : inner
    }

    /// Of a dimension of `shape`, or of all its elements.
    init(_ shape: Shape, _ dimension: Int?) {
      if let dimension {
        let (outer, size, inner) = shape.split(at: dimension)
        self.init(outer: outer, size: size, inner: inner)
      } else {
        self.init(outer: 1, size: shape.count, inner: 1)
      }
    }

    var resultCount: Int { outer * inner }
  }

  private let reduction: Reduction
  private let roots: (first: Int, second: Int)
  private let geometry: Geometry
  private let partition: Partition
  private let partials: UnsafeMutableBufferPointer<Double>
  private let partialsPerResult: Int

  /// Bytes that a reduction's partial results may take.
  static let memoryLimit = 512 << 20

  init(_ reduction: Reduction, roots: (first: Int, second: Int), geometry: Geometry, partition: Partition)
    throws
  {
    self.reduction = reduction
    self.roots = roots
    self.geometry = geometry
    self.partition = partition
    partialsPerResult =
      switch partition {
      case .linear, .samples: max(1, (geometry.size + Partition.chunk - 1) / Partition.chunk)
      case .columns(_, let size, _, let rows): max(1, (size + rows - 1) / rows)
      }
    let count = geometry.resultCount * partialsPerResult
    guard count * 8 <= Self.memoryLimit else { throw TensorError.resultTooLarge(bytes: count * 8) }
    partials = .allocate(capacity: count)
    partials.initialize(repeating: reduction.neutral)
  }

  deinit { partials.deallocate() }

  /// How a space must be cut for a reduction of this geometry.
  static func partition(of geometry: Geometry, preferredUnit: Int) -> Partition {
    let chunk = Partition.chunk
    let count = geometry.outer * geometry.size * geometry.inner
    guard geometry.inner == 1 else {
      // As many chunks of rows as keep the partial results small, and the work spread.
      let bytes = max(1, geometry.resultCount * 8)
      let parts = max(1, min(64, (32 << 20) / bytes, geometry.size * geometry.inner / chunk))
      return .columns(
        outer: geometry.outer, size: geometry.size, inner: geometry.inner,
        rows: max(1, (geometry.size + parts - 1) / parts))
    }
    if geometry.outer == 1 { return .linear(count: count, size: max(1, preferredUnit / chunk) * chunk) }
    let row = max(1, geometry.size)
    return .linear(count: count, size: row >= chunk ? row : preferredUnit / row * row)
  }

  /// The results, in order; once all units are done.
  func results() -> [Double] {
    let inner = geometry.inner
    return (0..<geometry.resultCount).map { position in
      let (outer, column) = position.quotientAndRemainder(dividingBy: max(1, inner))
      var result = partials[outer * partialsPerResult * inner + column]
      for part in 1..<max(1, partialsPerResult) {
        result = reduction.join(result, partials[(outer * partialsPerResult + part) * inner + column])
      }
      return result
    }
  }

  func makeWorker<Element: BlockElement>(index: Int) -> SinkWorker<Element> {
    if case .columns = partition { return ColumnWorker(self) }
    return RowWorker(self)
  }

  /// Rows whose elements are next to each other.
  private final class RowWorker<Element: BlockElement>: SinkWorker<Element> {
    private let sink: ReductionSink
    private var accumulator: ChunkAccumulator

    init(_ sink: ReductionSink) {
      self.sink = sink
      accumulator = ChunkAccumulator(sink.reduction)
    }

    override func consume(_ block: Range<Int>, _ instance: ProgramInstance<Element>) {
      let x = instance.root(sink.roots.first, count: block.count)
      let bits = sink.reduction == .dot ? instance.bits(ofRoot: sink.roots.second) : nil
      let y =
        sink.reduction == .dot && bits == nil ? instance.root(sink.roots.second, count: block.count) : x
      let size = sink.geometry.size
      var position = block.lowerBound
      while position < block.upperBound {
        let (row, inRow) = position.quotientAndRemainder(dividingBy: size)
        let (chunk, index) = inRow.quotientAndRemainder(dividingBy: Partition.chunk)
        let chunkEnd = min(size - inRow, Partition.chunk - index)
        let count = min(block.upperBound - position, chunkEnd)
        let offset = position - block.lowerBound
        if let bits {
          accumulator.addDot(x + offset, bits: bits, firstBit: offset, count: count, startIndex: index)
        } else {
          accumulator.add(x + offset, y + offset, count: count, startIndex: index)
        }
        if count == chunkEnd {
          sink.partials[row * sink.partialsPerResult + chunk] = accumulator.total
          accumulator = ChunkAccumulator(sink.reduction)
        }
        position += count
      }
    }
  }

  /// Columns, whose elements lie a row apart: one number for each column of the unit's slices.
  private final class ColumnWorker<Element: BlockElement>: SinkWorker<Element> {
    private let sink: ReductionSink
    private var columns: UnsafeMutablePointer<Double>

    init(_ sink: ReductionSink) {
      self.sink = sink
      columns = sink.partials.baseAddress!
    }

    override func begin(unit: Int, range: Range<Int>) {
      columns = sink.partials.baseAddress! + unit * sink.geometry.inner
    }

    override func consume(_ block: Range<Int>, _ instance: ProgramInstance<Element>) {
      let x = instance.root(sink.roots.first, count: block.count)
      let y = sink.reduction == .dot ? instance.root(sink.roots.second, count: block.count) : x
      let inner = sink.geometry.inner
      var position = block.lowerBound
      while position < block.upperBound {
        let column = position % inner
        let count = min(block.upperBound - position, inner - column)
        let offset = position - block.lowerBound
        Element.accumulateColumns(sink.reduction, x + offset, y + offset, to: columns + column, count: count)
        position += count
      }
    }
  }
}

extension Reduction {
  /// What a reduction of nothing returns.
  var neutral: Double {
    switch self {
    case .sum, .squares, .dot: 0
    case .minimum: .infinity
    case .maximum: -.infinity
    }
  }

  /// Two partial results as one.
  func join(_ a: Double, _ b: Double) -> Double {
    switch self {
    case .sum, .squares, .dot: a + b
    case .minimum: Extrema.minimum(a, b)
    case .maximum: Extrema.maximum(a, b)
    }
  }
}

/// The reduction of one chunk of a row, fed in runs.
struct ChunkAccumulator {
  private let reduction: Reduction
  private var sum = LaneSum()
  private var extremum: Double

  init(_ reduction: Reduction) {
    self.reduction = reduction
    extremum = reduction.neutral
  }

  var total: Double {
    switch reduction {
    case .sum, .squares, .dot: sum.total
    case .minimum, .maximum: extremum
    }
  }

  /// Adds the products of a run and bits.
  mutating func addDot<Element: BlockElement>(
    _ x: UnsafePointer<Element>, bits: UnsafePointer<UInt64>, firstBit: Int, count: Int, startIndex: Int
  ) {
    Element.addDot(x, bits: bits, firstBit: firstBit, to: &sum, count: count, startIndex: startIndex)
  }

  /// Adds a run whose first element has index `startIndex` in the chunk.
  mutating func add<Element: BlockElement>(
    _ x: UnsafePointer<Element>, _ y: UnsafePointer<Element>, count: Int, startIndex: Int
  ) {
    switch reduction {
    case .sum: Element.addSum(x, to: &sum, count: count, startIndex: startIndex)
    case .squares: Element.addSquares(x, to: &sum, count: count, startIndex: startIndex)
    case .dot: Element.addDot(x, y, to: &sum, count: count, startIndex: startIndex)
    case .minimum: extremum = Extrema.minimum(extremum, Element.minimum(of: x, count: count))
    case .maximum: extremum = Extrema.maximum(extremum, Element.maximum(of: x, count: count))
    }
  }
}
