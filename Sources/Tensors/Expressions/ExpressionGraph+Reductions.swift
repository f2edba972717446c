// Building barriers: reductions, selections, and what is composed of them. Every function returns a
// node with one reference, which the caller owns. Dimensions count from 0 here.

extension ExpressionGraph {
  /// Reduces one dimension, which the result keeps with size one, or all of them to a scalar.
  ///
  /// `.dot` takes `other` too, of the input's shape.
  package func reduce(
    _ reduction: Reduction, _ input: NodeID, with other: NodeID? = nil, dimension: Int? = nil,
    operation: String
  ) throws -> NodeID {
    for node in [input, other].compactMap({ $0 }) { try requireArithmetic(node, operation) }
    let shape = self[input].shape
    if let value = constantValue(input), dimension == nil, other == nil {
      return try constant(reduction == .squares ? value * value : value)
    }
    if let other, self[other].shape != shape {
      throw TensorError.shapeMismatch(operation: operation, shape, self[other].shape)
    }
    guard let dimension else {
      return try add(
        .reduce(reduction, dimension: nil), Inputs([input] + (other.map { [$0] } ?? [])),
        shape: .scalar, precision: .double, dtype: nil)
    }
    if isFolded(input, dimension) {
      return try fold(reduction, input, with: other, dimension: dimension)
    }
    return try add(
      .reduce(reduction, dimension: dimension), Inputs([input] + (other.map { [$0] } ?? [])),
      shape: shape.replacing(dimension, with: 1), precision: .double, dtype: nil)
  }

  /// Whether a reduction is computed tile by tile like arithmetic, so that nothing of the result's size is
  /// held: over a short outer dimension, such as that of a stack of models.
  private func isFolded(_ input: NodeID, _ dimension: Int) -> Bool {
    let (_, size, inner) = self[input].shape.split(at: dimension)
    return (1...32).contains(size) && inner >= 4096 && self[input].precision == .single
  }

  /// A reduction over the slices of a short dimension, element by element, in float64.
  private func fold(
    _ reduction: Reduction, _ input: NodeID, with other: NodeID?, dimension: Int, takesRoot: Bool = false
  ) throws -> NodeID {
    let shape = self[input].shape
    let positions = 0..<shape.dimensions[dimension]
    var slices = try collect(positions) { try narrow(input, dimension: dimension, start: $0, length: 1) }
    defer { slices.forEach(release) }
    if let other {
      slices += try collect(positions) { try narrow(other, dimension: dimension, start: $0, length: 1) }
    }
    return try add(
      .fold(reduction, takesRoot: takesRoot), Inputs(slices), shape: shape.replacing(dimension, with: 1),
      precision: .single, dtype: nil)
  }

  /// Elements over which a reduction runs.
  private func extent(of input: NodeID, _ dimension: Int?) -> Int {
    dimension.map { self[input].shape.dimensions[$0] } ?? self[input].shape.count
  }

  /// Σx / n; NaN of no elements.
  package func mean(_ input: NodeID, dimension: Int?) throws -> NodeID {
    let sum = try reduce(.sum, input, dimension: dimension, operation: "mean")
    defer { release(sum) }
    return try scaled(sum, .divide, Double(extent(of: input, dimension)))
  }

  /// √Σx².
  package func norm(_ input: NodeID, dimension: Int?) throws -> NodeID {
    if let dimension, isFolded(input, dimension) {
      try requireArithmetic(input, "norm")
      return try fold(.squares, input, with: nil, dimension: dimension, takesRoot: true)
    }
    let squares = try reduce(.squares, input, dimension: dimension, operation: "norm")
    defer { release(squares) }
    return try unary(.sqrt, squares)
  }

  /// The variance, with `n − correction` for n; by the corrected two-pass algorithm (Chan, Golub and
  /// LeVeque 1983).
  package func variance(_ input: NodeID, dimension: Int?, correction: Double = 1) throws -> NodeID {
    let mean = try mean(input, dimension: dimension)
    defer { release(mean) }
    let deviation = try binary(.subtract, input, mean)
    defer { release(deviation) }
    let squares = try reduce(.squares, deviation, dimension: dimension, operation: "var")
    defer { release(squares) }
    let sum = try reduce(.sum, deviation, dimension: dimension, operation: "var")
    defer { release(sum) }
    let count = Double(extent(of: input, dimension))
    let square = try binary(.multiply, sum, sum)
    defer { release(square) }
    let excess = try scaled(square, .divide, count)
    defer { release(excess) }
    let total = try binary(.subtract, squares, excess)
    defer { release(total) }
    return try scaled(total, .divide, count - correction)
  }

  /// Elements that are not zero, as a number.
  package func countNonzero(_ input: NodeID, dimension: Int?) throws -> NodeID {
    let zero = try constant(0)
    defer { release(zero) }
    let mask = try binary(.notEqual, input, zero)
    defer { release(mask) }
    return try reduce(.sum, mask, dimension: dimension, operation: "count_nonzero")
  }

  /// exp(x − max) / Σ exp(x − max).
  package func softmax(_ input: NodeID, dimension: Int?) throws -> NodeID {
    let greatest = try reduce(.maximum, input, dimension: dimension, operation: "softmax")
    defer { release(greatest) }
    let shifted = try binary(.subtract, input, greatest)
    defer { release(shifted) }
    let exponential = try unary(.exp, shifted)
    defer { release(exponential) }
    let sum = try reduce(.sum, exponential, dimension: dimension, operation: "softmax")
    defer { release(sum) }
    return try binary(.divide, exponential, sum)
  }

  private func scaled(_ input: NodeID, _ operation: BinaryOperation, _ number: Double) throws -> NodeID {
    let factor = try constant(number)
    defer { release(factor) }
    return try binary(operation, input, factor)
  }

  // MARK: Selection

  /// The k-th largest element, k a number or a lazy one; NaN counts as the largest.
  package func kthLargest(_ input: NodeID, k: NodeID) throws -> NodeID {
    try checkCount(.kthLargest, input, k)
    return try selection(.kthLargest, input, k: k)
  }

  /// 1 for exactly k elements, the largest ones, and among equals those with the lower index.
  package func topMask(_ input: NodeID, k: NodeID) throws -> NodeID {
    try checkCount(.topMask, input, k)
    let shape = self[input].shape
    if shape.count == 0 { return try filled(shape, with: 0) }
    let threshold = try selection(.topMask, input, k: k)
    defer { release(threshold) }
    let cut = try add(.tieCut, .two(input, threshold), shape: .scalar, precision: .double, dtype: nil)
    defer { release(cut) }
    return try add(.topMask, .three(input, threshold, cut), shape: shape, precision: .single, dtype: nil)
  }

  private func selection(_ kind: SelectionKind, _ input: NodeID, k: NodeID) throws -> NodeID {
    let earlier = try earlierSelection(kind, input, k: k)
    defer { if let earlier { release(earlier) } }
    let coarse = try add(
      .selectCoarse(kind), earlier.map { .three(input, k, $0) } ?? .two(input, k), shape: .scalar,
      precision: .double, dtype: nil)
    defer { release(coarse) }
    return try add(
      .selectFine, .three(input, k, coarse), shape: .scalar, precision: .double, dtype: nil)
  }

  /// A selection that need not wait for the numbers in the last operations on the input (a clamp to a multiple of
  /// the norm, a scale that is found), from what they begin with.
  private func earlierSelection(_ kind: SelectionKind, _ input: NodeID, k: NodeID) throws -> NodeID? {
    guard let chain = MonotoneChain(unknownTo: input, in: self) else { return nil }
    guard chain.takesMagnitude else { return try selection(kind, chain.start, k: k) }
    let magnitudes = try unary(.abs, chain.start)
    defer { release(magnitudes) }
    return try selection(kind, magnitudes, k: k)
  }

  private func checkCount(_ kind: SelectionKind, _ input: NodeID, _ k: NodeID) throws {
    try requireArithmetic(input, kind.rawValue)
    guard self[input].precision == .single else { throw TensorError.needsTensor(operation: kind.rawValue) }
    guard isScalar(k) else {
      throw TensorError.needsScalar(operation: "\(kind.rawValue): k", self[k].shape)
    }
    if let value = constantValue(k) { _ = try kind.count(value, of: self[input].shape.count) }
  }

  /// Ranks 1…n along a dimension, ascending; equal values keep their order, NaN ranks highest.
  package func ranks(_ input: NodeID, dimension: Int) throws -> NodeID {
    try requireArithmetic(input, "rank")
    let shape = self[input].shape
    guard self[input].precision == .single else { throw TensorError.needsTensor(operation: "rank") }
    guard shape.dimensions[dimension] <= 1 << 24 else {
      throw TensorError.rowTooLong(operation: "rank", length: shape.dimensions[dimension])
    }
    guard dimension == shape.rank - 1 else {
      let turned = try transpose(input, dimension, shape.rank - 1)
      defer { release(turned) }
      let ranked = try ranks(turned, dimension: shape.rank - 1)
      defer { release(ranked) }
      return try transpose(ranked, dimension, shape.rank - 1)
    }
    return try add(.rank, .one(input), shape: shape, precision: .single, dtype: nil)
  }
}
