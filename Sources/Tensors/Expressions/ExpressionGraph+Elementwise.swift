// Building nodes that compute element by element. Every function returns a node with one reference,
// which the caller owns.

extension ExpressionGraph {
  /// A number.
  package func constant(_ value: Double) throws -> NodeID {
    try add(.constant(value), shape: .scalar, precision: .double, dtype: nil)
  }

  /// A tensor of one value. A `nil` dtype gives way to that of whatever it meets.
  package func filled(_ shape: Shape, with value: Double, dtype: DType? = nil) throws -> NodeID {
    if let dtype, !dtype.isArithmetic { throw TensorError.notFloat(operation: "full", dtype) }
    return try add(.filled(value), shape: shape, precision: .single, dtype: dtype)
  }

  /// A checkpoint's tensor.
  package func stored(_ leaf: StoredLeaf, shape: Shape) throws -> NodeID {
    try add(.stored(leaf), shape: shape, precision: .single, dtype: leaf.dtype)
  }

  /// A tensor of given float32 elements, row-major.
  package func values(_ elements: [Float], shape: Shape, dtype: DType? = nil) throws -> NodeID {
    let leaf = StoredLeaf(source: MemorySource(elements), dtype: .f32, count: elements.count)
    return try add(.stored(leaf), shape: shape, precision: .single, dtype: dtype)
  }

  /// A tensor of random numbers: element i is the stream's number i.
  package func random(_ distribution: Distribution, shape: Shape, stream: RandomStream) throws -> NodeID {
    try add(.random(distribution, stream), shape: shape, precision: .single, dtype: nil)
  }

  /// An operation on every element.
  package func unary(_ operation: UnaryOperation, _ input: NodeID) throws -> NodeID {
    try requireArithmetic(input, operation.name)
    if let value = constantValue(input) { return try constant(ScalarMath.apply(operation, value)) }
    let node = self[input]
    return try add(
      .unary(operation), .one(input), shape: node.shape, precision: node.precision, dtype: node.dtype)
  }

  /// Combines two operands, stretched to a common shape by NumPy's rule.
  package func binary(_ operation: BinaryOperation, _ first: NodeID, _ second: NodeID) throws -> NodeID {
    try requireArithmetic(first, operation.name)
    try requireArithmetic(second, operation.name)
    switch (constantValue(first), constantValue(second)) {
    case (let a?, let b?): return try constant(ScalarMath.apply(operation, a, b))
    case (nil, let b?) where Self.isNeutral(operation, b):
      return another(first)
    default: break
    }
    let (shape, precision) = try joined([first, second], operation.name)
    let dtype = operation.isComparison ? nil : promoted([first, second])
    return try add(.binary(operation), .two(first, second), shape: shape, precision: precision, dtype: dtype)
  }

  /// Whether `x operation value` is x for every x, bit for bit.
  private static func isNeutral(_ operation: BinaryOperation, _ value: Double) -> Bool {
    switch operation {
    case .multiply, .divide, .power: value == 1
    case .subtract: value == 0 && value.sign == .plus
    default: false
    }
  }

  /// `first` where `condition` is not zero, else `second`.
  package func select(_ condition: NodeID, _ first: NodeID, _ second: NodeID) throws -> NodeID {
    for input in [condition, first, second] { try requireArithmetic(input, "where") }
    if let value = constantValue(condition), self[first].shape == self[second].shape,
      self[first].precision == self[second].precision, self[first].dtype == self[second].dtype
    {
      let chosen = value != 0 ? first : second
      return another(chosen)
    }
    let (shape, precision) = try joined([condition, first, second], "where")
    return try add(
      .select, .three(condition, first, second), shape: shape, precision: precision,
      dtype: promoted([first, second]))
  }

  /// Elements below `lowest` become it, those above `highest` become that; `nil` is no bound.
  package func clamp(_ input: NodeID, _ lowest: NodeID?, _ highest: NodeID?) throws -> NodeID {
    try scope {
      let raised = try lowest.map { try binary(.maximum, input, $0) } ?? input
      return try highest.map { try binary(.minimum, raised, $0) } ?? raised
    }
  }

  /// Rounds every element to `dtype`, as storing would, and makes it the dtype to store.
  package func convert(_ input: NodeID, to dtype: DType) throws -> NodeID {
    let node = self[input]
    if node.dtype == dtype, !dtype.isArithmetic || storedLeaf(input)?.dtype == dtype { return another(input) }
    // What is rounded to a dtype is not rounded again.
    if case .convert(dtype) = node.operation { return another(input) }
    // Masks and counts are numbers from here on.
    if node.dtype.map({ !$0.isConvertible }) ?? false { try requireArithmetic(input, "to") }
    guard dtype.isConvertible else { throw TensorError.notFloat(operation: "to", dtype) }
    return try add(
      .convert(dtype), .one(input), shape: node.shape, precision: node.precision, dtype: dtype)
  }

  /// The first tensor, for any dtype, on condition that all have the same bytes; else the run fails, or, if that is
  /// not required, says so.
  package func identical(_ inputs: [NodeID], isRequired: Bool = true) throws -> NodeID {
    guard let first = inputs.first else { throw TensorError.noInputs(operation: "identical") }
    for input in inputs {
      guard self[input].shape == self[first].shape else {
        throw TensorError.shapeMismatch(operation: "identical", self[first].shape, self[input].shape)
      }
      guard case .stored = self[input].operation else {
        throw TensorError.notFloat(operation: "identical (of computed tensors)", dtype(of: input))
      }
    }
    if inputs.count == 1 { return another(first) }
    return try add(
      .identical(isRequired: isRequired), Inputs(inputs), shape: self[first].shape, precision: .single,
      dtype: self[first].dtype)
  }

  /// Scalars that a host function computes from the inputs once they are known.
  package func deferred(_ inputs: [NodeID], _ call: DeferredCall) throws -> [NodeID] {
    for input in inputs where !isScalar(input) {
      throw TensorError.needsScalar(operation: "defer", self[input].shape)
    }
    return try elements(
      of: .host(call), inputs,
      Array(repeating: ResultForm(shape: .scalar, precision: .double), count: call.outputs))
  }

  /// The results of a function of whole matrices, each a node of its own, of the dtype `dtype`.
  package func kernel(_ kernel: any Kernel, _ inputs: [NodeID], dtype: DType? = nil) throws -> [NodeID] {
    for input in inputs { try requireArithmetic(input, kernel.name) }
    return try elements(of: .kernel(KernelCall(kernel)), inputs, kernel.results, dtype)
  }

  private func elements(
    of call: Call, _ inputs: [NodeID], _ results: [ResultForm], _ dtype: DType? = nil
  ) throws -> [NodeID] {
    try scope {
      let node = try add(.call(call), Inputs(inputs), shape: .scalar, precision: .single, dtype: nil)
      return try results.indices.map { output in
        try add(
          .element(output), .one(node), shape: results[output].shape, precision: results[output].precision,
          dtype: dtype)
      }
    }
  }

  // MARK: Rules shared by all operations

  func requireArithmetic(_ node: NodeID, _ operation: String) throws {
    if let dtype = self[node].dtype, !dtype.isArithmetic {
      throw TensorError.notArithmetic(operation: operation, dtype)
    }
  }

  /// The common shape of operands, and float64 if all of them are.
  private func joined(_ inputs: [NodeID], _ operation: String) throws -> (Shape, Precision) {
    var shape = self[inputs[0]].shape
    var precision = self[inputs[0]].precision
    for input in inputs.dropFirst() {
      guard let wider = try shape.broadcast(with: self[input].shape) else {
        throw TensorError.notBroadcastable(operation: operation, shape, self[input].shape)
      }
      shape = wider
      if self[input].precision == .single { precision = .single }
    }
    return (shape, precision)
  }

  /// The dtype of a result. Numbers and other operands without a dtype of their own do not count.
  func promoted(_ inputs: [NodeID]) -> DType? { DType.promoted(inputs.compactMap { self[$0].dtype }) }
}

extension UnaryOperation {
  /// The name in scripts.
  package var name: String { self == .negate ? "-" : "\(self)" }
}

extension BinaryOperation {
  /// The name in scripts.
  package var name: String {
    switch self {
    case .add: "+"
    case .subtract: "-"
    case .multiply: "*"
    case .divide: "/"
    case .power: "^"
    case .minimum: "minimum"
    case .maximum: "maximum"
    case .equal: "eq"
    case .notEqual: "ne"
    case .less: "lt"
    case .lessOrEqual: "le"
    case .greater: "gt"
    case .greaterOrEqual: "ge"
    }
  }
}
