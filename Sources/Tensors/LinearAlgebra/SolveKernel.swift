import CBLAS

/// The solution x of (s + ridge) · x = b for a symmetric positive definite s, in float64 by Cholesky's factor
/// (LAPACK's dpotrf). The inputs are s, b and the ridge.
struct SolveKernel: Kernel {
  var size: Int
  var columns: Int
  /// The result's.
  var shape: Shape
  var precision: Precision

  let name = "solve"
  var results: [ResultForm] { [ResultForm(shape: shape, precision: precision)] }
  var workingBytes: Int { size * (size + columns) * 8 }
  var partition: Partition { .linear(count: 1, size: 1) }

  func makeWork(_ inputs: [KernelInput], into results: [any ByteSink]) -> any SweepWork {
    KernelWork { _ in Worker(self, inputs, results[0]) }
  }

  private final class Worker: SweepWorker {
    private let kernel: SolveKernel
    private let inputs: [KernelInput]
    private let result: any ByteSink

    init(_ kernel: SolveKernel, _ inputs: [KernelInput], _ result: any ByteSink) {
      self.kernel = kernel
      self.inputs = inputs
      self.result = result
    }

    func run(unit: Int, range: Range<Int>) throws {
      let (size, columns) = (kernel.size, kernel.columns)
      let matrix = SquareMatrix(size)
      try inputs[0].makeReader().read(0..<size * size, into: matrix.start)
      var ridge = 0.0
      try inputs[2].makeReader().read(0..<1, into: &ridge)
      try matrix.requireFinite(for: kernel.name)
      try matrix.makeSymmetric(for: kernel.name)
      for row in 0..<size { matrix.start[row * size + row] += ridge }
      let buffer = TileBuffer()
      let right = buffer.ensure(max(1, size * columns) * 8).assumingMemoryBound(to: Double.self)
      try inputs[1].makeReader().read(0..<size * columns, into: right)
      try UnsafeBufferPointer(start: right, count: size * columns).requireFinite(for: kernel.name)
      let pivot = BLAS.inTurn { cholesky_factor(Int32(size), matrix.start) }
      guard pivot == 0 else {
        throw TensorError.notPositiveDefinite(operation: kernel.name, pivot: Int(pivot), size: size)
      }
      BLAS.inTurn { cholesky_solve(Int32(size), matrix.start, Int32(columns), right) }
      try store(right, size * columns)
    }

    private func store(_ solution: UnsafeMutablePointer<Double>, _ count: Int) throws {
      guard kernel.precision == .single else {
        return try result.write(UnsafeRawBufferPointer(start: solution, count: count * 8), at: 0)
      }
      let buffer = TileBuffer()
      let rounded = buffer.ensure(max(1, count) * 4)
      Double.store(solution, to: rounded, dtype: .f32, count: count)
      try result.write(UnsafeRawBufferPointer(start: rounded, count: count * 4), at: 0)
    }
  }
}
