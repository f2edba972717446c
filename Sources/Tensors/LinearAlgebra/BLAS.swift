import CBLAS
import Synchronization

/// Products of matrices by OpenBLAS, and decompositions by LAPACK, on the thread that calls.
package enum BLAS {
  /// Held by calls of a library that is not made for several at once: the serial build hands one buffer to
  /// two callers now and then (0.3.21).
  private static let turn = Mutex(())
  private static let takesTurns = openblas_get_parallel() != OPENBLAS_THREAD

  package static func inTurn<Result>(_ body: () -> Result) -> Result {
    if takesTurns { turn.withLock { _ in body() } } else { body() }
  }

  /// result = scale · a · b, or a · bᵀ if `b` is transposed: `a` has `rows` of `inner` numbers, `result` rows
  /// of `columns`. Each begins `stride` numbers after the one before.
  package static func multiply(
    rows: Int, columns: Int, inner: Int, scale: Float = 1, _ a: UnsafePointer<Float>, stride aStride: Int,
    _ b: UnsafePointer<Float>, stride bStride: Int, isTransposed: Bool,
    into result: UnsafeMutablePointer<Float>, stride: Int
  ) {
    inTurn {
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, isTransposed ? CblasTrans : CblasNoTrans, Int32(rows), Int32(columns),
        Int32(inner), scale, a, Int32(aStride), b, Int32(bStride), 0, result, Int32(stride))
    }
  }
}

/// A matrix in memory as a factor: rows of numbers, `stride` from one to the next, or columns if it is transposed.
struct Factor<Element> {
  var start: UnsafePointer<Element>
  var stride: Int
  var isTransposed = false
}

/// What matrices are computed in.
protocol MatrixElement: BlockElement, BinaryFloatingPoint {
  static var dtype: DType { get }

  /// BLAS's product for this kind of number.
  static var product: BLAS.Product<Self> { get }

  /// Adds the numbers of a block to sums.
  static func accumulate(_ block: UnsafePointer<Self>, into sums: UnsafeMutablePointer<Double>, count: Int)

  /// Puts the elements of a range of an input at `target`.
  static func read(_ reader: any KernelReader, _ range: Range<Int>, into target: UnsafeMutablePointer<Self>)
    throws
}

extension BLAS {
  /// A function such as cblas_sgemm.
  typealias Product<Element> = (
    CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, _ rows: Int32, _ columns: Int32, _ inner: Int32,
    _ scale: Element, UnsafePointer<Element>?, Int32, UnsafePointer<Element>?, Int32, _ kept: Element,
    UnsafeMutablePointer<Element>?, Int32
  ) -> Void
}

extension MatrixElement {
  /// result = a · b, or is added to, where `a` has `rows` × `inner` numbers and `b` `inner` × `columns`.
  static func multiply(
    rows: Int, columns: Int, inner: Int, _ a: Factor<Self>, _ b: Factor<Self>,
    into result: UnsafeMutablePointer<Self>, stride: Int, adds: Bool
  ) {
    BLAS.inTurn {
      product(
        CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
        Int32(rows), Int32(columns), Int32(inner), 1, a.start, Int32(a.stride), b.start, Int32(b.stride),
        adds ? 1 : 0, result, Int32(stride))
    }
  }
}

extension Float: MatrixElement {
  static var dtype: DType { .f32 }
  static var product: BLAS.Product<Float> { cblas_sgemm }

  static func accumulate(_ block: UnsafePointer<Float>, into sums: UnsafeMutablePointer<Double>, count: Int) {
    for index in 0..<count { sums[index] += Double(block[index]) }
  }

  static func read(
    _ reader: any KernelReader, _ range: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) throws { try reader.read(range, into: target) }
}

extension Double: MatrixElement {
  static var dtype: DType { .f64 }
  static var product: BLAS.Product<Double> { cblas_dgemm }

  static func accumulate(_ block: UnsafePointer<Double>, into sums: UnsafeMutablePointer<Double>, count: Int)
  {
    for index in 0..<count { sums[index] += block[index] }
  }

  static func read(
    _ reader: any KernelReader, _ range: Range<Int>, into target: UnsafeMutablePointer<Double>
  ) throws { try reader.read(range, into: target) }
}
