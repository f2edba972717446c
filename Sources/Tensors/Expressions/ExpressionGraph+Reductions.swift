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
    return try scope {
      let slices = try [input, other].compactMap { $0 }.flatMap { whole in
        try positions.map { try narrow(whole, dimension: dimension, start: $0, length: 1) }
      }
      return try add(
        .fold(reduction, takesRoot: takesRoot), Inputs(slices), shape: shape.replacing(dimension, with: 1),
        precision: .single, dtype: nil)
    }
  }

  /// Elements over which a reduction runs.
  private func extent(of input: NodeID, _ dimension: Int?) -> Int {
    dimension.map { self[input].shape.dimensions[$0] } ?? self[input].shape.count
  }

  /// Σx / n; NaN of no elements.
  package func mean(_ input: NodeID, dimension: Int?) throws -> NodeID {
    try formula(input) { x in
      try reduced(.sum, x, dimension, "mean") / Double(extent(of: input, dimension))
    }
  }

  /// √Σx².
  package func norm(_ input: NodeID, dimension: Int?) throws -> NodeID {
    if let dimension, isFolded(input, dimension) {
      try requireArithmetic(input, "norm")
      return try fold(.squares, input, with: nil, dimension: dimension, takesRoot: true)
    }
    return try scope {
      try unary(.sqrt, reduce(.squares, input, dimension: dimension, operation: "norm"))
    }
  }

  /// The variance, with `n − correction` for n; by the corrected two-pass algorithm (Chan, Golub and
  /// LeVeque 1983).
  package func variance(_ input: NodeID, dimension: Int?, correction: Double = 1) throws -> NodeID {
    let count = Double(extent(of: input, dimension))
    return try formula(input) { x in
      let deviation = try x - Term(graph: self, node: mean(input, dimension: dimension))
      let squares = try reduced(.squares, deviation, dimension, "var")
      let sum = try reduced(.sum, deviation, dimension, "var")
      return try (squares - sum * sum / count) / (count - correction)
    }
  }

  /// Elements that are not zero, as a number.
  package func countNonzero(_ input: NodeID, dimension: Int?) throws -> NodeID {
    try scope {
      let mask = try binary(.notEqual, input, constant(0))
      return try reduce(.sum, mask, dimension: dimension, operation: "count_nonzero")
    }
  }

  /// exp(x − max) / Σ exp(x − max).
  package func softmax(_ input: NodeID, dimension: Int?) throws -> NodeID {
    try formula(input) { x in
      let shifted = try x - reduced(.maximum, x, dimension, "softmax")
      let exponential = Term(graph: self, node: try unary(.exp, shifted.node))
      return try exponential / reduced(.sum, exponential, dimension, "softmax")
    }
  }

  private func reduced(
    _ reduction: Reduction, _ term: Term, _ dimension: Int?, _ operation: String
  ) throws -> Term {
    Term(graph: self, node: try reduce(reduction, term.node, dimension: dimension, operation: operation))
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
    return try scope {
      let threshold = try selection(.topMask, input, k: k)
      let cut = try add(.tieCut, .two(input, threshold), shape: .scalar, precision: .double, dtype: nil)
      return try add(.topMask, .three(input, threshold, cut), shape: shape, precision: .single, dtype: nil)
    }
  }

  private func selection(_ kind: SelectionKind, _ input: NodeID, k: NodeID) throws -> NodeID {
    try scope {
      let earlier = try earlierSelection(kind, input, k: k)
      let coarse = try add(
        .selectCoarse(kind), earlier.map { .three(input, k, $0) } ?? .two(input, k), shape: .scalar,
        precision: .double, dtype: nil)
      return try add(
        .selectFine, .three(input, k, coarse), shape: .scalar, precision: .double, dtype: nil)
    }
  }

  /// A selection that need not wait for the numbers in the last operations on the input (a clamp to a multiple of
  /// the norm, a scale that is found), from what they begin with.
  private func earlierSelection(_ kind: SelectionKind, _ input: NodeID, k: NodeID) throws -> NodeID? {
    guard let chain = MonotoneChain(unknownTo: input, in: self) else { return nil }
    guard chain.takesMagnitude else { return try selection(kind, chain.start, k: k) }
    return try scope { try selection(kind, unary(.abs, chain.start), k: k) }
  }

  func checkCount(_ kind: SelectionKind, _ input: NodeID, _ k: NodeID) throws {
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
      let last = shape.rank - 1
      return try scope {
        try transpose(ranks(transpose(input, dimension, last), dimension: last), dimension, last)
      }
    }
    return try add(.rank, .one(input), shape: shape, precision: .single, dtype: nil)
  }
}
