/// The sweeps that compute one expression, stage by stage: the sweeps of a stage need the results of
/// the stages before it, and nothing of each other.
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
    /// The root that is the expression's own result, in the last stage.
    var output: Int?
  }

  var stages: [[PlannedSweep]]
  /// Nodes that other expressions' plans compute already.
  var awaited: [NodeID]
}

/// Cuts an expression at its barriers.
struct PassPlanner {
  private let graph: ExpressionGraph
  /// Nodes that are being computed for other expressions.
  private let inFlight: Set<NodeID>
  private let inFlightMaterialised: Set<NodeID>
  private var materialised: Set<NodeID> = []

  init(graph: ExpressionGraph, inFlight: Set<NodeID>, inFlightMaterialised: Set<NodeID>) {
    self.graph = graph
    self.inFlight = inFlight
    self.inFlightMaterialised = inFlightMaterialised
  }

  /// The plan for `root`; `stores` says whether its elements are wanted, or only its barriers' values.
  mutating func plan(_ root: NodeID, stores: Bool) throws -> PassPlan {
    while true {
      do {
        return try attempt(root, stores: stores)
      } catch let need as NeedsMaterialisation {
        precondition(materialised.insert(need.node).inserted, "Materialised twice")
      }
    }
  }

  private func attempt(_ root: NodeID, stores: Bool) throws -> PassPlan {
    let (stages, levels, awaited) = sort(root)
    var plan = PassPlan(stages: [], awaited: awaited)
    for barriers in stages { plan.stages.append(try group(barriers)) }
    if stores {
      let shape = graph[root].shape
      let program = try compile([root], shape.count)
      let partition = Self.partition(for: program)
      while plan.stages.count <= levels[root] ?? 0 { plan.stages.append([]) }
      plan.stages[plan.stages.count - 1].append(
        PassPlan.PlannedSweep(program: program, partition: partition, settled: [], output: 0))
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

  /// All barriers that `root` needs, by the stage in which they are computed.
  private func sort(_ root: NodeID) -> (stages: [[NodeID]], levels: [NodeID: Int], awaited: [NodeID]) {
    var levels: [NodeID: Int] = [:]
    var stages: [[NodeID]] = []
    var awaited: [NodeID] = []
    var stack: [(node: NodeID, expanded: Bool)] = [(root, false)]
    while let (node, expanded) = stack.popLast() {
      if levels[node] != nil { continue }
      if graph[node].result != nil {
        levels[node] = 0
        continue
      }
      if inFlight.contains(node) {
        levels[node] = 0
        awaited.append(node)
        continue
      }
      let inputs = graph[node].inputs
      if !expanded {
        stack.append((node, true))
        for index in 0..<inputs.count where levels[inputs[index]] == nil {
          stack.append((inputs[index], false))
        }
        continue
      }
      var level = 0
      for index in 0..<inputs.count { level = max(level, levels[inputs[index]]!) }
      if isBarrier(node) {
        while stages.count <= level { stages.append([]) }
        stages[level].append(node)
        level += 1
      }
      levels[node] = level
    }
    return (stages, levels, awaited)
  }

  /// Barriers of one stage, those over one space in one sweep.
  private func group(_ barriers: [NodeID]) throws -> [PassPlan.PlannedSweep] {
    struct Space: Hashable {
      var count: Int
      var isDouble: Bool
      var geometry: ReductionSink.Geometry?
      var ties: Bool
    }
    var order: [Space] = []
    var members: [Space: [NodeID]] = [:]
    for node in barriers {
      let space = Space(
        count: count(of: node), isDouble: graph[operands(of: node)[0]].precision == .double,
        geometry: geometry(of: node).flatMap { $0.outer == 1 && $0.inner == 1 ? nil : $0 },
        ties: isTieCut(node))
      if members[space] == nil { order.append(space) }
      members[space, default: []].append(node)
    }
    return try order.map { space in
      var roots: [NodeID] = []
      var settled: [PassPlan.Settled] = []
      for node in members[space]! {
        let places = operands(of: node).map { operand in
          if let place = roots.firstIndex(of: operand) { return place }
          roots.append(operand)
          return roots.count - 1
        }
        settled.append(PassPlan.Settled(node: node, roots: places))
      }
      let program = try compile(
        roots, space.count, excluding: roots.filter { members[space]!.contains($0) })
      let reduces = settled.contains { geometry(of: $0.node) != nil }
      let partition =
        reduces
        ? ReductionSink.partition(
          of: space.geometry ?? ReductionSink.Geometry(outer: 1, size: space.count, inner: 1),
          preferredUnit: program.readsScattered ? 1 << 20 : Partition.chunk)
        : Self.partition(for: program)
      return PassPlan.PlannedSweep(program: program, partition: partition, settled: settled, output: nil)
    }
  }

  private func isTieCut(_ node: NodeID) -> Bool {
    if case .tieCut = graph[node].operation { true } else { false }
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

  private func compile(_ roots: [NodeID], _ count: Int, excluding own: [NodeID] = []) throws -> Program {
    let precision: Precision = roots.allSatisfy { graph[$0].precision == .double } ? .double : .single
    return try ProgramCompiler.compile(
      roots, graph: graph,
      materialised: materialised.union(inFlightMaterialised).subtracting(own),
      precision: precision, count: count)
  }

  /// Units for a sweep whose results do not depend on them.
  static func partition(for program: Program) -> Partition {
    let unit = program.readsScattered ? 1 << 20 : Partition.chunk
    let row = program.granularity
    return .linear(count: program.count, size: row >= unit ? row : unit / row * row)
  }
}
