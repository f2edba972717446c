/// Finds what a program for some expressions over one iteration space is to compute.
///
/// Index maps are pushed down to the leaves; a subexpression that is used twice at the same positions
/// is computed once. What cannot be computed in place joins `materialised`, and is read as if
/// it were a leaf. Works off a list, not by recursion, whatever the expression's depth.
struct ProgramTracer {
  /// A node's elements at the positions that a map gives.
  private struct Key: Equatable {
    var node: NodeID
    /// An index into the outline's maps.
    var map: Int32

    var packed: UInt64 { UInt64(UInt32(bitPattern: node.index)) << 32 | UInt64(UInt32(bitPattern: map)) }
  }

  /// Nested splices and rankings that are part of the program already.
  private final class Nested { var nodes: Set<NodeID> = [] }

  private let graph: ExpressionGraph
  /// Nodes that have, or will have, a result of their own.
  private let materialised: Materialisation
  /// Those among them that this program computes.
  private let own: Set<NodeID>
  private let depth: Int
  private let nested: Nested
  private var outline: ProgramOutline
  private var mapIDs: [IndexMap: Int32]
  /// Entries by packed keys.
  private var places = KeyTable()
  private var leafKeys: [ObjectIdentifier: NodeID] = [:]

  /// Splices and rankings nest as deep as this; beyond it they are materialised.
  private static let deepest = 24
  /// Blocks hold whole rows up to this length together.
  private static let largestAlignment = 1024

  private init(
    graph: ExpressionGraph, materialised: Materialisation, own: Set<NodeID>, precision: Precision, count: Int,
    depth: Int, nested: Nested
  ) {
    self.graph = graph
    self.materialised = materialised
    self.own = own
    self.depth = depth
    self.nested = nested
    outline = ProgramOutline(precision: precision, count: count)
    mapIDs = [outline.maps[0]: 0]
  }

  /// What computes `roots`, which have as many elements each. Those of them that are materialised are computed,
  /// not read, if they are among `own`.
  static func trace(
    _ roots: [NodeID], graph: ExpressionGraph, materialised: Materialisation, own: Set<NodeID> = []
  ) -> ProgramOutline {
    var tracer = ProgramTracer(
      graph: graph, materialised: materialised, own: own,
      precision: roots.allSatisfy { graph[$0].precision == .double } ? .double : .single,
      count: graph[roots[0]].shape.count, depth: 0, nested: Nested())
    return tracer.trace(roots)
  }

  private mutating func trace(_ roots: [NodeID]) -> ProgramOutline {
    for root in roots { outline.roots.append(trace(Key(node: root, map: 0))) }
    return outline
  }

  // MARK: Walking the expression

  private mutating func intern(_ map: IndexMap) -> Int32 {
    if let id = mapIDs[map] { return id }
    let id = Int32(outline.maps.count)
    outline.maps.append(map)
    mapIDs[map] = id
    return id
  }

  private mutating func trace(_ root: Key) -> Int32 {
    var stack: [(key: Key, expanded: Bool)] = [(root, false)]
    while let (key, expanded) = stack.popLast() {
      if places[key.packed] != nil { continue }
      let target = resolve(key)
      if target != key, let place = places[target.packed] {
        places[key.packed] = place
        continue
      }
      if !expanded {
        let waiting = stack.count
        stack.append((key, true))
        pushOperands(of: target, to: &stack)
        if stack.count > waiting + 1 { continue }
        stack.removeLast()
      }
      let place = enter(target)
      places[target.packed] = place
      if target != key { places[key.packed] = place }
    }
    return places[root.packed]!
  }

  /// Whether the node's elements are read from a result instead of being computed here.
  private func isResult(_ node: NodeID) -> Bool {
    if materialised.contains(node) { return !own.contains(node) }
    switch graph.nodes[Int(node.index)].operation.traits.kind {
    case .barrier, .element: return !graph.isScalar(node)
    default: return false
    }
  }

  /// Follows views to the node that they look at.
  private mutating func resolve(_ key: Key) -> Key {
    var key = key
    while case .view(let view) = graph.nodes[Int(key.node.index)].operation, !isResult(key.node) {
      guard let map = outline.maps[Int(key.map)].followed(by: view) else {
        materialised.insert(key.node)
        return key
      }
      key = Key(node: graph.nodes[Int(key.node.index)].inputs[0], map: intern(map))
      // A number has no positions.
      if graph.isScalar(key.node) { key.map = 0 }
    }
    if case .stored(let leaf) = graph.nodes[Int(key.node.index)].operation {
      let same = leafKeys[ObjectIdentifier(leaf)] ?? key.node
      leafKeys[ObjectIdentifier(leaf)] = same
      key.node = same
    }
    return key
  }

  /// Pushes what the node is computed from and has no entry yet, the first operand on top.
  private mutating func pushOperands(of key: Key, to stack: inout [(key: Key, expanded: Bool)]) {
    if isResult(key.node) || graph.isScalar(key.node) { return }
    let index = Int(key.node.index)
    let traits = graph.nodes[index].operation.traits
    switch traits.kind {
    case .elementwise:
      if traits.elementInputs == nil, mustBeResult(key) { return materialised.insert(key.node) }
    case .nested:
      if alignBlocks(toRowsOf: key) { break }
      if !outline.maps[Int(key.map)].isLinear || depth >= Self.deepest { materialised.insert(key.node) }
      return
    default: return
    }
    let waiting = stack.count
    for input in (0..<(traits.elementInputs ?? graph.nodes[index].inputs.count)).reversed() {
      guard let operand = operand(input, of: key) else {
        stack.removeSubrange(waiting...)
        return materialised.insert(key.node)
      }
      if places[operand.packed] == nil { stack.append((operand, false)) }
    }
  }

  /// Whether elements had better be computed once and read, or are float64 where those of the program are not.
  private func mustBeResult(_ key: Key) -> Bool {
    isRepeated(key) || (graph.nodes[Int(key.node.index)].precision == .double && outline.precision == .single)
  }

  /// Lets blocks hold whole rows of a node that is a function of rows, if it can be computed within a block: its
  /// operand is then an entry like others, and is computed once for all that read it. Says whether it is so.
  private mutating func alignBlocks(toRowsOf key: Key) -> Bool {
    guard let length = rowLength(of: key) else { return false }
    let alignment = outline.alignment / Self.commonDivisor(outline.alignment, length) * length
    guard alignment <= Self.largestAlignment else { return false }
    outline.alignment = alignment
    outline.granularity = max(outline.granularity, alignment)
    return true
  }

  /// Whether `alignBlocks` has been done for the node: what it has once refused never comes to divide the alignment.
  private func isWithinBlocks(_ key: Key) -> Bool {
    rowLength(of: key).map { outline.alignment % $0 == 0 } ?? false
  }

  /// The length of a node's rows, if it is a function of rows and whole rows of float32 are asked for in their order.
  private func rowLength(of key: Key) -> Int? {
    let node = graph.nodes[Int(key.node.index)]
    guard case .row = node.operation, outline.precision == .single else { return nil }
    let (length, map) = (node.shape.dimensions[node.shape.rank - 1], outline.maps[Int(key.map)])
    guard map.isLinear, map.offset % length == 0, map.count % length == 0 else { return nil }
    return length
  }

  private static func commonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : commonDivisor(b, a % b) }

  /// Whether the map asks for the node's elements so often that they had better be computed once.
  private func isRepeated(_ key: Key) -> Bool {
    guard key.map != 0 else { return false }
    let map = outline.maps[Int(key.map)]
    let count = graph.nodes[Int(key.node.index)].shape.count
    return map.repeats && count <= map.count / 4 && count > 1
  }

  /// An input at the positions at which the node is wanted; `nil` if no map gives them.
  private mutating func operand(_ index: Int, of key: Key) -> Key? {
    let input = graph.nodes[Int(key.node.index)].inputs[index]
    if graph.isScalar(input) { return Key(node: input, map: 0) }
    let (from, to) = (graph.nodes[Int(input.index)].shape, graph.nodes[Int(key.node.index)].shape)
    if from.count == to.count { return Key(node: input, map: key.map) }
    guard let map = outline.maps[Int(key.map)].followed(by: .broadcast(from, to: to)) else { return nil }
    return Key(node: input, map: intern(map))
  }

  // MARK: Entries

  private mutating func enter(_ key: Key) -> Int32 {
    let index = Int(key.node.index)
    var entry = ProgramOutline.Entry(
      node: key.node, map: key.map, source: .operation, operands: Int32(outline.operands.count))
    let traits = graph.nodes[index].operation.traits
    if graph.isScalar(key.node) {
      entry.source = .scalar
    } else if isResult(key.node) {
      entry.source = materialised.masks.contains(key.node) ? .mask : .result
    } else if isWithinBlocks(key) {
      entry.isWithinBlocks = true
      enterOperands(of: key, traits, &entry)
    } else if isRepeatedNest(key.node, traits) {
      entry.source = .result
    } else if traits.kind == .nested {
      enterNested(graph.nodes[index])
      entry.isExpensive = traits.isExpensive
    } else {
      enterOperands(of: key, traits, &entry)
    }
    if case .stored(let leaf) = graph.nodes[index].operation, !outline.maps[Int(key.map)].isLinear,
      leaf.count > 65_536, !(leaf.source is MemorySource)
    {
      outline.readsScattered = true
    }
    outline.entries.append(entry)
    return Int32(outline.entries.count - 1)
  }

  private mutating func enterOperands(
    of key: Key, _ traits: OperationTraits, _ entry: inout ProgramOutline.Entry
  ) {
    let index = Int(key.node.index)
    entry.isExpensive = traits.isExpensive
    for input in 0..<(traits.elementInputs ?? graph.nodes[index].inputs.count) {
      let place = places[operand(input, of: key)!.packed]!
      outline.operands.append(place)
      if outline.entries[Int(place)].isExpensive { entry.isExpensive = true }
    }
    guard entry.isExpensive, key.map == 0, depth == 0,
      case .binary(let operation) = graph.nodes[index].operation, operation.isComparison
    else { return }
    outline.costlyMasks.append(key.node)
    entry.isExpensive = false
  }

  /// Whether the program computes a nest already: at both places, it would double the work at every level.
  private func isRepeatedNest(_ node: NodeID, _ traits: OperationTraits) -> Bool {
    guard traits.kind == .nested, depth > 0, !nested.nodes.insert(node).inserted else { return false }
    materialised.insert(node)
    return true
  }

  private mutating func enterNested(_ node: ExpressionGraph.Node) {
    for input in 0..<node.inputs.count {
      var tracer = ProgramTracer(
        graph: graph, materialised: materialised, own: own, precision: outline.precision,
        count: graph[node.inputs[input]].shape.count, depth: depth + 1, nested: nested)
      outline.nested.append(tracer.trace([node.inputs[input]]))
    }
    outline.granularity = max(outline.granularity, node.granularity)
  }
}

extension ExpressionGraph.Node {
  /// Elements of a nested operation that are computed together.
  fileprivate var granularity: Int {
    switch operation {
    case .rank, .row: shape.dimensions[shape.rank - 1]
    case .product: Program.Product.rowsOfBlock(columns: shape.dimensions[1]) * shape.dimensions[1]
    default: 1
    }
  }
}
