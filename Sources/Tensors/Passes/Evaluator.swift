/// Computes expressions: plans their passes, hands sweeps to the workers, settles barriers between them.
///
/// Belongs to the thread that builds expressions. Any number of expressions are under way at once; each
/// call below lets finished sweeps go on to what they were needed for.
package final class Evaluator {
  /// How expressions are computed.
  package struct Options: Sendable {
    /// Worker threads.
    package var threads: Int
    /// Whether graphs and plans are verified before they run, for tests.
    package var verifies = false
    /// Elements of a tile, for tests; `nil` fits tiles to the cache.
    package var tileSize: Int?
    /// Asked now and then while waiting; `true` makes the wait throw `TensorError.cancelled`.
    package var isInterrupted: @Sendable () -> Bool

    /// Room for as many bytes of elements that later passes read in another order.
    package var makeScratch: @Sendable (Int) throws -> any ByteSource & ByteSink

    /// Options for `threads` workers.
    package init(
      threads: Int, verifies: Bool = false, tileSize: Int? = nil,
      isInterrupted: @escaping @Sendable () -> Bool = { false },
      makeScratch: @escaping @Sendable (Int) throws -> any ByteSource & ByteSink = {
        MemorySource(byteCount: $0)
      }
    ) {
      self.threads = threads
      self.verifies = verifies
      self.tileSize = tileSize
      self.isInterrupted = isInterrupted
      self.makeScratch = makeScratch
    }
  }

  let graph: ExpressionGraph
  let options: Options
  let pool: WorkerPool
  let maskPages = MaskPages()
  var nextOrder = 0
  /// Expressions that are under way.
  var jobs: [ObjectIdentifier: Job] = [:]
  /// Those among them that wait for barriers of others.
  var waiting: [Job] = []
  /// Barriers that jobs under way will settle.
  var inFlight: Set<NodeID> = []
  var inFlightMaterialised: Set<NodeID> = []
  var isInDeferredCall = false
  /// Bytes of whole matrices that kernels hold, and those that wait for them to go.
  var matrixBytes = 0
  var waitingForMatrices: [Sweep] = []

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
      let job = keep([node], .empty, targets: [], completion)
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

  func requireStorable(_ node: NodeID, as dtype: DType) throws {
    // What `to` made a mask or counts is stored as these.
    if graph[node].dtype == dtype, dtype.isConvertible { return }
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
    matrixBytes = 0
    waitingForMatrices = []
    dropped.forEach(letGo)
  }
}
