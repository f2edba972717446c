/// What passes ask about barriers, given the nodes that are materialised: those are barriers too, whatever they
/// compute.
struct Barriers {
  let graph: ExpressionGraph
  /// Nodes that are materialised for the expressions that are being planned.
  var materialised: Set<NodeID> = []

  /// What barriers of one sweep have in common.
  struct Space: Hashable {
    var count: Int
    var isDouble: Bool
    var geometry: ReductionSink.Geometry?
    var trip: OperationTraits.Trip
  }

  func traits(of node: NodeID) -> OperationTraits { graph.nodes[Int(node.index)].operation.traits }

  func isBarrier(_ node: NodeID) -> Bool { isMaterialised(node) || traits(of: node).settles }

  private func isMaterialised(_ node: NodeID) -> Bool {
    !materialised.isEmpty && materialised.contains(node)
  }

  func isKernel(_ node: NodeID) -> Bool { !isMaterialised(node) && traits(of: node).kind == .kernel }

  func isReduction(_ node: NodeID) -> Bool {
    guard !isMaterialised(node), case .reduce = graph[node].operation else { return false }
    return true
  }

  /// Whether it is the sum of the products of all elements.
  func isDotProduct(_ node: NodeID) -> Bool {
    guard !isMaterialised(node), case .reduce(.dot, nil) = graph[node].operation else { return false }
    return true
  }

  /// The space that the barrier's sweep goes over; `nil` if no sweep settles it.
  func space(of node: NodeID) -> Space? {
    if isKernel(node) { return nil }
    let operands = operands(of: node)
    return Space(
      count: graph[operands[0]].shape.count,
      isDouble: operands.allSatisfy { graph[$0].precision == .double },
      geometry: geometry(of: node).flatMap { $0.outer == 1 && $0.inner == 1 ? nil : $0 },
      trip: isMaterialised(node) ? .full : traits(of: node).trip)
  }

  /// Barriers of one stage, those of one sweep together, in the order in which they come.
  func sweeps(of barriers: [NodeID]) -> [(space: Space, barriers: [NodeID])] {
    var sweeps: [(space: Space, barriers: [NodeID])] = []
    var places: [Space: Int] = [:]
    for node in barriers {
      guard let space = space(of: node) else { continue }
      if let place = places[space] {
        sweeps[place].barriers.append(node)
      } else {
        places[space] = sweeps.count
        sweeps.append((space, [node]))
      }
    }
    return sweeps
  }

  /// The nodes whose elements a barrier's sweep goes over.
  func operands(of node: NodeID) -> [NodeID] {
    if isMaterialised(node) { return [node] }
    let inputs = graph[node].inputs
    return (0..<(traits(of: node).elementInputs ?? inputs.count)).map { inputs[$0] }
  }

  /// What a reduction reduces; `nil` for other barriers.
  func geometry(of node: NodeID) -> ReductionSink.Geometry? {
    guard !isMaterialised(node), case .reduce(_, let dimension) = graph[node].operation else { return nil }
    return ReductionSink.Geometry(graph[graph[node].inputs[0]].shape, dimension)
  }
}
