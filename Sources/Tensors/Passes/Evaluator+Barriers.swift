/// What a sweep does for the barriers that wait for it.
extension Evaluator {
  func search(_ node: NodeID) -> SelectionSearch {
    guard case .search(let search) = graph[node].result else { preconditionFailure("No result yet") }
    return search
  }

  func selected(_ node: NodeID) -> Selected {
    guard case .selection(let selected) = graph[node].result else { preconditionFailure("No result yet") }
    return selected
  }

  /// The outcome of a selection from `elements` that an earlier one leaves no doubt about.
  func selected(_ earlier: NodeID, followedTo elements: NodeID) throws -> Selected? {
    guard let chain = MonotoneChain(from: graph[earlier].inputs[0], to: elements, in: graph) else {
      return nil
    }
    return try selected(earlier).followed(by: chain, value: scalar)
  }

  /// The sink that a barrier needs, if no other sink of the sweep serves it too, and what settles it.
  func makeSink(
    _ barrier: PassPlan.Settled, _ planned: PassPlan.PlannedSweep, _ keySinks: inout [Int: KeySink]
  ) throws -> ((any SweepSink)?, () throws -> Void) {
    let node = barrier.node
    let graph = graph
    let inputs = graph[node].inputs
    let root = barrier.roots[0]

    /// Selections from the same elements share the making of keys.
    func keySink(for counter: any KeyCounter) -> KeySink? {
      let shared = keySinks[root]
      let sink = shared ?? KeySink(root: root)
      sink.add(counter)
      keySinks[root] = sink
      return shared == nil ? sink : nil
    }

    switch graph[node].operation {
    case .reduce(let reduction, let dimension):
      let sink = try ReductionSink(
        reduction, roots: (root, barrier.roots.last!),
        geometry: ReductionSink.Geometry(graph[inputs[0]].shape, dimension), partition: planned.partition)
      return (
        sink,
        {
          let results = sink.results()
          if dimension == nil {
            graph.settle(node, as: results[0])
          } else {
            let leaf = StoredLeaf(source: MemorySource(results), dtype: .f64, count: results.count)
            graph.settle(node, as: leaf)
          }
        }
      )
    case .selectCoarse(let kind):
      let shared = keySinks[root]?.counters.lazy.compactMap { $0 as? KeySample }.first
      let sample = shared ?? KeySample(planned.partition)
      return (
        shared == nil ? keySink(for: sample) : nil,
        { [weak self] in
          guard let self else { return }
          let k = try kind.count(self.scalar(inputs[1]), of: planned.program.count)
          graph[node].result = .search(sample.search(k: k, of: planned.program.count))
        }
      )
    case .selectFine:
      let search = search(inputs[2])
      guard search.collects else {
        let histogram = KeyHistogram(search, threads: pool.threadCount)
        return (keySink(for: histogram), { graph[inputs[2]].result = .search(histogram.narrowed()) })
      }
      let candidates = KeyCandidates(search, partition: planned.partition, threads: pool.threadCount)
      return (
        keySink(for: candidates),
        {
          switch candidates.outcome() {
          case .found(let selected): graph[node].result = .selection(selected)
          case .next(let search): graph[inputs[2]].result = .search(search)
          }
        }
      )
    default:
      // An expression that is materialised for others to read in their own order.
      let (target, leaf) = try makeRoom(graph[node].shape.count, graph[node].precision)
      return (StoreSink(root: root, dtype: leaf.dtype, sink: target), { graph.settle(node, as: leaf) })
    }
  }
}
