/// A handle to a node of an `ExpressionGraph`. It does not keep the node alive; `retain` does.
package struct NodeID: Hashable, Sendable {
  /// The node's place in the graph, for a host that keeps handles as numbers.
  package let index: Int32

  /// The handle of a place.
  package init(index: Int32) { self.index = index }
}

/// What a node's elements are like.
package struct ResultForm: Hashable, Sendable {
  package var shape: Shape
  package var precision: Precision

  package init(shape: Shape, precision: Precision) {
    self.shape = shape
    self.precision = precision
  }
}

/// How the elements of a node are held while they are computed.
package enum Precision: Sendable {
  /// float32: tensors.
  case single
  /// float64: numbers, reductions' results, and arithmetic among those.
  case double
}

/// The arena that expressions live in: nodes with reference counts, shared freely, never cyclic.
///
/// Building a node checks shapes and computes nothing. Nothing here recurses over an expression's
/// depth. Confined to the thread that builds expressions; workers see compiled programs only.
package final class ExpressionGraph {
  package struct Node {
    package var operation: Operation
    package var inputs: Inputs
    package var shape: Shape
    package var precision: Precision
    /// What the tensor is stored as unless something else is asked for; `nil` is weak and gives way
    /// to any other operand's.
    package var dtype: DType?
    package var references: Int32
    var generation: UInt32
    /// What the node has charged.
    var cost: Int
    /// Under which equal nodes find this one; `nil` if none are to.
    var hash: UInt32?
    var result: BarrierResult?
    /// What it was before it settled, by which equal nodes find it still.
    var former: Former?
  }

  /// What a settled node was computed from. Its inputs are those nodes as long as they have the generations that
  /// they had: it keeps none alive, but for the numbers that a number was made of at once, so that the square root of
  /// a sum is found again.
  final class Former {
    let operation: Operation
    let inputs: Inputs
    let generations: [UInt32]
    let held: [NodeID]

    init(_ node: Node, generations: [UInt32], held: [NodeID]) {
      (operation, inputs, self.generations, self.held) = (node.operation, node.inputs, generations, held)
    }
  }

  /// Up to three inputs in place, more in an array.
  package enum Inputs {
    case none
    case one(NodeID)
    case two(NodeID, NodeID)
    case three(NodeID, NodeID, NodeID)
    case many([NodeID])

    package init(_ nodes: [NodeID]) {
      switch nodes.count {
      case 0: self = .none
      case 1: self = .one(nodes[0])
      case 2: self = .two(nodes[0], nodes[1])
      case 3: self = .three(nodes[0], nodes[1], nodes[2])
      default: self = .many(nodes)
      }
    }

    package var count: Int {
      switch self {
      case .none: 0
      case .one: 1
      case .two: 2
      case .three: 3
      case .many(let nodes): nodes.count
      }
    }

    package subscript(_ index: Int) -> NodeID {
      switch (self, index) {
      case (.one(let a), 0), (.two(let a, _), 0), (.three(let a, _, _), 0): a
      case (.two(_, let b), 1), (.three(_, let b, _), 1): b
      case (.three(_, _, let c), 2): c
      case (.many(let nodes), _): nodes[index]
      default: preconditionFailure("Index out of bounds")
      }
    }
  }

  /// Bytes that a node charges: what its slot and its share of the shape take, about.
  package static let nodeCost = 160

  // One thread has the graph, and nothing that is called within a change of these comes back to them: looking
  // for overlapping accesses at run time took an eighth of the instructions of planning.
  @exclusivity(unchecked) var nodes: [Node] = []
  @exclusivity(unchecked) private var free: [Int32] = []
  @exclusivity(unchecked) private var pendingRelease: [NodeID] = []
  /// What the open scopes release, the outermost's first; see `scope`.
  @exclusivity(unchecked) var temporaries: [NodeID] = []
  @exclusivity(unchecked) var openScopes = 0

  /// Asked before nodes are made, with the bytes that they take; throws to refuse them.
  package var charge: (Int) throws -> Void = { _ in }
  /// Told when nodes are gone.
  package var discharge: (Int) -> Void = { _ in }
  /// Told of the bytes of scratch that are about to be made for nodes' elements; may release nodes.
  package var willMakeScratch: (Int) -> Void = { _ in }

  /// Threads that compute, each with a working set of its own.
  package var workers = 1
  /// Bytes of whole matrices that a decomposition may hold.
  package var matrixMemory = 2_000_000_000

  /// The nodes that equal ones are.
  @exclusivity(unchecked) var table = NodeTable()

  /// Nodes that are alive.
  package var liveCount: Int { nodes.count - free.count }

  /// A graph without nodes.
  package init() {}

  // MARK: Lifetime

  /// A new node with one reference, which the caller owns, or the scope that is open. Its inputs are retained.
  func add(
    _ operation: Operation, _ inputs: Inputs = .none, shape: Shape, precision: Precision, dtype: DType?
  ) throws -> NodeID {
    let (same, hash) = existing(operation, inputs, shape, precision, dtype)
    if let same { return another(same) }
    let cost = cost(operation, inputs, shape)
    try charge(cost)
    for index in 0..<inputs.count { retain(inputs[index]) }
    if let slot = free.popLast() {
      let generation = nodes[Int(slot)].generation &+ 1
      nodes[Int(slot)] = Node(
        operation: operation, inputs: inputs, shape: shape, precision: precision, dtype: dtype,
        references: 1, generation: generation, cost: cost, hash: hash)
      if let hash { table.insert(slot, hash) }
      return owned(NodeID(index: slot))
    }
    nodes.append(
      Node(
        operation: operation, inputs: inputs, shape: shape, precision: precision, dtype: dtype,
        references: 1, generation: 0, cost: cost, hash: hash))
    if let hash { table.insert(Int32(nodes.count - 1), hash) }
    return owned(NodeID(index: Int32(nodes.count - 1)))
  }

  private func cost(_ operation: Operation, _ inputs: Inputs, _ shape: Shape) -> Int {
    var bytes = Self.nodeCost
    bytes += workingCost(operation, inputs, shape)
    if case .many(let nodes) = inputs { bytes += nodes.count * 4 }
    if case .gather(_, let indices) = operation { bytes += indices.count * 8 }
    if case .stored(let leaf) = operation, leaf.source is MemorySource { bytes += leaf.source.byteCount }
    return bytes
  }

  /// Bytes that are held while an operation is computed, where they grow with a shape and not with a tile, about.
  private func workingCost(_ operation: Operation, _ inputs: Inputs, _ shape: Shape) -> Int {
    let row = shape.dimensions.last ?? 1
    switch operation {
    // Of a long row, each worker's values, ranks, sorted words and inputs.
    case .rank, .row(.sorted), .row(.order), .row(.topMask): return row > 65_536 ? 32 * row * workers : 0
    case .row(.cumulativeSum): return row > 65_536 ? 8 * row * workers : 0
    // Results in float64, and once more where they go on in an expression.
    case .reduce: return shape.count > 65_536 ? 16 * shape.count : 0
    // The keys that are left to choose from.
    case .selectCoarse: return 4 * min(self[inputs[0]].shape.count, 65_536)
    default: return 0
    }
  }

  /// Adds a reference.
  package func retain(_ node: NodeID) {
    nodes[Int(node.index)].references += 1
  }

  /// Takes a reference away; a node without any is freed, and so on down, without recursion.
  package func release(_ node: NodeID) {
    pendingRelease.append(node)
    guard pendingRelease.count == 1 else { return }
    while let next = pendingRelease.last {
      let index = Int(next.index)
      nodes[index].references -= 1
      if nodes[index].references > 0 {
        pendingRelease.removeLast()
        continue
      }
      forget(next)
      // What the node held goes last, when the graph is whole again: its end may run code of the host.
      let operation = nodes[index].operation
      let inputs = nodes[index].inputs
      let cost = nodes[index].cost
      let held = nodes[index].former?.held ?? []
      nodes[index].operation = .constant(0)
      nodes[index].inputs = .none
      nodes[index].shape = .scalar
      nodes[index].result = nil
      nodes[index].former = nil
      free.append(next.index)
      pendingRelease.removeLast()
      for input in 0..<inputs.count { pendingRelease.append(inputs[input]) }
      pendingRelease += held
      discharge(cost)
      withExtendedLifetime(operation) {}
    }
  }

  /// A reference that does not keep its node alive.
  package struct WeakNode {
    fileprivate let node: NodeID
    fileprivate let generation: UInt32
  }

  /// A reference that does not keep the node alive; see `strong`.
  package func weak(_ node: NodeID) -> WeakNode {
    WeakNode(node: node, generation: nodes[Int(node.index)].generation)
  }

  /// The node, with a reference for the caller, or `nil` if it is gone.
  package func strong(_ weak: WeakNode) -> NodeID? {
    let index = Int(weak.node.index)
    guard nodes[index].generation == weak.generation, nodes[index].references > 0 else { return nil }
    retain(weak.node)
    return weak.node
  }

  // MARK: Looking

  package subscript(_ node: NodeID) -> Node {
    _read { yield nodes[Int(node.index)] }
    _modify { yield &nodes[Int(node.index)] }
  }

  /// The sizes of the node's dimensions.
  package func shape(of node: NodeID) -> Shape { nodes[Int(node.index)].shape }

  /// The dtype that the node is stored as if nothing else is asked for.
  package func dtype(of node: NodeID) -> DType { nodes[Int(node.index)].dtype ?? .f32 }

  /// Whether it is a single float64 number, known now or later.
  package func isScalar(_ node: NodeID) -> Bool {
    nodes[Int(node.index)].precision == .double && nodes[Int(node.index)].shape.rank == 0
  }

  /// The number, if it is known already.
  package func constantValue(_ node: NodeID) -> Double? {
    if case .constant(let value) = nodes[Int(node.index)].operation { value } else { nil }
  }

  /// The stored leaf, if the node is one.
  package func storedLeaf(_ node: NodeID) -> StoredLeaf? {
    if case .stored(let leaf) = nodes[Int(node.index)].operation { leaf } else { nil }
  }

  // MARK: Settling

  /// Turns a scalar whose value has been computed into a constant, and lets go of its inputs.
  func settle(_ node: NodeID, as value: Double) { settle(node, as: .constant(value)) }

  /// Turns a node whose elements have been computed into a leaf, and lets go of its inputs.
  func settle(_ node: NodeID, as leaf: StoredLeaf) { settle(node, as: .stored(leaf)) }

  /// Turns a call that has ended into its results, and lets go of its inputs.
  func settle(_ node: NodeID, as results: CallResults) { settle(node, as: .results(results)) }

  /// Turns a node into the result that it is of a call, if that has ended.
  func settleIfKnown(elementOfCall node: NodeID) {
    guard case .element(let output) = nodes[Int(node.index)].operation,
      case .results(let results) = self[self[node].inputs[0]].operation
    else { return }
    switch results.items[output] {
    case .number(let value): settle(node, as: value)
    case .elements(let leaf): settle(node, as: leaf)
    }
  }

  /// Whether it is a number that holds no others: chains of them would grow with a loop.
  private func isPlainNumber(_ node: NodeID) -> Bool {
    guard case .constant = nodes[Int(node.index)].operation else { return false }
    return nodes[Int(node.index)].former?.held.isEmpty ?? true
  }

  private func settle(_ node: NodeID, as operation: Operation) {
    let index = Int(node.index)
    let inputs = nodes[index].inputs
    let former = nodes[index].operation
    defer { withExtendedLifetime(former) {} }
    if nodes[index].hash != nil {
      var held: [NodeID] = []
      if case .constant = operation { held = (0..<inputs.count).map { inputs[$0] }.filter(isPlainNumber) }
      held.forEach(retain)
      nodes[index].former = Former(
        nodes[index], generations: (0..<inputs.count).map { nodes[Int(inputs[$0].index)].generation },
        held: held)
    }
    discharge(nodes[index].cost - Self.nodeCost)
    nodes[index].cost = Self.nodeCost
    nodes[index].operation = operation
    nodes[index].inputs = .none
    nodes[index].result = nil
    for input in 0..<inputs.count { release(inputs[input]) }
    // Elements in memory count; a script that has no room for them ends soon.
    if case .stored(let leaf) = operation, leaf.source is MemorySource,
      (try? charge(leaf.source.byteCount)) != nil
    {
      nodes[index].cost += leaf.source.byteCount
    }
  }
}

/// What a sweep found for a barrier.
enum BarrierResult {
  /// Where the k-th largest element is sought.
  case search(SelectionSearch)
  /// The k-th largest element.
  case selection(Selected)
  /// Elements equal to the threshold belong to the top k below this index.
  case cut(Int)
}

extension ExpressionGraph {
  /// The stored leaves that a node is computed from, each once.
  package func storedLeaves(below root: NodeID) -> [StoredLeaf] {
    var seen: Set<NodeID> = []
    var leaves: [StoredLeaf] = []
    var stack = [root]
    while let id = stack.popLast() {
      guard seen.insert(id).inserted else { continue }
      let node = self[id]
      if case .stored(let leaf) = node.operation { leaves.append(leaf) }
      for index in (0..<node.inputs.count).reversed() { stack.append(node.inputs[index]) }
    }
    return leaves
  }
}
