import CBLAS

/// An orthonormal basis of a tall matrix's columns, in float64 by Householder's reflections (LAPACK's dgeqrf).
struct OrthonormalKernel: Kernel {
  /// What the user asked for.
  var name: String
  var rows: Int
  var columns: Int

  var results: [ResultForm] { [ResultForm(shape: Shape([rows, columns]), precision: .single)] }
  /// The matrix by rows and by columns.
  var workingBytes: Int { 2 * rows * columns * 8 }
  var partition: Partition { .linear(count: 1, size: 1) }

  func makeWork(_ inputs: [KernelInput], into results: [any ByteSink]) -> any SweepWork {
    KernelWork { _ in Worker(self, inputs[0], results[0]) }
  }

  private final class Worker: SweepWorker {
    private let kernel: OrthonormalKernel
    private let input: KernelInput
    private let result: any ByteSink

    init(_ kernel: OrthonormalKernel, _ input: KernelInput, _ result: any ByteSink) {
      self.kernel = kernel
      self.input = input
      self.result = result
    }

    func run(unit: Int, range: Range<Int>) throws {
      let (rows, columns) = (kernel.rows, kernel.columns)
      let (first, second) = (TileBuffer(), TileBuffer())
      let byRows = first.ensure(rows * columns * 8).assumingMemoryBound(to: Double.self)
      let byColumns = second.ensure(rows * columns * 8).assumingMemoryBound(to: Double.self)
      try input.makeReader().read(0..<rows * columns, into: byRows)
      try UnsafeBufferPointer(start: byRows, count: rows * columns).requireFinite(for: kernel.name)
      for row in 0..<rows {
        for column in 0..<columns { byColumns[column * rows + row] = byRows[row * columns + column] }
      }
      guard BLAS.inTurn({ orthonormal_columns(Int32(rows), Int32(columns), byColumns) }) else {
        throw TensorError.notConverged(operation: kernel.name)
      }
      let rounded = UnsafeMutableRawPointer(byRows).assumingMemoryBound(to: Float.self)
      for row in 0..<rows {
        for column in 0..<columns { rounded[row * columns + column] = Float(byColumns[column * rows + row]) }
      }
      try result.write(UnsafeRawBufferPointer(start: rounded, count: rows * columns * 4), at: 0)
    }
  }
}
