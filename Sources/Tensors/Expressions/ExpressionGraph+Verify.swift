/// A rule of graphs that a node breaks.
package struct GraphDefect: Error, Equatable {
  /// What holds for every node of a graph, whatever has been computed.
  package enum Rule: Sendable, CaseIterable {
    /// As many inputs as the operation takes.
    case arity
    /// Inputs are alive, and have a reference for each node that they are an input of.
    case references
    /// No node is computed from itself.
    case acyclic
    /// The shape follows from those of the inputs.
    case shape
    /// The precision follows from those of the inputs.
    case precision
    /// What is computed has a dtype that can be computed with, or none, and so have its inputs.
    case dtype
    /// Only barriers have results beside their value.
    case result
  }

  package var rule: Rule
  package var node: NodeID

  package init(rule: Rule, node: NodeID) {
    self.rule = rule
    self.node = node
  }
}

extension ExpressionGraph {
  /// Throws the first `GraphDefect` of the nodes that are alive. Tests run it; nothing else does.
  package func verify() throws {
    try verifyReferences()
    try verifyOrder()
    for (node, index) in living {
      for (rule, holds) in Self.rules where !holds(self, node) {
        throw GraphDefect(rule: rule, node: NodeID(index: index))
      }
    }
  }

  private var living: some Sequence<(node: Node, index: Int32)> {
    nodes.lazy.enumerated().filter { $0.element.references > 0 }.map { ($0.element, Int32($0.offset)) }
  }

  private func verifyReferences() throws {
    var uses: [NodeID: Int32] = [:]
    for (node, index) in living {
      guard node.operation.traits.arity.contains(node.inputs.count) else {
        throw GraphDefect(rule: .arity, node: NodeID(index: index))
      }
      for input in inputs(of: node) { uses[input, default: 0] += 1 }
    }
    for (node, count) in uses where self[node].references < count {
      throw GraphDefect(rule: .references, node: node)
    }
  }

  private func inputs(of node: Node) -> some Sequence<NodeID> {
    (0..<node.inputs.count).lazy.map { node.inputs[$0] }
  }

  /// Looks for cycles, without recursion.
  private func verifyOrder() throws {
    var isDone = [Bool](repeating: false, count: nodes.count)
    var isOpen = isDone
    for (_, root) in living {
      var stack = [NodeID(index: root)]
      while let id = stack.last {
        let index = Int(id.index)
        if isDone[index] || isOpen[index] {
          isDone[index] = true
          isOpen[index] = false
          stack.removeLast()
          continue
        }
        isOpen[index] = true
        for input in inputs(of: nodes[index]) where !isDone[Int(input.index)] {
          if isOpen[Int(input.index)] { throw GraphDefect(rule: .acyclic, node: id) }
          stack.append(input)
        }
      }
    }
  }

  // MARK: Rules of a node and its inputs

  private static var rules: [(GraphDefect.Rule, (ExpressionGraph, Node) -> Bool)] {
    [
      (.shape, { $0.hasFollowingShape($1) }),
      (.precision, { $0.hasFollowingPrecision($1) }),
      (.dtype, { $0.hasComputableDType($1) }),
      (.result, { $1.result == nil || $1.operation.traits.kind == .barrier }),
    ]
  }

  private func hasFollowingShape(_ node: Node) -> Bool {
    let shapes = inputs(of: node).map { self[$0].shape }
    switch node.operation {
    case .stored(let leaf): return leaf.count == node.shape.count
    case .constant, .results, .call: return node.shape == .scalar
    case .filled, .random: return true
    case .unary, .convert, .rank, .row, .identical, .fold: return shapes.allSatisfy { $0 == node.shape }
    case .binary, .select:
      return shapes.dropFirst().reduce(shapes[0]) { shape, next in
        shape.flatMap { (try? $0.broadcast(with: next)) ?? nil }
      } == node.shape
    case .topMask: return shapes[0] == node.shape && shapes[1...].allSatisfy { $0 == .scalar }
    case .view(let map): return map.count == node.shape.count && map.isWithin(shapes[0].count)
    case .concatenate(let dimension):
      let size = shapes.reduce(0) { $0 + $1.dimensions[dimension] }
      return shapes.allSatisfy { $0.replacing(dimension, with: size) == node.shape }
    case .gather(let dimension, let indices):
      return indices.allSatisfy { (0..<shapes[0].dimensions[dimension]).contains($0) }
        && shapes[0].replacing(dimension, with: indices.count) == node.shape
    case .product:
      return shapes.allSatisfy { $0.rank == 2 } && shapes[0].dimensions[1] == shapes[1].dimensions[0]
        && node.shape == Shape([shapes[0].dimensions[0], shapes[1].dimensions[1]])
    case .reduce(_, let dimension):
      let reduced = dimension.map { shapes[0].replacing($0, with: 1) } ?? .scalar
      return shapes.allSatisfy { $0 == shapes[0] } && reduced == node.shape
    case .selectCoarse, .selectFine, .tieCut:
      return node.shape == .scalar && shapes[1...].allSatisfy { $0 == .scalar }
    case .element: return form(ofElement: node).map { $0.shape == node.shape } ?? true
    }
  }

  private func hasFollowingPrecision(_ node: Node) -> Bool {
    switch node.operation.traits.kind {
    // What has been settled keeps the precision that it had.
    case .leaf: return true
    case .generator, .nested, .copy, .kernel, .host: return node.precision == .single
    case .barrier: return node.precision == .double
    case .element: return form(ofElement: node).map { $0.precision == node.precision } ?? true
    case .view: return node.precision == self[node.inputs[0]].precision
    case .elementwise:
      switch node.operation {
      case .fold, .topMask: return node.precision == .single
      default:
        let isDouble = inputs(of: node).allSatisfy { self[$0].precision == .double }
        return node.precision == (isDouble ? .double : .single)
      }
    }
  }

  /// What an element of a call is like; `nil` once the call has ended.
  private func form(ofElement node: Node) -> ResultForm? {
    guard case .element(let output) = node.operation else { return nil }
    switch self[node.inputs[0]].operation {
    case .call(.host(let call)) where output < call.outputs:
      return ResultForm(shape: .scalar, precision: .double)
    case .call(.kernel(let call)) where output < call.kernel.results.count:
      return call.kernel.results[output]
    case .results(let results) where output < results.items.count: return nil
    default: return ResultForm(shape: Shape([0]), precision: .single)
    }
  }

  private func hasComputableDType(_ node: Node) -> Bool {
    if case .convert(let dtype) = node.operation {
      return dtype.isConvertible && inputs(of: node).allSatisfy { self[$0].dtype?.isConvertible ?? true }
    }
    return switch node.operation.traits.kind {
    case .leaf, .view, .copy: true
    default:
      (node.dtype?.isArithmetic ?? true)
        && inputs(of: node).allSatisfy { self[$0].dtype?.isArithmetic ?? true }
    }
  }
}

extension IndexMap {
  /// Whether all elements of the first space are among `count` of the second.
  func isWithin(_ count: Int) -> Bool {
    if self.count == 0 { return true }
    let last = axes.reduce(offset) { $0 + ($1.size - 1) * $1.stride }
    return offset >= 0 && last < count && axes.allSatisfy { $0.stride >= 0 }
  }
}
