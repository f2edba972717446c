import CBLAS
import Synchronization

/// Products of float32 matrices by OpenBLAS, on the thread that calls.
enum BLAS {
  /// Held by calls of a library that is not made for several at once: the serial build hands one buffer to
  /// two callers now and then (0.3.21).
  private static let turn = Mutex(())
  private static let takesTurns = openblas_get_parallel() != OPENBLAS_THREAD

  /// result = scale · a · b, or a · bᵀ if `b` is transposed: `a` has `rows` of `inner` numbers, `result` rows
  /// of `columns`. Each begins `stride` numbers after the one before.
  static func multiply(
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

  /// Calls the library, alone where it must be.
  static func inTurn(_ call: () -> Void) {
    if takesTurns { turn.withLock { _ in call() } } else { call() }
  }
}
