import Tensors

/// The nodes of a model's tensors that are alive, by name, so that a tensor asked for twice is one node.
///
/// Names of nodes that are gone are forgotten now and then: what is kept does not grow with the model.
struct NodeCache {
  private var nodes: [String: ExpressionGraph.WeakNode] = [:]
  private var largest = smallest
  private static let smallest = 1024

  /// A tensor's node, with a reference for the caller, or `nil` if it is gone.
  func node(named name: String, in graph: ExpressionGraph) -> NodeID? {
    nodes[name].flatMap(graph.strong)
  }

  /// Notes a tensor's node.
  mutating func add(_ node: NodeID, named name: String, in graph: ExpressionGraph) {
    if nodes.count >= largest {
      nodes = nodes.filter { entry in
        guard let node = graph.strong(entry.value) else { return false }
        graph.release(node)
        return true
      }
      largest = max(Self.smallest, 2 * nodes.count)
    }
    nodes[name] = graph.weak(node)
  }
}
