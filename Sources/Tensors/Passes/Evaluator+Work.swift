/// Whole tensors, and work of other kinds, on the evaluator's workers, for callers that wait.
extension Evaluator {
  /// Computes `node`, writes its elements to `sink` as `dtype`, and waits until that is done.
  ///
  /// `operation` is what the user asked for, for messages: numbers of a deferred call cannot wait for others.
  package func write(_ node: NodeID, as dtype: DType, to sink: any ByteSink, for operation: String) throws {
    guard !isInDeferredCall else { throw TensorError.inDeferred(operation: operation) }
    try wait { try self.store(node, as: dtype, to: sink, completion: $0) }
  }

  /// Runs `work` for each number below `units` on the workers, and waits for all.
  ///
  /// Which worker runs a unit, and in which order, is open, so results must not depend on it. Throws the
  /// first error; units that have not begun by then are left out.
  package func perform(
    units: Int, for operation: String, _ work: @escaping @Sendable (_ unit: Int) throws -> Void
  ) throws {
    guard !isInDeferredCall else { throw TensorError.inDeferred(operation: operation) }
    try wait { completion in
      let job = self.keep([], .empty, targets: [], completion)
      job.outstanding = 1
      self.pool.submit(
        Sweep(partition: .linear(count: units, size: 1), work: UnitWork(body: work)) { [weak self] in
          self?.ended(job, $0) {}
        })
    }
  }
}

/// Units of a caller's own.
private struct UnitWork: SweepWork {
  let body: @Sendable (Int) throws -> Void

  func makeWorker(index: Int) -> any SweepWorker { Worker(body) }

  private final class Worker: SweepWorker {
    private let body: @Sendable (Int) throws -> Void

    init(_ body: @escaping @Sendable (Int) throws -> Void) { self.body = body }

    func run(unit: Int, range: Range<Int>) throws { try body(unit) }
  }
}
