/// All barriers that some expressions need, by the stage in which they are computed.
struct BarrierSchedule {
  private(set) var stages: [[NodeID]] = []
  /// The first stage after those that the expressions need.
  private(set) var level = 0
  /// Barriers that are being computed for other expressions.
  private(set) var awaited: [NodeID] = []

  private let barriers: Barriers
  /// The first stage after those that a node needs.
  private var levels = KeyTable()
  /// What has a level, inputs before what is computed from them.
  private var order: [NodeID] = []

  /// The schedule of `roots`; `inFlight` are the barriers that other expressions compute.
  init(_ roots: [NodeID], _ barriers: Barriers, inFlight: Set<NodeID>) {
    self.barriers = barriers
    sort(roots, inFlight)
    level = roots.map { levels[$0]! }.max() ?? 0
    joinSweeps()
  }

  private mutating func sort(_ roots: [NodeID], _ inFlight: Set<NodeID>) {
    let graph = barriers.graph
    var stack = roots.reversed().map { (node: $0, expanded: false) }
    while let (node, expanded) = stack.popLast() {
      if levels[node] != nil { continue }
      let index = Int(node.index)
      if graph.nodes[index].result != nil {
        levels[node] = 0
        continue
      }
      if !inFlight.isEmpty, inFlight.contains(node) {
        levels[node] = 0
        awaited.append(node)
        continue
      }
      graph.settleIfKnown(elementOfCall: node)
      let inputs = graph.nodes[index].inputs
      var level = 0
      let waiting = stack.count
      if !expanded { stack.append((node, true)) }
      for input in 0..<inputs.count {
        if let known = levels[inputs[input]] {
          level = max(level, known)
        } else {
          stack.append((inputs[input], false))
        }
      }
      if !expanded {
        if stack.count > waiting + 1 { continue }
        stack.removeLast()
      }
      if barriers.isBarrier(node) {
        while stages.count <= level { stages.append([]) }
        stages[level].append(node)
        level += 1
      }
      levels[node] = level
      order.append(node)
    }
  }

  /// Moves barriers to later stages, where that saves a sweep: all of a stage that go over the same elements, if
  /// nothing needs them before others go over these.
  private mutating func joinSweeps() {
    guard stages.count > 1, stages[..<(stages.count - 1)].joined().contains(where: barriers.isReduction)
    else { return }
    let deadlines = deadlines()
    for stage in stages.indices.dropLast().reversed() {
      for (space, joining) in barriers.sweeps(of: stages[stage])
      where joining.allSatisfy(barriers.isReduction) {
        let last = joining.map { deadlines[$0] ?? level }.min()! - 1
        guard last > stage,
          let joined = (stage + 1...last).first(where: { later in
            stages[later].contains { barriers.space(of: $0) == space }
          })
        else { continue }
        let moved = Set(joining)
        stages[stage].removeAll(where: moved.contains)
        stages[joined] += joining
      }
    }
  }

  /// The stage by which each node must be known, as far as others need it.
  private func deadlines() -> KeyTable {
    var deadlines = KeyTable()
    for node in order.reversed() {
      let deadline = barriers.isBarrier(node) ? levels[node]! - 1 : deadlines[node] ?? level
      let inputs = barriers.graph[node].inputs
      for input in 0..<inputs.count {
        deadlines[inputs[input]] = min(deadlines[inputs[input]] ?? deadline, deadline)
      }
    }
    return deadlines
  }
}
