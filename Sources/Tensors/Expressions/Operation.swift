/// Operations of one operand, element by element.
package enum UnaryOperation: UInt8, Sendable, CaseIterable {
  case negate, abs, sqrt, exp, log, sin, cos, acos, sign, floor, round, tanh
}

/// Operations of two operands, element by element. Comparisons give 1 or 0.
package enum BinaryOperation: UInt8, Sendable, CaseIterable {
  case add, subtract, multiply, divide, power, minimum, maximum
  case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual

  var isComparison: Bool { rawValue >= BinaryOperation.equal.rawValue }
}

/// Reductions that one sweep over the elements computes. Sums are in float64.
package enum Reduction: UInt8, Sendable, CaseIterable {
  case sum
  /// Σ x².
  case squares
  /// Σ x·y.
  case dot
  /// The least element; NaN if any is NaN, +∞ of none.
  case minimum
  /// The greatest element; NaN if any is NaN, −∞ of none.
  case maximum
}

/// Distributions that a tensor can be drawn from.
package enum Distribution: UInt8, Sendable {
  /// [0, 1)
  case uniform
  /// Mean 0, variance 1.
  case normal
}

/// What a node of an expression computes from its inputs. `traits` says what each is to the passes.
package enum Operation {
  /// Elements read from a byte source.
  case stored(StoredLeaf)
  /// A float64 number.
  case constant(Double)
  /// A tensor of one value.
  case filled(Double)
  case random(Distribution, RandomStream)
  case unary(UnaryOperation)
  case binary(BinaryOperation)
  /// inputs[0] ≠ 0 ? inputs[1] : inputs[2]
  case select
  /// Rounds to a dtype, as storing would.
  case convert(DType)
  /// The input's elements in another arrangement.
  case view(IndexMap)
  /// inputs joined along a dimension of the result.
  case concatenate(dimension: Int)
  /// Slices of the input's dimension, in the order of the indices (from 0).
  case gather(dimension: Int, indices: [Int])
  /// Ranks 1…n along the last dimension, ascending; equal values keep their order.
  case rank

  /// A function of whole rows, along the last dimension.
  case row(RowFunction)
  /// The product of two matrices, row by row.
  case product

  /// The reduction of as many elements as there are inputs; for `.dot`, of the first half of the inputs
  /// with the second. In float64, and its square root if asked for.
  case fold(Reduction, takesRoot: Bool)

  // Barriers: their value is known once a sweep over the inputs has ended.

  /// Over one dimension, which the result keeps with size one, or over all (`nil`).
  case reduce(Reduction, dimension: Int?)
  /// First half of a selection: inputs are x and k, and perhaps an earlier selection from which the outcome
  /// probably follows; else finds the high bits of the k-th largest.
  case selectCoarse(SelectionKind)
  /// Second half: inputs are x, k, coarse. Its value is the k-th largest.
  case selectFine
  /// The index below which elements equal to the k-th largest belong to the top k: x, fine.
  case tieCut

  /// 1 for the k largest elements, else 0: inputs are x, fine, cut.
  case topMask
  /// A function with one or more results, each of which is an `element` of this node.
  case call(Call)
  /// A result, by its number, of the call that is the input.
  case element(Int)
  /// What a call has come to.
  case results(CallResults)
  /// The first input's bytes, once all inputs are compared: bytes that differ are an error, or else are said.
  case identical(isRequired: Bool)
}

/// What is made of each row of a tensor: as many numbers as it has. Numbers are in the order of ranks: NaN is the
/// largest.
package enum RowFunction: Hashable, Sendable {
  /// Ascending.
  case sorted
  /// From 1 on, of the elements in ascending order; equal ones keep their order.
  case order
  /// Sums of the elements up to each, in float64.
  case cumulativeSum
  /// 1 for the k largest elements, else 0; among equals the first ones.
  case topMask(k: Int)
}

/// What a selection is for, by its name in scripts.
package enum SelectionKind: String, Sendable {
  case kthLargest = "kth_largest"
  case kthSmallest = "kth_smallest"
  case topMask = "topk_mask"

  /// `k` as a count of elements; throws if it is not a whole number in range.
  func count(_ k: Double, of elements: Int) throws -> Int {
    let lowest: Double = self == .topMask ? 0 : 1
    guard k >= lowest, k <= Double(elements), k == k.rounded(.down) else {
      throw TensorError.badCount(operation: rawValue, k: k, count: elements)
    }
    return Int(k)
  }
}

/// The stored elements at a leaf of an expression.
package final class StoredLeaf: Sendable {
  /// Where the elements are read from, from byte 0 on.
  package let source: any ByteSource
  /// How they are stored.
  package let dtype: DType
  /// Elements in all.
  package let count: Int

  /// A leaf of `count` elements; the source has as many.
  package init(source: any ByteSource, dtype: DType, count: Int) {
    self.source = source
    self.dtype = dtype
    self.count = count
  }
}
