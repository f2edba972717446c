/// Planned work as the workers run it.
extension Evaluator {
  /// Planned work as the workers run it, or `nil` if its results are known without.
  func launch(_ work: PassPlan.Work, of job: Job) throws -> Sweep? {
    switch work {
    case .sweep(let sweep): try launch(sweep, of: job)
    case .kernel(let kernel): try launch(kernel, of: job)
    }
  }

  /// A kernel as the workers run it, with room for its results.
  private func launch(_ planned: PassPlan.PlannedKernel, of job: Job) throws -> Sweep? {
    if isKnown(planned.node) { return nil }
    let (node, kernel) = (planned.node, planned.call.kernel)
    let inputs = try planned.inputs.map {
      KernelInput(
        program: try LaunchedProgram($0, graph: graph, masks: job.masks, scalar: scalar),
        precision: $0.precision)
    }
    let results = try kernel.results.map { try makeRoom($0.shape.count, $0.precision) }
    let work = kernel.makeWork(inputs, into: results.map(\.sink))
    let bytes = kernel.workingBytes
    return Sweep(partition: kernel.partition, work: work, order: job.order, heldBytes: bytes) {
      [weak self, graph] in
      self?.letGo(ofMatrixBytes: bytes)
      self?.ended(job, $0) { graph.settle(node, as: CallResults(results.map { .elements($0.leaf) })) }
    }
  }

  /// Scratch for as many elements that later work reads.
  func makeRoom(_ count: Int, _ precision: Precision) throws -> (sink: any ByteSink, leaf: StoredLeaf) {
    let dtype: DType = precision == .double ? .f64 : .f32
    let bytes = count * dtype.byteWidth!
    graph.willMakeScratch(bytes)
    let scratch = try options.makeScratch(bytes)
    return (scratch, StoredLeaf(source: scratch, dtype: dtype, count: count))
  }

  /// The sweep as the workers run it, or `nil` if its results are known without.
  private func launch(_ planned: PassPlan.PlannedSweep, of job: Job) throws -> Sweep? {
    var settled = planned.settled
    try settled.removeAll { try isKnown($0.node) || settledWithoutSweep($0, planned, job) }
    let masks = planned.masks.filter { job.masks[$0.node] == nil }
    if settled.isEmpty, masks.isEmpty, planned.outputs.isEmpty { return nil }

    let program = try LaunchedProgram(planned.program, graph: graph, masks: job.masks, scalar: scalar)
    var sinks: [any SweepSink] = []
    var finishers: [() throws -> Void] = []
    for (root, target) in zip(planned.outputs, job.targets) {
      sinks.append(
        StoreSink(root: root, dtype: target.dtype, sink: target.sink, findings: target.findings))
    }
    var keySinks: [Int: KeySink] = [:]
    for barrier in settled {
      let (sink, finisher) = try makeSink(barrier, planned, &keySinks)
      if let sink { sinks.append(sink) }
      finishers.append(finisher)
    }
    for mask in masks {
      let target = BitMask(count: planned.program.count, memory: maskPages)
      sinks.append(MaskSink(root: mask.roots[0], mask: target))
      let leaf = StoredLeaf(source: target, dtype: .bool, count: target.byteCount)
      finishers.append { job.masks[mask.node] = leaf }
    }
    let work: any SweepWork =
      planned.program.precision == .double
      ? ProgramWork<Double>(
        program: program, sinks: sinks, tileSize: options.tileSize,
        readsScattered: planned.program.readsScattered)
      : ProgramWork<Float>(
        program: program, sinks: sinks, tileSize: options.tileSize,
        readsScattered: planned.program.readsScattered)
    return Sweep(partition: planned.partition, work: work, order: job.order) { [weak self] in
      self?.ended(job, $0) { for finisher in finishers { try finisher() } }
    }
  }

  /// Whether a barrier is known as it is: a selection that follows from an earlier one, its bounds without a
  /// sample, the k-th largest if k is 0, the cut of ties that all belong or whose last is known.
  private func settledWithoutSweep(
    _ barrier: PassPlan.Settled, _ planned: PassPlan.PlannedSweep, _ job: Job
  ) throws -> Bool {
    let node = barrier.node
    let inputs = graph[node].inputs
    switch graph[node].operation {
    case .selectCoarse(let kind):
      if inputs.count > 2, let selected = try selected(inputs[2], followedTo: inputs[0]) {
        graph[node].result = .selection(selected)
        return true
      }
      let count = planned.program.count
      let k = try kind.count(scalar(inputs[1]), of: count)
      if case .samples = planned.partition, k > 0 { return false }
      graph[node].result = .search(SelectionSearch(k: k, of: count))
    case .selectFine:
      if case .selection(let selected) = graph[inputs[2]].result {
        graph[node].result = .selection(selected)
        return true
      }
      guard search(inputs[2]).k == 0 else { return false }
      graph[node].result = .selection(.nothing)
    case .tieCut:
      let selected = selected(inputs[1])
      if selected.k <= selected.above {
        graph[node].result = .cut(0)
      } else if selected.k - selected.above >= selected.equal {
        graph[node].result = .cut(.max)
      } else {
        guard let place = selected.lastTie else { preconditionFailure("Too few ties") }
        let program = try LaunchedProgram(planned.program, graph: graph, masks: job.masks, scalar: scalar)
        let end = try place.end(threshold: selected.threshold, root: barrier.roots[0], of: program)
        graph[node].result = .cut(end)
      }
    default: return false
    }
    return true
  }
}
