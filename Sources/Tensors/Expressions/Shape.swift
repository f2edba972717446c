/// The sizes of a tensor's dimensions, outermost first; row-major.
package struct Shape: Hashable, Sendable, CustomStringConvertible {
  /// The sizes, none of them negative.
  package let dimensions: [Int]

  /// Elements in all. Building a shape whose count overflows is refused by `init(checking:)`.
  package let count: Int

  /// A shape without dimensions: one element.
  package static let scalar = Shape([])

  private static let mostDimensions = 64

  /// A shape of sizes that are known to be in order; others go through `init(checking:)`.
  package init(_ dimensions: [Int]) {
    self.dimensions = dimensions
    self.count = dimensions.reduce(1, *)
  }

  /// A shape whose sizes come from a user: not negative, and with a count that fits.
  package init(checking dimensions: [Int]) throws {
    guard dimensions.count <= Self.mostDimensions else {
      throw TensorError.tooManyDimensions(dimensions.count)
    }
    // Zeros do not count, so that no part of the shape overflows either.
    var count = 1
    for size in dimensions {
      guard size >= 0 else { throw TensorError.negativeSize(dimensions) }
      let (product, overflow) = count.multipliedReportingOverflow(by: max(1, size))
      guard !overflow, product <= 1 << 48 else { throw TensorError.tooManyElements(dimensions) }
      count = product
    }
    self.dimensions = dimensions
    self.count = dimensions.contains(0) ? 0 : count
  }

  /// The number of dimensions.
  package var rank: Int { dimensions.count }

  /// `[2, 3]`, as messages show it.
  package var description: String {
    "[" + dimensions.map(String.init).joined(separator: ", ") + "]"
  }

  /// Elements between neighbours along each dimension.
  package var strides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    for dimension in stride(from: rank - 2, through: 0, by: -1) {
      strides[dimension] = strides[dimension + 1] * max(1, dimensions[dimension + 1])
    }
    return strides
  }

  /// Element counts before, of and after a dimension: `[outer, size, inner]`.
  package func split(at dimension: Int) -> (outer: Int, size: Int, inner: Int) {
    (
      dimensions[..<dimension].reduce(1, *), dimensions[dimension],
      dimensions[(dimension + 1)...].reduce(1, *)
    )
  }

  /// The shape with one dimension's size replaced.
  package func replacing(_ dimension: Int, with size: Int) -> Shape {
    var sizes = dimensions
    sizes[dimension] = size
    return Shape(sizes)
  }

  /// The shape that `self` and `other` broadcast to, by NumPy's rule: sizes are aligned at the last
  /// dimension, and a size of one stretches. `nil` if they do not fit; throws if the result has too many
  /// elements.
  package func broadcast(with other: Shape) throws -> Shape? {
    if self == other { return self }
    let rank = max(self.rank, other.rank)
    var sizes = [Int](repeating: 1, count: rank)
    for offset in 1...max(rank, 1) where offset <= rank {
      let mine = offset <= self.rank ? dimensions[self.rank - offset] : 1
      let theirs = offset <= other.rank ? other.dimensions[other.rank - offset] : 1
      guard mine == theirs || mine == 1 || theirs == 1 else { return nil }
      sizes[rank - offset] = mine == 1 ? theirs : mine
    }
    return try Shape(checking: sizes)
  }
}
