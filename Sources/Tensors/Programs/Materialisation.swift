/// Nodes with results of their own that programs read: what cannot be computed in place, and masks that sweeps keep.
final class Materialisation {
  private(set) var nodes: Set<NodeID>
  /// Those among them that are kept as masks.
  let masks: Set<NodeID>
  /// Those that have been added since the last look.
  private var added: [NodeID] = []

  init(_ nodes: Set<NodeID>, masks: Set<NodeID>) {
    self.nodes = nodes.union(masks)
    self.masks = masks
  }

  func contains(_ node: NodeID) -> Bool { !nodes.isEmpty && nodes.contains(node) }

  func insert(_ node: NodeID) { if nodes.insert(node).inserted { added.append(node) } }

  /// The nodes that have been added since the last look.
  func takeAdded() -> [NodeID] {
    defer { added = [] }
    return added
  }
}
