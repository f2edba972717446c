/// Operations with numbers that lead from some elements, or their magnitudes, to others and never turn their
/// order round, so that the k-th largest of the results is the result of the k-th largest.
///
/// As computed, too: each operation is monotone, and so is rounding to float32. Some numbers turn the order round
/// all the same (a factor below zero), or lose it (infinity less infinity): see `callAsFunction`.
struct MonotoneChain {
  enum Step {
    /// Of an element and a number, in this order; a sum, difference, product or quotient, or the smaller or
    /// larger of both. Where only magnitudes matter, as below an absolute value, they meet the number's.
    case number(BinaryOperation, NodeID, ofMagnitudes: Bool)
    /// An element times itself.
    case square
  }

  /// The steps, the last one first.
  private(set) var steps: [Step] = []
  /// What they begin with.
  private(set) var start: NodeID
  /// Whether they begin with its magnitudes.
  private(set) var takesMagnitude = false

  /// Nothing done yet to `elements`.
  private init(to elements: NodeID) { start = elements }

  /// The shortest chain to `elements` with all the numbers in it that are not known yet; `nil` if there are none.
  init?(unknownTo elements: NodeID, in graph: ExpressionGraph) {
    var chain = MonotoneChain(to: elements)
    var end: (steps: Int, start: NodeID, takesMagnitude: Bool)?
    var stepCount = 0
    while chain.goBack(in: graph) {
      guard chain.steps.count > stepCount else { continue }
      stepCount = chain.steps.count
      if case .number(_, let number, _)? = chain.steps.last, graph.constantValue(number) == nil {
        end = (stepCount, chain.start, chain.takesMagnitude)
      }
    }
    guard let end else { return nil }
    steps = Array(chain.steps.prefix(end.steps))
    (start, takesMagnitude) = (end.start, end.takesMagnitude)
  }

  /// The chain from `start`, or the magnitudes that `start` has, to `elements`; `nil` if there is none any more,
  /// as when `elements` have been computed meanwhile.
  init?(from start: NodeID, to elements: NodeID, in graph: ExpressionGraph) {
    var chain = MonotoneChain(to: elements)
    func isComplete() -> Bool {
      if chain.start == start { return !chain.takesMagnitude }
      guard chain.takesMagnitude, case .unary(.abs) = graph[start].operation else { return false }
      return graph[start].inputs[0] == chain.start
    }
    while !isComplete() { guard chain.goBack(in: graph) else { return nil } }
    self = chain
  }

  /// Takes the operation that makes `start` into the chain, if it may be a part of it.
  private mutating func goBack(in graph: ExpressionGraph) -> Bool {
    let node = graph[start]
    switch node.operation {
    case .unary(.abs):
      takesMagnitude = true
      start = node.inputs[0]
    case .unary(.negate) where takesMagnitude:
      start = node.inputs[0]
    case .binary(.multiply) where node.inputs[0] == node.inputs[1]:
      steps.append(.square)
      takesMagnitude = true
      start = node.inputs[0]
    case .binary(let operation):
      guard let (elements, number) = Self.operands(of: node, operation, in: graph) else { return false }
      switch operation {
      case .multiply, .divide: break
      case .add, .subtract: guard !takesMagnitude else { return false }
      case .minimum, .maximum:
        guard takesMagnitude else { break }
        return goBackOverClamp(operation, elements, number, in: graph)
      default: return false
      }
      steps.append(.number(operation, number, ofMagnitudes: takesMagnitude))
      start = elements
    default: return false
    }
    return true
  }

  /// Takes the two bounds of a clamp, which holds magnitudes below the upper one if the lower one is its opposite.
  private mutating func goBackOverClamp(
    _ operation: BinaryOperation, _ elements: NodeID, _ number: NodeID, in graph: ExpressionGraph
  ) -> Bool {
    let inner = graph[elements]
    let other: BinaryOperation = operation == .minimum ? .maximum : .minimum
    guard case .binary(other) = inner.operation,
      let (unbounded, otherNumber) = Self.operands(of: inner, other, in: graph)
    else { return false }
    let (low, high) = operation == .minimum ? (otherNumber, number) : (number, otherNumber)
    guard Self.areOpposite(low, high, in: graph) else { return false }
    steps.append(.number(.minimum, high, ofMagnitudes: true))
    start = unbounded
    return true
  }

  /// The elements and the number that an operation combines to elements of the same precision.
  private static func operands(
    of node: ExpressionGraph.Node, _ operation: BinaryOperation, in graph: ExpressionGraph
  ) -> (elements: NodeID, number: NodeID)? {
    let (first, second) = (node.inputs[0], node.inputs[1])
    if graph.isScalar(second), graph[first].precision == .single { return (first, second) }
    switch operation {
    case .add, .multiply, .minimum, .maximum:
      return graph.isScalar(first) && graph[second].precision == .single ? (second, first) : nil
    default: return nil
    }
  }

  /// Whether one number is the other one negated.
  private static func areOpposite(_ a: NodeID, _ b: NodeID, in graph: ExpressionGraph) -> Bool {
    if let a = graph.constantValue(a), let b = graph.constantValue(b) { return a == -b }
    func isNegated(_ a: NodeID, _ b: NodeID) -> Bool {
      guard case .unary(.negate) = graph[a].operation else { return false }
      return graph[a].inputs[0] == b
    }
    return isNegated(a, b) || isNegated(b, a)
  }

  /// What the steps make of elements, or of magnitudes; `value` gives the numbers. `nil` if their order may not
  /// be kept.
  func callAsFunction(_ elements: [Float], value: (NodeID) throws -> Double) rethrows -> [Float]? {
    var elements = elements
    for step in steps.reversed() {
      switch step {
      case .square:
        elements = elements.map { $0 * $0 }
      case .number(let operation, let number, let ofMagnitudes):
        var number = Float(try value(number))
        switch operation {
        case .multiply, .divide:
          if ofMagnitudes { number = number.magnitude }
          guard number > 0, number.isFinite else { return nil }
        case .add, .subtract: guard number.isFinite else { return nil }
        default: guard number >= 0 || (!ofMagnitudes && number < 0) else { return nil }
        }
        // One operation on float32 numbers, done in float64 and rounded, is what it is in float32.
        elements = elements.map { Float(ScalarMath.apply(operation, Double($0), Double(number))) }
      }
    }
    return elements
  }
}
