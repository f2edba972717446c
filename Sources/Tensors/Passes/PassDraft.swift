/// Work that is laid out and traced, but not compiled.
struct PassDraft {
  struct Sweep {
    var space: Barriers.Space?
    var settled: [PassPlan.Settled]
    var masks: [PassPlan.Settled] = []
    var outputs: Range<Int> = 0..<0
    var outline: ProgramOutline

    /// Whether a selection begins with a sample: not where all keys are collected at once, nor where a few
    /// elements cost as much as many.
    var isSampled: Bool {
      space?.trip == .sample && outline.count > SelectionSearch.smallCount && outline.granularity == 1
        && !outline.readsScattered
    }
  }

  struct Kernel {
    var node: NodeID
    var call: KernelCall
    var inputs: [ProgramOutline]
  }

  struct Stage {
    var sweeps: [Sweep] = []
    var kernels: [Kernel] = []
  }

  var stages: [Stage]
  var awaited: [NodeID]
}

/// Lays work out: which barriers share a sweep, and what the sweeps' programs compute.
struct PassDrafter {
  let barriers: Barriers
  let needs: Materialisation
  let kept: KeptMasks

  private var graph: ExpressionGraph { barriers.graph }

  /// The work that `schedule` asks for, and what stores `roots` if that is wanted.
  func draft(_ schedule: BarrierSchedule, storing roots: [NodeID]?) -> PassDraft {
    var draft = PassDraft(stages: [], awaited: schedule.awaited)
    for (stage, nodes) in schedule.stages.enumerated() {
      var work = PassDraft.Stage()
      work.sweeps = barriers.sweeps(of: nodes).enumerated().map { index, sweep in
        self.sweep(sweep.space, sweep.barriers, KeptMasks.Place(stage: stage, sweep: index))
      }
      work.kernels = nodes.filter(barriers.isKernel).map(kernel)
      draft.stages.append(work)
    }
    if let roots {
      while draft.stages.count <= schedule.level { draft.stages.append(PassDraft.Stage()) }
      draft.stages[schedule.level].sweeps.append(
        PassDraft.Sweep(settled: [], outputs: roots.indices, outline: trace(roots)))
    }
    return draft
  }

  /// Barriers over one space in one sweep, and the masks that it keeps.
  private func sweep(_ space: Barriers.Space, _ nodes: [NodeID], _ place: KeptMasks.Place)
    -> PassDraft.Sweep
  {
    var roots: [NodeID] = []
    var places: [NodeID: Int] = [:]
    let settled = nodes.map { node in
      PassPlan.Settled(
        node: node,
        roots: barriers.operands(of: node).map { operand in
          if let place = places[operand] { return place }
          roots.append(operand)
          places[operand] = roots.count - 1
          return roots.count - 1
        })
    }
    let masks = kept.nodes(by: place).map { mask in
      roots.append(mask)
      return PassPlan.Settled(node: mask, roots: [roots.count - 1])
    }
    let own = kept.nodes(from: place.stage).union(nodes.filter(barriers.materialised.contains))
    return PassDraft.Sweep(space: space, settled: settled, masks: masks, outline: trace(roots, own: own))
  }

  private func kernel(_ node: NodeID) -> PassDraft.Kernel {
    guard case .call(.kernel(let call)) = graph[node].operation else { preconditionFailure("No kernel") }
    return PassDraft.Kernel(node: node, call: call, inputs: barriers.operands(of: node).map { trace([$0]) })
  }

  func trace(_ roots: [NodeID], own: Set<NodeID> = []) -> ProgramOutline {
    ProgramTracer.trace(roots, graph: graph, materialised: needs, own: own)
  }
}
