extension PassPlan {
  /// A rule that a plan breaks.
  package enum Defect: Error, Equatable {
    /// A barrier is settled by one piece of work only.
    case settledTwice(NodeID)
    /// What a program or a barrier needs is known, awaited, or settled in an earlier stage.
    case notSettled(NodeID)
    /// A barrier's inputs are roots of its sweep's program, as many as it sweeps over.
    case roots(NodeID)
    /// The expressions' own results are roots of a sweep of the last stage.
    case outputs
    /// The units of a sweep cover its elements.
    case partition
    /// A kernel has a program for each input.
    case kernel(NodeID)
  }

  /// Throws the first `Defect` of the plan or `Program.Defect` of its programs. Tests run it; nothing else does.
  package func verify(for graph: ExpressionGraph) throws {
    let planned = Set(settledNodes)
    var settled: Set<NodeID> = []
    var masks: Set<NodeID> = []
    for (stage, work) in stages.enumerated() {
      for node in work.flatMap({ Self.needs(of: $0, graph) }) {
        guard settled.contains(node) || masks.contains(node) || isKnown(node, planned, graph) else {
          throw Defect.notSettled(node)
        }
      }
      for work in work {
        try Self.verify(work, graph, isLast: stage == stages.count - 1)
        for node in work.settledNodes where !settled.insert(node).inserted { throw Defect.settledTwice(node) }
        if case .sweep(let sweep) = work { masks.formUnion(sweep.masks.map(\.node)) }
      }
    }
  }

  /// Whether a node has its result without the plan.
  private func isKnown(_ node: NodeID, _ planned: Set<NodeID>, _ graph: ExpressionGraph) -> Bool {
    if graph[node].result != nil || awaited.contains(node) { return true }
    return !planned.contains(node) && graph[node].operation.traits.kind == .leaf
  }

  /// The barriers that work needs to have been settled.
  private static func needs(of work: Work, _ graph: ExpressionGraph) -> [NodeID] {
    var needs: [NodeID] = []
    for program in work.programs {
      program.forEachNode { node, isScalar in
        if isScalar { needs += barriers(below: node, graph) } else { needs.append(call(of: node, graph)) }
      }
    }
    for node in work.settledNodes {
      let inputs = graph[node].inputs
      for input in (graph[node].operation.traits.elementInputs ?? inputs.count)..<inputs.count {
        if graph[node].operation.traits.kind == .barrier { needs += barriers(below: inputs[input], graph) }
      }
    }
    return needs
  }

  /// The call that a node is an element of, else the node.
  private static func call(of node: NodeID, _ graph: ExpressionGraph) -> NodeID {
    if case .element = graph[node].operation { graph[node].inputs[0] } else { node }
  }

  /// The nearest barriers that a number is computed from, itself among them.
  private static func barriers(below root: NodeID, _ graph: ExpressionGraph) -> [NodeID] {
    var found: [NodeID] = []
    var seen: Set<NodeID> = []
    var stack = [root]
    while let node = stack.popLast() {
      guard seen.insert(node).inserted else { continue }
      if graph[node].operation.traits.settles || graph[node].result != nil {
        found.append(node)
      } else {
        let inputs = graph[node].inputs
        for input in 0..<inputs.count { stack.append(inputs[input]) }
      }
    }
    return found
  }

  private static func verify(_ work: Work, _ graph: ExpressionGraph, isLast: Bool) throws {
    for program in work.programs { try program.verify { graph[$0].shape.count } }
    switch work {
    case .kernel(let planned):
      guard case .call(.kernel) = graph[planned.node].operation,
        planned.inputs.map(\.count) == inputSizes(of: planned.node, graph)
      else { throw Defect.kernel(planned.node) }
    case .sweep(let sweep):
      for settled in sweep.settled + sweep.masks {
        guard !settled.roots.isEmpty, settled.roots.allSatisfy(sweep.program.roots.indices.contains) else {
          throw Defect.roots(settled.node)
        }
      }
      guard sweep.outputs.isEmpty || (isLast && sweep.outputs == sweep.program.roots.indices) else {
        throw Defect.outputs
      }
      if case .samples = sweep.partition { return }
      guard sweep.partition.size == sweep.program.count else { throw Defect.partition }
    }
  }

  private static func inputSizes(of node: NodeID, _ graph: ExpressionGraph) -> [Int] {
    let inputs = graph[node].inputs
    return (0..<inputs.count).map { graph[inputs[$0]].shape.count }
  }
}
