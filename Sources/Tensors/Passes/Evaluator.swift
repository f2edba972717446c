/// Computes expressions: plans their passes, hands sweeps to the workers, settles barriers between them.
///
/// Belongs to the thread that builds expressions. Any number of expressions are under way at once; each
/// call below lets finished sweeps go on to what they were needed for.
package final class Evaluator {
  /// How expressions are computed.
  package struct Options: Sendable {
    /// Worker threads.
    package var threads: Int
    /// Elements of a tile, for tests; `nil` fits tiles to the cache.
    package var tileSize: Int?
    /// Asked now and then while waiting; `true` makes the wait throw `TensorError.cancelled`.
    package var isInterrupted: @Sendable () -> Bool

    /// Room for as many bytes of elements that later passes read in another order.
    package var makeScratch: @Sendable (Int) throws -> any ByteSource & ByteSink

    /// Options for `threads` workers.
    package init(
      threads: Int, tileSize: Int? = nil, isInterrupted: @escaping @Sendable () -> Bool = { false },
      makeScratch: @escaping @Sendable (Int) throws -> any ByteSource & ByteSink = {
        MemorySource(byteCount: $0)
      }
    ) {
      self.threads = threads
      self.tileSize = tileSize
      self.isInterrupted = isInterrupted
      self.makeScratch = makeScratch
    }
  }

  /// Where an expression's elements go, and as what.
  package struct Target {
    package var sink: any ByteSink
    package var dtype: DType
    /// What is to be told of the elements that go there; `nil` if nobody asks.
    package var findings: StoreFindings?

    package init(sink: any ByteSink, dtype: DType, findings: StoreFindings? = nil) {
      self.sink = sink
      self.dtype = dtype
      self.findings = findings
    }
  }

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

  let graph: ExpressionGraph
  let options: Options
  let pool: WorkerPool
  private let maskPages = MaskPages()
  private var nextOrder = 0
  /// Expressions that are under way.
  private var jobs: [ObjectIdentifier: Job] = [:]
  /// Those among them that wait for barriers of others.
  private var waiting: [Job] = []
  /// Barriers that jobs under way will settle.
  private var inFlight: Set<NodeID> = []
  private var inFlightMaterialised: Set<NodeID> = []
  private(set) var isInDeferredCall = false

  /// Expressions that are under way.
  package var jobCount: Int { jobs.count }

  /// An evaluator of a graph's expressions; its threads start with the first work.
  package init(graph: ExpressionGraph, options: Options) {
    self.graph = graph
    self.options = options
    pool = WorkerPool(threads: options.threads)
  }

  deinit {
    pool.close()
    jobs.values.forEach(letGo)
  }

  // MARK: Asking

  /// Starts to compute `node` and to write its elements to `sink` as `dtype`; bytes are copied where
  /// nothing is to be computed. `completion` is called on this thread, from a later call, or from this one
  /// if nothing is left to do. An error that is thrown here has no completion.
  package func store(
    _ node: NodeID, as dtype: DType, to sink: any ByteSink,
    completion: @escaping (Result<Void, any Error>) -> Void
  ) throws {
    try store(node, Target(sink: sink, dtype: dtype), completion: completion)
  }

  /// The same, for a target.
  package func store(
    _ node: NodeID, _ target: Target, completion: @escaping (Result<Void, any Error>) -> Void
  ) throws {
    if let copy = try copyWork(node, for: target) {
      let job = keep([node], PassPlan(stages: [], awaited: []), targets: [], completion)
      job.outstanding = 1
      pool.submit(
        Sweep(partition: copy.partition, work: copy.work, order: job.order) { [weak self] in
          self?.ended(job, $0) {}
        })
      return
    }
    try requireStorable(node, as: target.dtype)
    try start([node], targets: [target], completion: completion)
  }

  /// Starts to compute several expressions, each for a target of its own, as `store` does one. Those of one
  /// size share their last sweep, so that what they have in common is read and computed once.
  package func store(
    _ requests: [(node: NodeID, target: Target)], completion: @escaping (Result<Void, any Error>) -> Void
  ) throws {
    struct Space: Hashable {
      var count: Int
      var precision: Precision
    }
    var singles: [(node: NodeID, target: Target)] = []
    var order: [Space] = []
    var groups: [Space: [(node: NodeID, target: Target)]] = [:]
    for request in requests {
      if try copyWork(request.node, for: request.target) != nil {
        singles.append(request)
        continue
      }
      try requireStorable(request.node, as: request.target.dtype)
      let space = Space(
        count: graph[request.node].shape.count, precision: graph[request.node].precision)
      if groups[space] == nil { order.append(space) }
      groups[space, default: []].append(request)
    }
    guard !requests.isEmpty else { return completion(.success(())) }
    let ends = Ends(count: singles.count + order.count, completion)
    do {
      for (node, target) in singles {
        try store(node, target, completion: ends.one)
      }
      for space in order {
        let group = groups[space]!
        try start(group.map(\.node), targets: group.map(\.target), completion: ends.one)
      }
    } catch {
      ends.completion = nil
      throw error
    }
  }

  /// Calls a completion after the last of several, or with the first failure.
  private final class Ends {
    private var left: Int
    var completion: ((Result<Void, any Error>) -> Void)?

    init(count: Int, _ completion: @escaping (Result<Void, any Error>) -> Void) {
      left = count
      self.completion = completion
    }

    func one(_ result: Result<Void, any Error>) {
      left -= 1
      if left > 0, case .success = result { return }
      completion?(result)
      completion = nil
    }
  }

  private func requireStorable(_ node: NodeID, as dtype: DType) throws {
    if let own = graph[node].dtype, !own.isArithmetic {
      throw TensorError.notArithmetic(operation: "storing as \(dtype.rawValue)", own)
    }
    guard dtype.isArithmetic else { throw TensorError.notFloat(operation: "storing", dtype) }
  }

  /// The value of a scalar, or of a tensor of one element; waits for it.
  package func value(of node: NodeID) throws -> Double {
    if let value = graph.constantValue(node) { return value }
    guard graph.shape(of: node).count == 1 else {
      throw TensorError.needsScalar(operation: "item", graph.shape(of: node))
    }
    guard !isInDeferredCall else { throw TensorError.inDeferred(operation: "item") }
    if graph.isScalar(node) {
      try wait { try self.start([node], targets: [], completion: $0) }
      return try scalar(node)
    }
    let target = MemorySource(byteCount: 8)
    try wait { try self.store(node, as: .f64, to: target, completion: $0) }
    return target.withElements(of: Double.self) { $0[0] }
  }

  func wait(for request: (@escaping (Result<Void, any Error>) -> Void) throws -> Void) throws {
    var outcome: Result<Void, any Error>?
    try request { outcome = $0 }
    while outcome == nil {
      // Dropped by `cancel`, from a completion.
      guard jobCount > 0 else { throw TensorError.cancelled }
      try advance(waiting: true)
    }
    try outcome!.get()
  }

  /// Lets sweeps that have ended go on to what needs them; with `waiting`, until one has, if anything is
  /// under way.
  package func advance(waiting: Bool) throws {
    var waits = waiting
    while true {
      if options.isInterrupted() { throw TensorError.cancelled }
      if let sweep = pool.nextEnded(waiting: waits && jobCount > 0 ? 50 : 0) {
        sweep.finished(sweep.failure)
        waits = false
      } else if !waits || jobCount == 0 {
        return
      }
    }
  }

  /// Waits until nothing is under way.
  package func finish() throws {
    while jobCount > 0 { try advance(waiting: true) }
  }

  /// Drops everything that is under way, without completions.
  package func cancel() {
    pool.cancel()
    let dropped = jobs.values
    jobs = [:]
    waiting = []
    inFlight = []
    inFlightMaterialised = []
    dropped.forEach(letGo)
  }

  // MARK: Jobs

  private func start(
    _ roots: [NodeID], targets: [Target], completion: @escaping (Result<Void, any Error>) -> Void
  ) throws {
    var planner = PassPlanner(
      graph: graph, inFlight: inFlight, inFlightMaterialised: inFlightMaterialised)
    let roots = targets.isEmpty ? roots : zip(roots, targets).map { unrounded($0, for: $1.dtype) }
    let job = keep(roots, try planner.plan(roots, stores: !targets.isEmpty), targets: targets, completion)
    for settled in job.plan.stages.joined().flatMap(\.settled) {
      inFlight.insert(settled.node)
      if isMaterialised(settled.node) { inFlightMaterialised.insert(settled.node) }
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

  private func letGo(_ job: Job) { job.kept.forEach(graph.release) }

  /// Whether a barrier is one because its elements are put down, not for what it computes.
  private func isMaterialised(_ node: NodeID) -> Bool {
    switch graph[node].operation {
    case .reduce, .selectCoarse, .selectFine, .tieCut: false
    default: true
    }
  }

  /// Starts the sweeps of a job's current stage, and goes on while there are none.
  ///
  /// A stage comes again while a selection in it has not found its element.
  private func launch(_ job: Job) {
    while job.outstanding == 0 {
      if job.failure == nil, job.stage < job.plan.stages.count, job.hasBegun,
        job.plan.stages[job.stage].allSatisfy({ $0.settled.allSatisfy { isKnown($0.node) } })
      {
        job.stage += 1
        job.hasBegun = false
      }
      guard job.failure == nil, job.stage < job.plan.stages.count else { return end(job) }
      let stage = job.plan.stages[job.stage]
      job.hasBegun = true
      do {
        // All are counted before the first can end.
        let sweeps = try stage.compactMap { try sweep($0, of: job) }
        job.outstanding = sweeps.count
        for sweep in sweeps { pool.submit(sweep) }
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
    for settled in job.plan.stages.joined().flatMap(\.settled) {
      inFlight.remove(settled.node)
      inFlightMaterialised.remove(settled.node)
      guard let failure = job.failure, !isKnown(settled.node) else { continue }
      for waiter in waiting where waiter.plan.awaited.contains(settled.node) { waiter.failure = failure }
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
  private func isKnown(_ node: NodeID) -> Bool {
    if graph[node].result != nil { return true }
    switch graph[node].operation {
    case .constant, .stored: return true
    default: return false
    }
  }

  // MARK: Sweeps

  /// The sweep as the workers run it, or `nil` if its results are known without.
  private func sweep(_ planned: PassPlan.PlannedSweep, of job: Job) throws -> Sweep? {
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

  // MARK: Scalars

  /// The value of a scalar all of whose barriers are settled; works off a list, whatever its depth.
  func scalar(_ root: NodeID) throws -> Double {
    var stack = [root]
    graph.retain(root)
    defer { graph.release(root) }
    while let node = stack.last {
      if graph.constantValue(node) != nil {
        stack.removeLast()
        continue
      }
      if case .selection(let selected) = graph[node].result {
        // A selection keeps its result: masks ask for more of it than the value.
        if node == root { return Double(selected.threshold) }
        stack.removeLast()
        continue
      }
      let inputs = graph[node].inputs
      var isReady = true
      for index in 0..<inputs.count where value(inputs[index]) == nil {
        stack.append(inputs[index])
        isReady = false
      }
      guard isReady else { continue }
      stack.removeLast()
      try settleScalar(node, (0..<inputs.count).map { value(inputs[$0])! })
    }
    return graph.constantValue(root)!
  }

  private func value(_ node: NodeID) -> Double? {
    if let value = graph.constantValue(node) { return value }
    if case .selection(let selected) = graph[node].result { return Double(selected.threshold) }
    return nil
  }

  private func settleScalar(_ node: NodeID, _ inputs: [Double]) throws {
    switch graph[node].operation {
    case .unary(let operation):
      graph.settle(node, as: ScalarMath.apply(operation, inputs[0]))
    case .binary(let operation):
      graph.settle(node, as: ScalarMath.apply(operation, inputs[0], inputs[1]))
    case .select:
      graph.settle(node, as: inputs[0] != 0 ? inputs[1] : inputs[2])
    case .convert(let dtype):
      var rounded = 0.0
      withUnsafePointer(to: inputs[0]) { Double.round($0, &rounded, dtype: dtype, count: 1) }
      graph.settle(node, as: rounded)
    case .deferred(let call, let output):
      if call.results == nil {
        let outer = isInDeferredCall
        isInDeferredCall = true
        defer { isInDeferredCall = outer }
        call.results = try call.function(inputs)
      }
      let results = call.results ?? []
      graph.settle(node, as: output < results.count ? results[output] : .nan)
    case .constant:
      // The host's function has led here by itself.
      break
    default:
      preconditionFailure("No result yet")
    }
  }
}
