/// Expressions whose stored bytes are all that is asked for.
extension Evaluator {
  /// The copy that stores `node`, if bytes are all that it needs.
  func copyWork(_ node: NodeID, for target: Target) throws -> (partition: Partition, work: CopyWork)? {
    let dtype = target.dtype
    guard graph.dtype(of: node) == dtype else { return nil }
    var sources: [NodeID] = [node]
    var mustAgree = true
    if case .identical(let isRequired) = graph[node].operation {
      mustAgree = isRequired
      let inputs = graph[node].inputs
      // Nobody would hear of it.
      let count = isRequired || target.findings != nil ? inputs.count : 1
      sources = (0..<count).map { inputs[$0] }
    }
    var places: [(source: any ByteSource, offset: Int)] = []
    for source in sources {
      guard let place = try storedPlace(source, dtype) else { return nil }
      places.append(place)
    }
    guard let bytes = dtype.byteCount(graph[node].shape.count) else { return nil }
    let work = CopyWork(
      source: places[0].source, offset: places[0].offset, dtype: dtype, others: Array(places.dropFirst()),
      mustAgree: mustAgree, sink: target.sink, findings: target.findings)
    return (.linear(count: bytes, size: CopyWork.unitBytes), work)
  }

  /// Where a node's elements lie as they are stored, if they do.
  private func storedPlace(_ node: NodeID, _ dtype: DType) throws -> (source: any ByteSource, offset: Int)? {
    var node = node
    var map = IndexMap.identity(count: graph[node].shape.count)
    while case .view(let view) = graph[node].operation {
      guard let next = map.followed(by: view) else { return nil }
      map = next
      node = graph[node].inputs[0]
    }
    guard case .stored(let leaf) = graph[node].operation, leaf.dtype == dtype, map.isLinear,
      let offset = dtype.byteCount(map.offset)
    else { return nil }
    return (leaf.source, offset)
  }
}
