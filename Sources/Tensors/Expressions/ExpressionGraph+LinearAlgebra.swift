// Building products and decompositions of matrices. Every function returns nodes with one reference, which the
// caller owns. Dimensions count from 0 here.

extension ExpressionGraph {
  /// Products with an inner dimension up to this are computed where their elements are wanted, and never stored.
  private static let mostStreamedInner = 512
  /// Numbers of the right factor of such a product, which each worker holds.
  private static let mostStreamedFactor = 8 << 20

  /// The product of [m, k] and [k, n]; leading dimensions are batches, of both or of one.
  ///
  /// In float64 if both are, and for aᵀ · a.
  package func matmul(_ a: NodeID, _ b: NodeID) throws -> NodeID {
    try multiply(a, b, mayStream: true)
  }

  private func multiply(_ a: NodeID, _ b: NodeID, mayStream: Bool) throws -> NodeID {
    for node in [a, b] { try requireArithmetic(node, "matmul") }
    let (batch, rows, inner, columns) = try productSizes(self[a].shape, self[b].shape)
    let shape = try Shape(checking: batch + [rows, columns])
    if inner == 0 || shape.count == 0 { return try filled(shape, with: 0) }
    let (left, right) = (factor(a), factor(b))
    let isDouble = [a, b].allSatisfy { self[$0].precision == .double }
    if left.node == right.node, left.isTransposed != right.isTransposed, batch.isEmpty {
      return try gram(of: right.node, isTransposed: right.isTransposed)
    }
    if mayStream, batch.isEmpty, !isDouble, inner <= Self.mostStreamedInner,
      inner * columns <= Self.mostStreamedFactor
    {
      return try add(.product, .two(a, b), shape: shape, precision: .single, dtype: promoted([a, b]))
    }
    let layouts = [
      MatrixLayout(
        rows: rows, columns: inner, isTransposed: left.isTransposed, isBatched: self[a].shape.rank > 2),
      MatrixLayout(
        rows: inner, columns: columns, isTransposed: right.isTransposed, isBatched: self[b].shape.rank > 2),
    ]
    let nodes = [left.node, right.node]
    let dtype = promoted([a, b])
    return isDouble
      ? try kernel(
        ProductKernel<Double>(left: layouts[0], right: layouts[1], batch: batch), nodes, dtype: dtype)[0]
      : try kernel(
        ProductKernel<Float>(left: layouts[0], right: layouts[1], batch: batch), nodes, dtype: dtype)[0]
  }

  private func productSizes(_ a: Shape, _ b: Shape) throws -> (
    batch: [Int], rows: Int, inner: Int, columns: Int
  ) {
    let (leading, others) = (a.dimensions.dropLast(2), b.dimensions.dropLast(2))
    guard a.rank >= 2, b.rank >= 2, a.dimensions[a.rank - 1] == b.dimensions[b.rank - 2],
      leading == others || leading.isEmpty || others.isEmpty
    else { throw TensorError.notMultiplicable(a, b) }
    return (
      Array(leading.isEmpty ? others : leading), a.dimensions[a.rank - 2], a.dimensions[a.rank - 1],
      b.dimensions[b.rank - 1]
    )
  }

  /// What a matrix, or a batch of them, is the transpose of, if it is only that.
  private func factor(_ node: NodeID) -> (node: NodeID, isTransposed: Bool) {
    let shape = self[node].shape
    guard case .view(let map) = self[node].operation else { return (node, false) }
    let (rows, columns) = (shape.dimensions[shape.rank - 2], shape.dimensions[shape.rank - 1])
    let input = self[node].inputs[0]
    let transpose = IndexMap(
      offset: 0,
      axes: [
        IndexMap.Axis(size: shape.count / (rows * columns), stride: rows * columns),
        IndexMap.Axis(size: rows, stride: 1), IndexMap.Axis(size: columns, stride: rows),
      ])
    return map == transpose && self[input].shape.count == shape.count ? (input, true) : (node, false)
  }

  /// aᵀ · a, or a · aᵀ for dimension 0, in float64: the products of the slices of a dimension of a matrix.
  package func gram(_ a: NodeID, dimension: Int) throws -> NodeID {
    try requireArithmetic(a, "gram")
    let shape = self[a].shape
    guard shape.rank == 2 else { throw TensorError.needsMatrix(operation: "gram", shape) }
    let (node, isTransposed) = shape.count == 0 ? (a, false) : factor(a)
    return try gram(
      of: node, size: shape.dimensions[dimension], isTransposed: isTransposed != (dimension == 0))
  }

  private func gram(of node: NodeID, isTransposed: Bool) throws -> NodeID {
    try gram(of: node, size: self[node].shape.dimensions[isTransposed ? 0 : 1], isTransposed: isTransposed)
  }

  /// The Gram matrix of the columns of a matrix, whose transpose may be what is stored.
  private func gram(of node: NodeID, size: Int, isTransposed: Bool) throws -> NodeID {
    let count = self[node].shape.count
    if count == 0 { return try filled(Shape(checking: [size, size]), with: 0) }
    let layout = MatrixLayout(rows: count / size, columns: size, isTransposed: isTransposed)
    return try kernel(GramKernel(matrix: layout), [node])[0]
  }

  // MARK: Decompositions

  /// Eigenvalues, ascending, of a symmetric matrix, and eigenvectors in columns.
  package func eigh(_ matrix: NodeID) throws -> [NodeID] {
    let size = try squareSize(matrix, "eigh")
    return try scope {
      let results = try eigen(
        matrix, EigenKernel(name: "eigh", size: size, rank: size), asked: self[matrix].shape)
      return [results[0], try transpose(results[1], 0, 1)]
    }
  }

  private func squareSize(_ matrix: NodeID, _ operation: String) throws -> Int {
    let shape = self[matrix].shape
    guard shape.rank == 2, shape.dimensions[0] == shape.dimensions[1], shape.count > 0 else {
      throw TensorError.needsSquare(operation: operation, shape)
    }
    return shape.dimensions[0]
  }

  private func eigen(_ matrix: NodeID, _ kernel: EigenKernel, asked: Shape) throws -> [NodeID] {
    try requireMemory(for: kernel, asked: asked)
    return try self.kernel(kernel, [matrix])
  }

  /// Throws if a kernel would hold more than is allowed.
  private func requireMemory(for kernel: some Kernel, asked: Shape) throws {
    guard kernel.workingBytes <= matrixMemory else {
      throw TensorError.matrixTooLarge(
        operation: kernel.name, asked, bytes: kernel.workingBytes, limit: matrixMemory)
    }
  }

  /// The solution x of (s + ridge · 1) · x = b for a symmetric positive definite s; `b` is a vector or a matrix.
  package func solve(_ matrix: NodeID, _ b: NodeID, ridge: NodeID) throws -> NodeID {
    let size = try squareSize(matrix, "solve")
    let shape = self[b].shape
    guard (1...2).contains(shape.rank), shape.dimensions[0] == size else {
      throw TensorError.shapeMismatch(operation: "solve", self[matrix].shape, shape)
    }
    guard isScalar(ridge) else {
      throw TensorError.needsScalar(operation: "solve: ridge", self[ridge].shape)
    }
    let isDouble = [matrix, b].allSatisfy { self[$0].precision == .double }
    let kernel = SolveKernel(
      size: size, columns: shape.count / size, shape: shape, precision: isDouble ? .double : .single)
    try requireMemory(for: kernel, asked: self[matrix].shape)
    return try self.kernel(kernel, [matrix, b, ridge])[0]
  }

  // MARK: Permutations

  /// The column, from 1 on, of each row of a square matrix in the assignment with the greatest sum.
  package func assignment(_ gains: NodeID) throws -> NodeID {
    let kernel = AssignmentKernel(size: try squareSize(gains, "assign"))
    try requireMemory(for: kernel, asked: self[gains].shape)
    return try self.kernel(kernel, [gains])[0]
  }

  /// Slices of a dimension by an index, a vector of numbers from 1 on that need not be known yet.
  package func gather(_ input: NodeID, dimension: Int, index: NodeID) throws -> NodeID {
    let (shape, places) = (self[input].shape, self[index].shape)
    guard places.rank == 1 else { throw TensorError.needsVector(operation: "index_select", places) }
    let (outer, size, inner) = shape.split(at: dimension)
    let count = places.count
    let result = try Shape(checking: shape.replacing(dimension, with: count).dimensions)
    try requireArithmetic(input, "index_select")
    let dtype = self[input].dtype
    if result.count == 0 { return try filled(result, with: 0, dtype: dtype) }
    let kernel: any Kernel =
      self[input].precision == .double
      ? GatherKernel<Double>(outer: outer, size: size, inner: inner, count: count, shape: result)
      : GatherKernel<Float>(outer: outer, size: size, inner: inner, count: count, shape: result)
    return try self.kernel(kernel, [input, index], dtype: dtype)[0]
  }

  // MARK: Singular values

  /// u [m, r], s [r] descending and vt [r, n], with a = u · diag(s) · vt: the Gram matrix of the smaller side in
  /// float64, its eigenvectors, and the other side by a product. Singular values below 2⁻²⁵ of the largest, which
  /// float64 squares cannot hold, have zeros for the vectors of the larger side.
  ///
  /// With a `rank` below half of the size, by a random sketch and power `iterations` (Halko, Martinsson and Tropp
  /// 2011, algorithms 4.4 and 5.1).
  package func svd(_ a: NodeID, rank: Int?, iterations: Int, stream: @autoclosure () -> RandomStream) throws
    -> [NodeID]
  {
    try requireArithmetic(a, "svd")
    let shape = self[a].shape
    guard shape.rank == 2, shape.count > 0 else { throw TensorError.needsMatrix(operation: "svd", shape) }
    let (rows, columns) = (shape.dimensions[0], shape.dimensions[1])
    let size = min(rows, columns)
    guard (1...size).contains(rank ?? size) else {
      throw TensorError.badRank(operation: "svd", rank: rank ?? size, most: size)
    }
    let rank = rank ?? size
    return try scope {
      if 2 * rank < size {
        return try randomisedSVD(a, rank: rank, iterations: iterations, stream: stream())
      }
      let gram = try gram(a, dimension: rows >= columns ? 1 : 0)
      let kernel = EigenKernel(name: "svd", size: size, isDescending: true, rank: rank)
      let eigen = try eigen(gram, kernel, asked: shape)
      let values = try singularValues(eigen[0])
      if rows >= columns {
        let product = try matmul(a, transpose(eigen[1], 0, 1))
        return [try divided(product, by: values, along: 1), values, eigen[1]]
      }
      let right = try divided(matmul(eigen[1], a), by: values, along: 0)
      return try withSigns(u: transpose(eigen[1], 0, 1), values, vt: right)
    }
  }

  private func randomisedSVD(_ a: NodeID, rank: Int, iterations: Int, stream: RandomStream) throws -> [NodeID]
  {
    let (rows, columns) = (self[a].shape.dimensions[0], self[a].shape.dimensions[1])
    // Ten more than are wanted, as the paper has it.
    let sketch = min(rank + 10, min(rows, columns))
    let transposed = try transpose(a, 0, 1)
    var basis = try random(.normal, shape: Shape([columns, sketch]), stream: stream)
    for step in 0...2 * iterations {
      let product = try multiply(step % 2 == 0 ? a : transposed, basis, mayStream: false)
      let kernel = OrthonormalKernel(name: "svd", rows: self[product].shape.dimensions[0], columns: sketch)
      try requireMemory(for: kernel, asked: self[a].shape)
      basis = try self.kernel(kernel, [product])[0]
    }
    let small = try multiply(transpose(basis, 0, 1), a, mayStream: false)
    let kernel = EigenKernel(name: "svd", size: sketch, isDescending: true, rank: rank)
    let eigen = try eigen(gram(small, dimension: 0), kernel, asked: self[a].shape)
    let values = try singularValues(eigen[0])
    let left = try matmul(basis, transpose(eigen[1], 0, 1))
    return try withSigns(u: left, values, vt: divided(matmul(eigen[1], small), by: values, along: 0))
  }

  private func singularValues(_ squares: NodeID) throws -> NodeID {
    try unary(.sqrt, binary(.maximum, squares, constant(0)))
  }

  /// Slices of a dimension divided by their singular values; those of lost values are zeros.
  private func divided(_ product: NodeID, by values: NodeID, along dimension: Int) throws -> NodeID {
    let count = self[values].shape.count
    let least = try binary(.multiply, narrow(values, dimension: 0, start: 0, length: 1), constant(0x1p-25))
    let isHeld = try binary(.greater, values, least)
    let inverses = try select(isHeld, binary(.divide, constant(1), values), constant(0))
    return try binary(.multiply, product, reshape(inverses, dimension == 0 ? [count, 1] : [count]))
  }

  /// The vectors with the signs that make the largest element of each row of vt positive.
  private func withSigns(u: NodeID, _ values: NodeID, vt: NodeID) throws -> [NodeID] {
    let greatest = try reduce(.maximum, vt, dimension: 1, operation: "svd")
    let least = try reduce(.minimum, vt, dimension: 1, operation: "svd")
    let isPositive = try binary(.greaterOrEqual, greatest, unary(.negate, least))
    let signs = try select(isPositive, constant(1), constant(-1))
    let flat = try reshape(signs, [self[values].shape.count])
    return [try binary(.multiply, u, flat), values, try binary(.multiply, vt, signs)]
  }
}
