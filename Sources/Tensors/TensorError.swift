import Basics

/// What can be wrong with an expression, or go wrong when it is computed.
package enum TensorError: Equatable, DiagnosableError {
  case negativeSize([Int])
  case tooManyElements([Int])
  case tooManyDimensions(Int)
  case notBroadcastable(operation: String, Shape, Shape)
  case shapeMismatch(operation: String, Shape, Shape)
  case badDimension(operation: String, dimension: Int, Shape)
  case badReshape(from: Shape, to: [Int])
  case badRange(operation: String, start: Int, length: Int, size: Int)
  case badIndex(operation: String, index: Int, size: Int)
  case badLazyIndex(operation: String, Double, size: Int)
  case needsVector(operation: String, Shape)
  case notArithmetic(operation: String, DType)
  case notFloat(operation: String, DType)
  case badCount(operation: String, k: Double, count: Int)
  case needsScalar(operation: String, Shape)
  case needsTensor(operation: String)
  case noInputs(operation: String)
  case badShare(operation: String, Double)
  case rowTooLong(operation: String, length: Int)
  case identicalComputed(DType)
  case differing(first: String, other: String)
  case resultTooLarge(bytes: Int)
  case inDeferred(operation: String)
  case needsMatrix(operation: String, Shape)
  case needsSquare(operation: String, Shape)
  case notMultiplicable(Shape, Shape)
  case badRank(operation: String, rank: Int, most: Int)
  case matrixTooLarge(operation: String, Shape, bytes: Int, limit: Int)
  case notFinite(operation: String)
  case notSymmetric(operation: String, row: Int, column: Int)
  case notPositiveDefinite(operation: String, pivot: Int, size: Int)
  case notConverged(operation: String)
  case cancelled
}

extension TensorError {
  package var diagnostic: Diagnostic { Diagnostic(message) }

  private var message: DiagnosticMessage {
    switch self {
    case .negativeSize(let sizes):
      "a shape has no negative sizes (got \(list(sizes)))"
    case .tooManyElements(let sizes):
      "a tensor of shape \(list(sizes)) has too many elements"
    case .tooManyDimensions(let count):
      "a tensor of \(count) dimensions (expected at most 64)"
    case .notBroadcastable(let operation, let first, let second):
      "\(operation): shapes \(first) and \(second) cannot be broadcast"
    case .shapeMismatch(let operation, let first, let second):
      "\(operation): shapes \(first) and \(second) do not match"
    case .badDimension(let operation, let dimension, let shape):
      shape.rank == 0
        ? "\(operation): no dimension \(dimension) in a scalar"
        : "\(operation): no dimension \(dimension) in shape \(shape) (expected 1 to \(shape.rank), or -1 to -\(shape.rank))"
    case .badReshape(let from, let to):
      "reshape: \(from.count) elements of shape \(from) do not fill shape \(list(to))"
    case .badRange(let operation, let start, let length, let size):
      "\(operation): \(length) elements from \(start) on are not within a dimension of size \(size)"
    case .badIndex(let operation, let index, let size):
      "\(operation): index \(index) is not within a dimension of size \(size) (expected 1 to \(size))"
    case .badLazyIndex(let operation, let index, let size):
      "\(operation): index \(number(index)) is not a whole number within a dimension of size \(size) (expected 1 to \(size))"
    case .needsVector(let operation, let shape):
      "\(operation): expected a vector, got shape \(shape)"
    case .notArithmetic(let operation, let dtype):
      "\(operation): a tensor of dtype \(dtype.rawValue) can only be copied, not computed with"
        + (dtype.isConvertible ? " (:to(\"float32\") makes numbers of it)" : "")
    case .notFloat(let operation, let dtype):
      "\(operation): dtype \(dtype.rawValue) is not one that can be computed (expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2)"
    case .badCount(let operation, let k, let count):
      "\(operation): k is \(number(k)), expected a whole number from \(operation == "topk_mask" ? 0 : 1) to \(count)"
    case .needsScalar(let operation, let shape):
      "\(operation): expected one element, got shape \(shape)"
    case .needsTensor(let operation):
      "\(operation): expected a tensor, got a number or a reduction's result"
    case .noInputs(let operation):
      "\(operation): expected at least one tensor"
    case .badShare(let operation, let share):
      "\(operation): q is \(number(share)), expected a number from 0 to 1"
    case .rowTooLong(let operation, let length):
      "\(operation): a dimension of \(length) elements is too long (expected at most 16777216)"
    case .identicalComputed(let dtype):
      "identical: its result can only be stored as the \(dtype.rawValue) that it is, not computed with"
    case .differing(let first, let other):
      "\(first) and \(other) differ, and their dtype can only be copied"
    case .resultTooLarge(let bytes):
      "a reduction's result of \(bytes / 1_000_000) MB does not fit in memory; reduce another dimension, or narrow the tensor first"
    case .inDeferred(let operation):
      "\(operation): not within a function given to defer, whose arguments are numbers already"
    case .needsMatrix(let operation, let shape):
      "\(operation): expected a matrix, got shape \(shape)"
    case .needsSquare(let operation, let shape):
      "\(operation): expected a square matrix, got shape \(shape)"
    case .notMultiplicable(let first, let second):
      "matmul: shapes \(first) and \(second) cannot be multiplied (expected [m, k] and [k, n], with the same leading dimensions or none)"
    case .badRank(let operation, let rank, let most):
      "\(operation): rank is \(rank), expected 1 to \(most)"
    case .matrixTooLarge(let operation, let shape, let bytes, let limit):
      "\(operation) of \(shape) needs \(gigabytes(bytes)) GB, and --matrix-memory allows \(gigabytes(limit)) GB"
    case .notFinite(let operation):
      "\(operation): the matrix has elements that are NaN or infinite"
    case .notSymmetric(let operation, let row, let column):
      "\(operation): the matrix is not symmetric (elements [\(row), \(column)] and [\(column), \(row)] differ)"
    case .notPositiveDefinite(let operation, let pivot, let size):
      "\(operation): the matrix is not positive definite (pivot \(pivot) of \(size)); a ridge may help"
    case .notConverged(let operation):
      "\(operation): the decomposition did not converge, or memory is short"
    case .cancelled:
      "interrupted"
    }
  }

  /// With one decimal.
  private func gigabytes(_ bytes: Int) -> String {
    let tenths = (bytes + 50_000_000) / 100_000_000
    return "\(tenths / 10).\(tenths % 10)"
  }

  private func number(_ value: Double) -> String {
    value == value.rounded() && value.magnitude < 1e15 ? String(Int(value)) : String(value)
  }

  private func list(_ sizes: [Int]) -> String { "[" + sizes.map(String.init).joined(separator: ", ") + "]" }
}
