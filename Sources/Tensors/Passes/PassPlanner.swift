/// Cuts expressions at their barriers: lays sweeps and kernels out by stages, finds what has to be materialised
/// and which masks are kept, and compiles the programs.
package struct PassPlanner {
  private let graph: ExpressionGraph
  /// Nodes that are being computed for other expressions.
  private let inFlight: Set<NodeID>
  private let inFlightMaterialised: Set<NodeID>
  private var barriers: Barriers
  /// Masks that sweeps keep.
  private var kept = KeptMasks()

  package init(
    graph: ExpressionGraph, inFlight: Set<NodeID> = [], inFlightMaterialised: Set<NodeID> = []
  ) {
    self.graph = graph
    self.inFlight = inFlight
    self.inFlightMaterialised = inFlightMaterialised
    barriers = Barriers(graph: graph)
  }

  /// The plan for `roots`, which have as many elements each; `stores` says whether their elements are wanted,
  /// or only their barriers' values.
  package mutating func plan(_ roots: [NodeID], stores: Bool) throws -> PassPlan {
    let stored = stores ? roots : nil
    var draft = draft(roots, storing: stored)
    if materialise(draft.needs) { draft = self.draft(roots, storing: stored) }
    kept = KeptMasks(for: draft.draft)
    if !kept.nodes.isEmpty { draft = self.draft(roots, storing: stored) }
    return try compile(draft.draft)
  }

  private func draft(_ roots: [NodeID], storing stored: [NodeID]?) -> (
    draft: PassDraft, needs: Materialisation
  ) {
    let needs = Materialisation(inFlightMaterialised.union(barriers.materialised), masks: kept.nodes)
    let schedule = BarrierSchedule(roots, barriers, inFlight: inFlight)
    return (PassDrafter(barriers: barriers, needs: needs, kept: kept).draft(schedule, storing: stored), needs)
  }

  /// Makes barriers of what tracing has found to be needed as results, and of what these need in turn; says
  /// whether there is any.
  ///
  /// Once is enough: the more is read from results, the less is left that a program could not compute in place.
  private mutating func materialise(_ needs: Materialisation) -> Bool {
    var found = needs.takeAdded()
    guard !found.isEmpty else { return false }
    while let node = found.popLast() {
      barriers.materialised.insert(node)
      _ = ProgramTracer.trace([node], graph: graph, materialised: needs, own: [node])
      found += needs.takeAdded()
    }
    return true
  }

  // MARK: Compiling

  private func compile(_ draft: PassDraft) throws -> PassPlan {
    var plan = PassPlan(stages: [], awaited: draft.awaited)
    for stage in draft.stages {
      plan.stages.append(
        try stage.sweeps.map { .sweep(try compile($0)) } + stage.kernels.map { .kernel(try compile($0)) })
    }
    return plan
  }

  private func compile(_ draft: PassDraft.Sweep) throws -> PassPlan.PlannedSweep {
    let program = try ProgramCompiler.compile(draft.outline, graph: graph, bits: bits(of: draft))
    let reductions = draft.settled.contains { barriers.geometry(of: $0.node) != nil }
    let partition: Partition
    if draft.isSampled {
      partition = KeySample.partition(count: program.count)
    } else if reductions {
      partition = ReductionSink.partition(
        of: draft.space?.geometry ?? ReductionSink.Geometry(outer: 1, size: program.count, inner: 1),
        preferredUnit: program.readsScattered ? 1 << 20 : Partition.chunk)
    } else {
      partition = Self.partition(for: program)
    }
    return PassPlan.PlannedSweep(
      program: program, partition: partition, settled: draft.settled, masks: draft.masks,
      outputs: draft.outputs, settlesTies: draft.space?.trip == .ties)
  }

  private func compile(_ draft: PassDraft.Kernel) throws -> PassPlan.PlannedKernel {
    PassPlan.PlannedKernel(
      node: draft.node, call: draft.call,
      inputs: try draft.inputs.map { try ProgramCompiler.compile($0, graph: graph) })
  }

  /// The roots that may be masks of bits: those of masks, and the second ones of dot products of all elements.
  private func bits(of draft: PassDraft.Sweep) -> Set<Int> {
    var (bits, others) = (Set(draft.masks.flatMap(\.roots)), Set<Int>(draft.outputs))
    for settled in draft.settled {
      if barriers.isDotProduct(settled.node) {
        others.insert(settled.roots[0])
        bits.insert(settled.roots[1])
      } else {
        others.formUnion(settled.roots)
      }
    }
    // A mask that several need is a root for each.
    return bits.subtracting(others)
  }

  /// Units for a sweep whose results do not depend on them.
  private static func partition(for program: Program) -> Partition {
    let unit = program.readsScattered ? 1 << 20 : Partition.chunk
    let row = program.granularity
    return .linear(count: program.count, size: row >= unit ? row : unit / row * row)
  }
}
