// Building nodes that arrange elements anew. Every function returns a node with one reference, which
// the caller owns. Dimensions and indices count from 0 here.

extension ExpressionGraph {
  private func view(_ input: NodeID, _ map: IndexMap, _ shape: Shape) throws -> NodeID {
    let node = self[input]
    if map.isIdentity, shape == node.shape { return another(input) }
    // Chains of views stay flat wherever one map says the same.
    if case .view(let inner) = node.operation, let whole = map.followed(by: inner) {
      return try add(
        .view(whole), .one(node.inputs[0]), shape: shape, precision: node.precision, dtype: node.dtype)
    }
    return try add(.view(map), .one(input), shape: shape, precision: node.precision, dtype: node.dtype)
  }

  /// The same elements in another shape; one size may be −1, which is then worked out.
  package func reshape(_ input: NodeID, _ sizes: [Int]) throws -> NodeID {
    let shape = self[input].shape
    var sizes = sizes
    if let open = sizes.firstIndex(of: -1) {
      let rest = sizes.enumerated().reduce(1) { $1.offset == open ? $0 : $0 &* $1.element }
      guard rest > 0, shape.count % rest == 0 else { throw TensorError.badReshape(from: shape, to: sizes) }
      sizes[open] = shape.count / rest
    }
    let target = try Shape(checking: sizes)
    guard target.count == shape.count else { throw TensorError.badReshape(from: shape, to: sizes) }
    if target.rank == 0, self[input].precision == .double, shape.rank > 0 {
      // One of several results becomes a lazy number; the greatest of one element is that element.
      return try reduce(.maximum, input, operation: "reshape")
    }
    return try view(input, .identity(count: shape.count), target)
  }

  /// Two dimensions exchanged.
  package func transpose(_ input: NodeID, _ first: Int, _ second: Int) throws -> NodeID {
    try requireArithmetic(input, "transpose")
    let shape = self[input].shape
    var sizes = shape.dimensions
    var strides = shape.strides
    sizes.swapAt(first, second)
    strides.swapAt(first, second)
    let axes = zip(sizes, strides).map { IndexMap.Axis(size: $0, stride: $1) }
    return try view(input, IndexMap(offset: 0, axes: axes), Shape(sizes))
  }

  /// `length` slices of a dimension, from `start` on.
  package func narrow(_ input: NodeID, dimension: Int, start: Int, length: Int) throws -> NodeID {
    let shape = self[input].shape
    let size = shape.dimensions[dimension]
    guard start >= 0, length >= 0, start <= size, length <= size - start else {
      throw TensorError.badRange(operation: "narrow", start: start &+ 1, length: length, size: size)
    }
    if case .concatenate(dimension) = self[input].operation,
      let (piece, offset) = piece(of: self[input].inputs, dimension, start, length)
    {
      return try narrow(piece, dimension: dimension, start: offset, length: length)
    }
    let strides = shape.strides
    var axes = zip(shape.dimensions, strides).map { IndexMap.Axis(size: $0, stride: $1) }
    axes[dimension].size = length
    let map = IndexMap(offset: length == 0 ? 0 : start * strides[dimension], axes: axes)
    return try view(input, map, shape.replacing(dimension, with: length))
  }

  /// The input of a concatenation that holds a whole range of it.
  private func piece(of inputs: Inputs, _ dimension: Int, _ start: Int, _ length: Int) -> (NodeID, Int)? {
    var offset = start
    for index in 0..<inputs.count {
      let size = self[inputs[index]].shape.dimensions[dimension]
      if offset < size { return offset + length <= size ? (inputs[index], offset) : nil }
      offset -= size
    }
    return nil
  }

  /// Slices of a dimension by index, in any order, repeated or left out.
  package func gather(_ input: NodeID, dimension: Int, indices: [Int]) throws -> NodeID {
    try requireArithmetic(input, "index_select")
    let node = self[input]
    let size = node.shape.dimensions[dimension]
    for index in indices where index < 0 || index >= size {
      throw TensorError.badIndex(operation: "index_select", index: index &+ 1, size: size)
    }
    let shape = try resized(node.shape, dimension, indices.count)
    return try scope {
      try add(
        .gather(dimension: dimension, indices: indices), .one(asTensor(input)), shape: shape,
        precision: .single, dtype: node.dtype)
    }
  }

  /// Tensors joined along a dimension; all other sizes agree.
  package func concatenate(_ inputs: [NodeID], dimension: Int, operation: String = "cat") throws -> NodeID {
    guard let first = inputs.first else { throw TensorError.noInputs(operation: operation) }
    let shape = self[first].shape
    var size = 0
    for input in inputs {
      try requireArithmetic(input, operation)
      let other = self[input].shape
      guard other.rank == shape.rank,
        other.replacing(dimension, with: 1) == shape.replacing(dimension, with: 1)
      else { throw TensorError.shapeMismatch(operation: operation, shape, other) }
      let (sum, overflow) = size.addingReportingOverflow(other.dimensions[dimension])
      guard !overflow else { throw TensorError.tooManyElements(other.dimensions) }
      size = sum
    }
    if inputs.count == 1 { return another(first) }
    var sizes = shape.dimensions
    sizes[dimension] = size
    let target = try Shape(checking: sizes)
    return try scope {
      let flat = try inputs.flatMap { try pieces(of: asTensor($0), dimension) }
      return try add(
        .concatenate(dimension: dimension), Inputs(flat), shape: target, precision: .single,
        dtype: promoted(inputs))
    }
  }

  /// A tensor to concatenate, or its own pieces: a concatenation of concatenations along one dimension is one.
  private func pieces(of tensor: NodeID, _ dimension: Int) -> [NodeID] {
    let node = self[tensor]
    guard case .concatenate(dimension) = node.operation, node.inputs.count <= 64 else { return [tensor] }
    return (0..<node.inputs.count).map { node.inputs[$0] }
  }

  /// Tensors of one shape as slices of a new dimension.
  package func stack(_ inputs: [NodeID], dimension: Int) throws -> NodeID {
    guard let first = inputs.first else { throw TensorError.noInputs(operation: "stack") }
    let shape = self[first].shape
    var sizes = shape.dimensions
    sizes.insert(1, at: dimension)
    return try scope {
      let slices = try inputs.map { input in
        guard self[input].shape == shape else {
          throw TensorError.shapeMismatch(operation: "stack", shape, self[input].shape)
        }
        return try reshape(input, sizes)
      }
      return try concatenate(slices, dimension: dimension, operation: "stack")
    }
  }

  /// The tensor with `before` and `after` slices of `value` around a dimension.
  package func pad(_ input: NodeID, dimension: Int, before: Int, after: Int, value: Double) throws -> NodeID {
    guard before >= 0, after >= 0 else { throw TensorError.negativeSize([before, after]) }
    let shape = self[input].shape
    return try scope {
      func padding(_ size: Int) throws -> [NodeID] {
        try size > 0 ? [filled(resized(shape, dimension, size), with: value)] : []
      }
      let pieces = try padding(before) + [input] + padding(after)
      return try concatenate(pieces, dimension: dimension, operation: "pad")
    }
  }

  private func resized(_ shape: Shape, _ dimension: Int, _ size: Int) throws -> Shape {
    var sizes = shape.dimensions
    sizes[dimension] = size
    return try Shape(checking: sizes)
  }

  /// A float32 form of a node: reductions' results are rounded, tensors are themselves.
  func asTensor(_ input: NodeID) throws -> NodeID {
    guard self[input].precision == .double else { return another(input) }
    return try scope { try binary(.add, input, filled(self[input].shape, with: 0)) }
  }
}

extension Shape {
  /// The position of dimension `number`, which counts from 1, or from the end if negative.
  package func position(ofDimension number: Int, operation: String, extra: Int = 0) throws -> Int {
    let size = rank + extra
    guard number != 0, number.magnitude <= UInt(size) else {
      throw TensorError.badDimension(operation: operation, dimension: number, self)
    }
    return number > 0 ? number - 1 : size + number
  }
}
