/// Numbers, computed by the thread that builds expressions.
extension Evaluator {
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
      for index in 0..<inputs.count where value(inputs[index]) == nil && !hasResults(inputs[index]) {
        stack.append(inputs[index])
        isReady = false
      }
      guard isReady else { continue }
      stack.removeLast()
      try settle(node) { self.value(inputs[$0])! }
    }
    return graph.constantValue(root)!
  }

  private func value(_ node: NodeID) -> Double? {
    if let value = graph.constantValue(node) { return value }
    if case .selection(let selected) = graph[node].result { return Double(selected.threshold) }
    return nil
  }

  /// Whether it is a call that has ended.
  private func hasResults(_ node: NodeID) -> Bool {
    if case .results = graph[node].operation { true } else { false }
  }

  /// Computes a node from the values of its inputs.
  private func settle(_ node: NodeID, _ input: (Int) -> Double) throws {
    switch graph[node].operation {
    case .unary(let operation):
      graph.settle(node, as: ScalarMath.apply(operation, input(0)))
    case .binary(let operation):
      graph.settle(node, as: ScalarMath.apply(operation, input(0), input(1)))
    case .select:
      graph.settle(node, as: input(0) != 0 ? input(1) : input(2))
    case .convert(let dtype):
      var rounded = 0.0
      withUnsafePointer(to: input(0)) { Double.round($0, &rounded, dtype: dtype, count: 1) }
      graph.settle(node, as: rounded)
    case .call(.host(let call)):
      let outer = isInDeferredCall
      isInDeferredCall = true
      defer { isInDeferredCall = outer }
      graph.settle(node, as: try call((0..<graph[node].inputs.count).map(input)))
    case .element:
      graph.settleIfKnown(elementOfCall: node)
    case .constant, .results:
      // The host's function has led here by itself.
      break
    default:
      preconditionFailure("No result yet")
    }
  }
}
