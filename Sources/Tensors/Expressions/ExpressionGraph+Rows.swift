// Building functions of rows, and what is composed of them. Every function returns a node with one reference, which
// the caller owns. Dimensions count from 0 here.

extension ExpressionGraph {
  /// The elements of each slice along a dimension in ascending order, NaN last.
  package func sorted(_ input: NodeID, dimension: Int) throws -> NodeID {
    try rows(.sorted, input, dimension, "sort")
  }

  /// Where the elements of `sorted` come from, from 1 on; equal ones keep their order.
  package func order(_ input: NodeID, dimension: Int) throws -> NodeID {
    try rows(.order, input, dimension, "argsort")
  }

  /// Sums of the elements up to each along a dimension, in float64.
  package func cumulativeSum(_ input: NodeID, dimension: Int) throws -> NodeID {
    try rows(.cumulativeSum, input, dimension, "cumsum")
  }

  /// 1 for exactly k elements of each slice along a dimension, the largest ones, and among equals the first ones.
  package func topMask(_ input: NodeID, k: Int, dimension: Int) throws -> NodeID {
    let size = self[input].shape.dimensions[dimension]
    guard (0...size).contains(k) else {
      throw TensorError.badCount(operation: "topk_mask", k: Double(k), count: size)
    }
    return try rows(.topMask(k: k), input, dimension, "topk_mask")
  }

  private func rows(_ function: RowFunction, _ input: NodeID, _ dimension: Int, _ operation: String) throws
    -> NodeID
  {
    try requireArithmetic(input, operation)
    let shape = self[input].shape
    let length = shape.dimensions[dimension]
    guard length <= 1 << 24 else { throw TensorError.rowTooLong(operation: operation, length: length) }
    return try scope {
      let tensor = try asTensor(input)
      if shape.count == 0 { return tensor }
      guard dimension == shape.rank - 1 else {
        let last = shape.rank - 1
        let turned = try transpose(tensor, dimension, last)
        return try transpose(rows(function, turned, last, operation), dimension, last)
      }
      return try add(
        .row(function), .one(tensor), shape: shape, precision: .single, dtype: self[tensor].dtype)
    }
  }

  /// The position, from 1 on, of the largest element of each slice along a dimension, which the result keeps with
  /// size one, or of all elements; the first among equals.
  package func argmax(_ input: NodeID, dimension: Int?) throws -> NodeID {
    let shape = self[input].shape
    guard let dimension else {
      return try scope {
        let flat = try reshape(input, [shape.count])
        return try reduce(.maximum, argmax(flat, dimension: 0), operation: "argmax")
      }
    }
    let size = shape.dimensions[dimension]
    guard size > 0 else { throw TensorError.noInputs(operation: "argmax") }
    return try scope {
      let mask = try topMask(input, k: 1, dimension: dimension)
      let positions = try ranks(filled(Shape([size]), with: 0), dimension: 0)
      let inner = Array(repeating: 1, count: shape.rank - 1 - dimension)
      let product = try binary(.multiply, mask, reshape(positions, [size] + inner))
      return try reduce(.sum, product, dimension: dimension, operation: "argmax")
    }
  }

  /// The k-th smallest element, k a number or a lazy one; NaN counts as the largest.
  package func kthSmallest(_ input: NodeID, k: NodeID) throws -> NodeID {
    try checkCount(.kthSmallest, input, k)
    let count = Double(self[input].shape.count)
    return try scope { try kthLargest(input, k: binary(.subtract, constant(count + 1), k)) }
  }

  /// The element below which a share `q` of all lies, or of those of each slice along a dimension, interpolated
  /// linearly between two elements.
  package func quantile(_ input: NodeID, _ q: Double, dimension: Int?) throws -> NodeID {
    let shape = self[input].shape
    guard q >= 0, q <= 1 else { throw TensorError.badShare(operation: "quantile", q) }
    let count = dimension.map { shape.dimensions[$0] } ?? shape.count
    guard count > 0 else { throw TensorError.noInputs(operation: "quantile") }
    let place = q * Double(count - 1)
    let low = Int(place)
    let rest = place - Double(low)
    return try scope {
      func element(_ index: Int, of sorted: NodeID?) throws -> NodeID {
        guard let dimension, let sorted else { return try kthSmallest(input, k: constant(Double(index + 1))) }
        return try narrow(sorted, dimension: dimension, start: index, length: 1)
      }
      let sorted = try dimension.map { try self.sorted(input, dimension: $0) }
      let first = try element(low, of: sorted)
      if rest == 0 { return first }
      let step = try binary(.subtract, element(low + 1, of: sorted), first)
      return try binary(.add, first, binary(.multiply, step, constant(rest)))
    }
  }
}
