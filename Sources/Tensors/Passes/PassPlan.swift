/// The sweeps that compute one expression, or several together, stage by stage: the sweeps of a stage need
/// the results of the stages before it, and nothing of each other.
struct PassPlan {
  /// A barrier that a sweep settles, and where its inputs are among the program's roots.
  struct Settled {
    var node: NodeID
    var roots: [Int]
  }

  struct PlannedSweep {
    var program: Program
    var partition: Partition
    var settled: [Settled]
    /// Masks that the sweep keeps for the sweeps of later stages.
    var masks: [Settled] = []
    /// The roots that are the expressions' own results, in the last stage.
    var outputs: Range<Int> = 0..<0
    /// Whether it looks for ties only, which are mostly known without it.
    var settlesTies = false
  }

  var stages: [[PlannedSweep]]
  /// Nodes that other expressions' plans compute already.
  var awaited: [NodeID]

  /// Every node that the plan names: while it runs, they must not go, nor their numbers to other nodes.
  var nodes: [NodeID] {
    var nodes = awaited
    for sweep in stages.joined() {
      for settled in sweep.settled { nodes.append(settled.node) }
      sweep.program.forEachNode { nodes.append($0) }
    }
    return nodes
  }
}

/// Cuts an expression at its barriers.
struct PassPlanner {
  private let graph: ExpressionGraph
  /// Nodes that are being computed for other expressions.
  private let inFlight: Set<NodeID>
  private let inFlightMaterialised: Set<NodeID>
  /// Nodes that are put down for this expression.
  private var materialised: Set<NodeID> = []
  /// Masks that sweeps keep.
  private var kept = KeptMasks()

  init(graph: ExpressionGraph, inFlight: Set<NodeID>, inFlightMaterialised: Set<NodeID>) {
    self.graph = graph
    self.inFlight = inFlight
    self.inFlightMaterialised = inFlightMaterialised
  }

  /// The plan for `roots`, which have as many elements each; `stores` says whether their elements are wanted,
  /// or only their barriers' values.
  mutating func plan(_ roots: [NodeID], stores: Bool) throws -> PassPlan {
    while true {
      let needs = Materialisation(inFlightMaterialised.union(materialised), masks: kept.nodes)
      let plan = try attempt(roots, stores: stores, needs)
      var found = needs.takeAdded()
      if found.isEmpty {
        if kept.isDecided { return plan }
        kept.decide(for: plan)
        if kept.nodes.isEmpty { return plan }
        continue
      }
      // What is put down needs other nodes put down in turn; those are found here, so that the number of
      // attempts does not grow with the depth of the nest.
      while let node = found.popLast() {
        materialised.insert(node)
        _ = try compile([node], own: [node], needs)
        found.append(contentsOf: needs.takeAdded())
      }
    }
  }

  private func attempt(_ roots: [NodeID], stores: Bool, _ needs: Materialisation) throws -> PassPlan {
    let (stages, level, awaited) = sort(roots)
    var plan = PassPlan(stages: [], awaited: awaited)
    for (stage, barriers) in stages.enumerated() {
      plan.stages.append(try group(barriers, stage, needs))
    }
    if stores {
      let program = try compile(roots, own: [], needs)
      let partition = Self.partition(for: program)
      while plan.stages.count <= level { plan.stages.append([]) }
      plan.stages[level].append(
        PassPlan.PlannedSweep(
          program: program, partition: partition, settled: [], outputs: roots.indices))
    }
    return plan
  }

  private func isBarrier(_ node: NodeID) -> Bool {
    if materialised.contains(node) { return true }
    switch graph[node].operation {
    case .reduce, .selectCoarse, .selectFine, .tieCut: return true
    default: return false
    }
  }

  /// All barriers that `roots` need, by the stage in which they are computed, and the first stage after
  /// those that they need.
  private func sort(_ roots: [NodeID]) -> (stages: [[NodeID]], level: Int, awaited: [NodeID]) {
    var levels = KeyTable()
    var stages: [[NodeID]] = []
    /// What has a level, inputs before what is computed from them.
    var order: [NodeID] = []
    var awaited: [NodeID] = []
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
      if isBarrier(node) {
        while stages.count <= level { stages.append([]) }
        stages[level].append(node)
        level += 1
      }
      levels[node] = level
      order.append(node)
    }
    let level = roots.map { levels[$0]! }.max() ?? 0
    joinSweeps(of: &stages, order, levels, rootLevel: level)
    return (stages, level, awaited)
  }

  /// Moves barriers to later stages, where that saves a sweep: all of a stage that go over the same elements, if
  /// nothing needs them before others go over these.
  private func joinSweeps(
    of stages: inout [[NodeID]], _ order: [NodeID], _ levels: KeyTable, rootLevel: Int
  ) {
    guard stages.count > 1, stages[..<(stages.count - 1)].joined().contains(where: isReduction) else {
      return
    }
    // The stage by which each node must be known, as far as others need it.
    var deadlines = KeyTable()
    for node in order.reversed() {
      let deadline = isBarrier(node) ? levels[node]! - 1 : deadlines[node] ?? rootLevel
      let inputs = graph[node].inputs
      for input in 0..<inputs.count {
        deadlines[inputs[input]] = min(deadlines[inputs[input]] ?? deadline, deadline)
      }
    }
    for stage in stages.indices.dropLast().reversed() {
      for (space, barriers) in sweeps(of: stages[stage]) where barriers.allSatisfy(isReduction) {
        let last = barriers.map { deadlines[$0] ?? rootLevel }.min()! - 1
        guard last > stage,
          let joined = (stage + 1...last).first(where: { later in
            stages[later].contains { self.space(of: $0) == space }
          })
        else { continue }
        let moved = Set(barriers)
        stages[stage].removeAll(where: moved.contains)
        stages[joined] += barriers
      }
    }
  }

  private func isReduction(_ node: NodeID) -> Bool {
    guard !materialised.contains(node), case .reduce = graph[node].operation else { return false }
    return true
  }

  /// Barriers of one stage, those over one space in one sweep.
  private func group(_ barriers: [NodeID], _ stage: Int, _ needs: Materialisation) throws
    -> [PassPlan.PlannedSweep]
  {
    try sweeps(of: barriers).enumerated().map { place, sweep in
      let (space, barriers) = sweep
      var roots: [NodeID] = []
      var places: [NodeID: Int] = [:]
      let settled = barriers.map { node in
        PassPlan.Settled(
          node: node,
          roots: operands(of: node).map { operand in
            if let place = places[operand] { return place }
            roots.append(operand)
            places[operand] = roots.count - 1
            return roots.count - 1
          })
      }
      let masks = kept.nodes(by: KeptMasks.Place(stage: stage, sweep: place)).map { mask in
        roots.append(mask)
        return PassPlan.Settled(node: mask, roots: [roots.count - 1])
      }
      let own = kept.nodes(from: stage).union(barriers.filter(materialised.contains))
      let program = try compile(roots, own: own, needs, bits: bits(barriers, settled, masks))
      let partition: Partition
      if space.trip == .sample, Self.isSampled(program) {
        partition = KeySample.partition(count: space.count)
      } else if barriers.contains(where: { geometry(of: $0) != nil }) {
        partition = ReductionSink.partition(
          of: space.geometry ?? ReductionSink.Geometry(outer: 1, size: space.count, inner: 1),
          preferredUnit: program.readsScattered ? 1 << 20 : Partition.chunk)
      } else {
        partition = Self.partition(for: program)
      }
      return PassPlan.PlannedSweep(
        program: program, partition: partition, settled: settled, masks: masks,
        settlesTies: space.trip == .ties)
    }
  }

  /// What barriers of one sweep have in common.
  private struct Space: Hashable {
    var count: Int
    var isDouble: Bool
    var geometry: ReductionSink.Geometry?
    var trip: Trip
  }

  private func space(of node: NodeID) -> Space {
    Space(
      count: count(of: node), isDouble: operands(of: node).allSatisfy { graph[$0].precision == .double },
      geometry: geometry(of: node).flatMap { $0.outer == 1 && $0.inner == 1 ? nil : $0 }, trip: trip(of: node)
    )
  }

  /// Barriers of one stage, those of one sweep together, in the order in which they come.
  private func sweeps(of barriers: [NodeID]) -> [(space: Space, barriers: [NodeID])] {
    var sweeps: [(space: Space, barriers: [NodeID])] = []
    var places: [Space: Int] = [:]
    for node in barriers {
      let space = space(of: node)
      if let place = places[space] {
        sweeps[place].barriers.append(node)
      } else {
        places[space] = sweeps.count
        sweeps.append((space, [node]))
      }
    }
    return sweeps
  }

  /// Barriers go on different trips that are often not needed, or not over all elements.
  private enum Trip { case full, sample, ties }

  private func trip(of node: NodeID) -> Trip {
    if materialised.contains(node) { return .full }
    switch graph[node].operation {
    case .selectCoarse: return .sample
    case .tieCut: return .ties
    default: return .full
    }
  }

  /// Whether a selection begins with a sample: not where all keys are collected at once, nor where a few
  /// elements cost as much as many.
  private static func isSampled(_ program: Program) -> Bool {
    program.count > SelectionSearch.smallCount && program.granularity == 1 && !program.readsScattered
  }

  /// The nodes whose elements a barrier's sweep goes over.
  private func operands(of node: NodeID) -> [NodeID] {
    let inputs = graph[node].inputs
    if materialised.contains(node) { return [node] }
    if case .reduce(.dot, _) = graph[node].operation { return [inputs[0], inputs[1]] }
    return [inputs[0]]
  }

  private func count(of node: NodeID) -> Int { graph[operands(of: node)[0]].shape.count }

  /// What a reduction reduces; `nil` for other barriers.
  private func geometry(of node: NodeID) -> ReductionSink.Geometry? {
    guard !materialised.contains(node), case .reduce(_, let dimension) = graph[node].operation else {
      return nil
    }
    return Self.geometry(of: graph[graph[node].inputs[0]].shape, dimension)
  }

  static func geometry(of shape: Shape, _ dimension: Int?) -> ReductionSink.Geometry {
    guard let dimension else { return ReductionSink.Geometry(outer: 1, size: shape.count, inner: 1) }
    let (outer, size, inner) = shape.split(at: dimension)
    return ReductionSink.Geometry(outer: outer, size: size, inner: inner)
  }

  /// The roots that may be masks of bits: those of masks, and the second ones of dot products of all elements.
  private func bits(_ barriers: [NodeID], _ settled: [PassPlan.Settled], _ masks: [PassPlan.Settled]) -> Set<
    Int
  > {
    var (bits, others) = (Set(masks.flatMap(\.roots)), Set<Int>())
    for (node, settled) in zip(barriers, settled) {
      if !materialised.contains(node), case .reduce(.dot, nil) = graph[node].operation {
        others.insert(settled.roots[0])
        bits.insert(settled.roots[1])
      } else {
        others.formUnion(settled.roots)
      }
    }
    // A mask that several need is a root for each.
    return bits.subtracting(others)
  }

  private func compile(
    _ roots: [NodeID], own: Set<NodeID>, _ needs: Materialisation, bits: Set<Int> = []
  ) throws -> Program {
    try ProgramCompiler.compile(
      roots, graph: graph, materialised: needs, own: own,
      precision: roots.allSatisfy { graph[$0].precision == .double } ? .double : .single,
      count: graph[roots[0]].shape.count, bits: bits)
  }

  /// Units for a sweep whose results do not depend on them.
  static func partition(for program: Program) -> Partition {
    let unit = program.readsScattered ? 1 << 20 : Partition.chunk
    let row = program.granularity
    return .linear(count: program.count, size: row >= unit ? row : unit / row * row)
  }
}
