/// Expressions on their way: from stage to stage of their plans.
extension Evaluator {
  /// One expression on its way, or several that are computed together.
  final class Job {
    let plan: PassPlan
    /// Nodes that are kept until the end: the expressions' roots, if there are any, and all that the plan
    /// names.
    let kept: [NodeID]
    /// What becomes of the plan's outputs, in their order.
    let targets: [Target]
    let completion: (Result<Void, any Error>) -> Void
    /// How many jobs there were before it.
    let order: Int
    var stage = 0
    /// Whether sweeps of the stage have run.
    var hasBegun = false
    var outstanding = 0
    var failure: (any Error)?
    /// Masks that sweeps have kept for later ones.
    var masks: [NodeID: StoredLeaf] = [:]

    init(
      plan: PassPlan, kept: [NodeID], order: Int, targets: [Target],
      completion: @escaping (Result<Void, any Error>) -> Void
    ) {
      self.order = order
      self.plan = plan
      self.kept = kept
      self.targets = targets
      self.completion = completion
    }
  }

  func start(
    _ roots: [NodeID], targets: [Target], completion: @escaping (Result<Void, any Error>) -> Void
  ) throws {
    var planner = PassPlanner(
      graph: graph, inFlight: inFlight, inFlightMaterialised: inFlightMaterialised)
    let roots = targets.isEmpty ? roots : zip(roots, targets).map { unrounded($0, for: $1.dtype) }
    let plan = try planner.plan(roots, stores: !targets.isEmpty)
    if options.verifies {
      try graph.verify()
      try plan.verify(for: graph)
    }
    let job = keep(roots, plan, targets: targets, completion)
    for node in job.plan.settledNodes {
      inFlight.insert(node)
      if !graph[node].operation.traits.settles { inFlightMaterialised.insert(node) }
    }
    if job.plan.awaited.isEmpty {
      launch(job)
    } else {
      waiting.append(job)
    }
  }

  /// What a tensor is rounded from, if storing it rounds to the same dtype: once is enough.
  private func unrounded(_ node: NodeID, for dtype: DType) -> NodeID {
    guard case .convert(dtype) = graph[node].operation else { return node }
    let input = graph[node].inputs[0]
    return graph.isScalar(input) ? node : input
  }

  func keep(
    _ roots: [NodeID], _ plan: PassPlan, targets: [Target],
    _ completion: @escaping (Result<Void, any Error>) -> Void
  ) -> Job {
    let job = Job(
      plan: plan, kept: roots + plan.nodes, order: nextOrder, targets: targets, completion: completion)
    nextOrder += 1
    job.kept.forEach(graph.retain)
    jobs[ObjectIdentifier(job)] = job
    return job
  }

  func letGo(_ job: Job) { job.kept.forEach(graph.release) }

  /// Starts the work of a job's current stage, and goes on while there are none.
  ///
  /// A stage comes again while a selection in it has not found its element.
  private func launch(_ job: Job) {
    while job.outstanding == 0 {
      if job.failure == nil, job.stage < job.plan.stages.count, job.hasBegun,
        job.plan.stages[job.stage].allSatisfy({ $0.settledNodes.allSatisfy(isKnown) })
      {
        job.stage += 1
        job.hasBegun = false
      }
      guard job.failure == nil, job.stage < job.plan.stages.count else { return end(job) }
      let stage = job.plan.stages[job.stage]
      job.hasBegun = true
      do {
        // All are counted before the first can end.
        let sweeps = try stage.compactMap { try launch($0, of: job) }
        job.outstanding = sweeps.count
        for sweep in sweeps { submit(sweep) }
      } catch { job.failure = error }
    }
  }

  /// After a sweep of a job: `settle` takes its results, if it did not fail.
  func ended(_ job: Job, _ failure: (any Error)?, settle: () throws -> Void) {
    do {
      if let failure { throw failure }
      try settle()
    } catch { job.failure = job.failure ?? error }
    job.outstanding -= 1
    if job.outstanding == 0 { launch(job) }
  }

  private func end(_ job: Job) {
    for node in job.plan.settledNodes {
      inFlight.remove(node)
      inFlightMaterialised.remove(node)
      guard let failure = job.failure, !isKnown(node) else { continue }
      for waiter in waiting where waiter.plan.awaited.contains(node) { waiter.failure = failure }
    }
    let ready = waiting.filter { !$0.plan.awaited.contains(where: inFlight.contains) }
    waiting.removeAll { waiter in ready.contains { $0 === waiter } }
    letGo(job)
    jobs[ObjectIdentifier(job)] = nil
    job.completion(job.failure.map { .failure($0) } ?? .success(()))
    // The completion may have cancelled them.
    for waiter in ready where jobs[ObjectIdentifier(waiter)] != nil { launch(waiter) }
  }

  /// Whether a barrier has its result.
  func isKnown(_ node: NodeID) -> Bool {
    graph[node].result != nil || graph[node].operation.traits.kind == .leaf
  }
}
