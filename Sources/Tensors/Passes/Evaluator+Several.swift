/// Several expressions at once.
extension Evaluator {
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
}
