/// The memory of whole matrices, of which all kernels together hold no more than is allowed.
extension Evaluator {
  /// Hands a sweep to the workers as soon as there is memory for what it holds.
  func submit(_ sweep: Sweep) {
    if sweep.heldBytes > 0, matrixBytes > 0, matrixBytes + sweep.heldBytes > graph.matrixMemory {
      return waitingForMatrices.append(sweep)
    }
    matrixBytes += sweep.heldBytes
    pool.submit(sweep)
  }

  /// After a kernel has ended: those that have waited for its memory may begin.
  func letGo(ofMatrixBytes bytes: Int) {
    guard bytes > 0 else { return }
    matrixBytes -= bytes
    let sweeps = waitingForMatrices
    waitingForMatrices = []
    sweeps.forEach(submit)
  }
}
