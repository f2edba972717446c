/// Expressions whose stored bytes are all that is asked for.
extension Evaluator {
  /// The copy that stores `node`, if bytes are all that it needs.
  func copyWork(_ node: NodeID, as dtype: DType, to sink: any ByteSink) throws -> (
    partition: Partition, work: CopyWork
  )? {
    guard graph.dtype(of: node) == dtype else { return nil }
    var sources: [NodeID] = [node]
    if case .identical = graph[node].operation {
      let inputs = graph[node].inputs
      sources = (0..<inputs.count).map { inputs[$0] }
    }
    var places: [(source: any ByteSource, offset: Int)] = []
    for source in sources {
      guard let place = try storedPlace(source, dtype) else { return nil }
      places.append(place)
    }
    guard let bytes = dtype.byteCount(graph[node].shape.count) else { return nil }
    let work = CopyWork(
      source: places[0].source, offset: places[0].offset, others: Array(places.dropFirst()), sink: sink)
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
