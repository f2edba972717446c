// Equal nodes are one node (hash-consing), whichever tensor or output they are built for, as long as one of them is
// alive: so what expressions have in common is computed once. A node that has been computed is found as long as what it
// was computed from is there too.

extension ExpressionGraph {
  /// A node that is the same, if there is one; else the hash under which the new one can be found.
  ///
  /// Calls of the host are nobody else's: what they do cannot be compared.
  func existing(
    _ operation: Operation, _ inputs: Inputs, _ shape: Shape, _ precision: Precision, _ dtype: DType?
  ) -> (node: NodeID?, hash: UInt32?) {
    if case .call(.host) = operation { return (nil, nil) }
    if case .results = operation { return (nil, nil) }
    var mixer = Mixer()
    operation.mix(into: &mixer)
    for input in 0..<inputs.count { mixer.add(Int(inputs[input].index)) }
    let hash = mixer.hash
    let found = table.find(hash) { index in
      let node = nodes[Int(index)]
      guard node.shape == shape, node.precision == precision, node.dtype == dtype else { return false }
      guard let former = node.former else {
        return node.inputs.isSame(inputs) && node.operation.isSame(operation)
      }
      return former.inputs.isSame(inputs) && former.operation.isSame(operation)
        && former.generations.indices.allSatisfy {
          nodes[Int(inputs[$0].index)].generation == former.generations[$0]
        }
    }
    return (found.map(NodeID.init(index:)), hash)
  }

  /// Takes a node out of those that are found.
  func forget(_ node: NodeID) {
    guard let hash = nodes[Int(node.index)].hash else { return }
    table.remove(node.index, hash)
    nodes[Int(node.index)].hash = nil
  }
}

/// A hash that is cheap for a few integers.
struct Mixer {
  private var state: UInt64 = 0x243f_6a88_85a3_08d3

  mutating func add(_ value: Int) {
    state = (state ^ UInt64(bitPattern: Int64(value))) &* 0x9e37_79b9_7f4a_7c15
    state ^= state >> 29
  }

  mutating func add(_ value: some AnyObject) { add(ObjectIdentifier(value).hashValue) }

  var hash: UInt32 { UInt32(truncatingIfNeeded: state >> 32) }
}

extension ExpressionGraph.Inputs {
  fileprivate func isSame(_ other: Self) -> Bool {
    count == other.count && (0..<count).allSatisfy { self[$0] == other[$0] }
  }
}

extension Operation {
  /// Mixes what tells the operation from others of its kind, or enough of it.
  fileprivate func mix(into mixer: inout Mixer) {
    switch self {
    case .stored(let leaf): mixer.add(leaf)
    case .constant(let value): mixer.add(Int(bitPattern: UInt(value.bitPattern)))
    case .filled(let value): mixer.add(~Int(bitPattern: UInt(value.bitPattern)))
    case .random(_, let stream): mixer.add(stream.hashValue)
    case .unary(let operation): mixer.add(1 << 8 | Int(operation.rawValue))
    case .binary(let operation): mixer.add(2 << 8 | Int(operation.rawValue))
    case .select: mixer.add(3 << 8)
    case .convert(let dtype): mixer.add(4 << 8 | dtype.bitWidth)
    case .view(let map):
      mixer.add(map.offset)
      for axis in map.axes {
        mixer.add(axis.size)
        mixer.add(axis.stride)
      }
    case .concatenate(let dimension): mixer.add(5 << 8 | dimension)
    case .gather(let dimension, let indices):
      mixer.add(6 << 8 | dimension)
      mixer.add(indices.count)
      mixer.add(indices.first ?? 0)
      mixer.add(indices.last ?? 0)
    case .rank: mixer.add(7 << 8)
    case .row(let function): mixer.add(function.hashValue)
    case .product: mixer.add(8 << 8)
    case .fold(let reduction, let takesRoot):
      mixer.add(9 << 8 | Int(reduction.rawValue) << 1 | (takesRoot ? 1 : 0))
    case .reduce(let reduction, let dimension):
      mixer.add(10 << 8 | Int(reduction.rawValue))
      mixer.add(dimension ?? -1)
    case .selectCoarse: mixer.add(11 << 8)
    case .selectFine: mixer.add(12 << 8)
    case .tieCut: mixer.add(13 << 8)
    case .topMask: mixer.add(14 << 8)
    case .call(.kernel(let call)): mixer.add(call.kernel.hashValue)
    case .call(.host), .results: break
    case .element(let output): mixer.add(15 << 8 | output)
    case .identical(let isRequired): mixer.add(16 << 8 | (isRequired ? 1 : 0))
    }
  }

  /// Whether nodes with these operations and the same inputs are the same.
  fileprivate func isSame(_ other: Operation) -> Bool {
    switch (self, other) {
    case (.stored(let a), .stored(let b)): a === b
    case (.constant(let a), .constant(let b)), (.filled(let a), .filled(let b)):
      a.bitPattern == b.bitPattern
    case (.random(let a, let stream), .random(let b, let other)): a == b && stream == other
    case (.unary(let a), .unary(let b)): a == b
    case (.binary(let a), .binary(let b)): a == b
    case (.convert(let a), .convert(let b)): a == b
    case (.view(let a), .view(let b)): a == b
    case (.concatenate(let a), .concatenate(let b)): a == b
    case (.gather(let a, let indices), .gather(let b, let others)): a == b && indices == others
    case (.fold(let a, let root), .fold(let b, let other)): a == b && root == other
    case (.reduce(let a, let dimension), .reduce(let b, let other)): a == b && dimension == other
    case (.selectCoarse(let a), .selectCoarse(let b)): a == b
    case (.call(.kernel(let a)), .call(.kernel(let b))): AnyHashable(a.kernel) == AnyHashable(b.kernel)
    case (.row(let a), .row(let b)): a == b
    case (.element(let a), .element(let b)): a == b
    case (.select, .select), (.rank, .rank), (.product, .product), (.selectFine, .selectFine),
      (.tieCut, .tieCut), (.topMask, .topMask):
      true
    case (.identical(let first), .identical(let second)): first == second
    default: false
    }
  }
}
