import CBLAS

/// Eigenvalues and eigenvectors of a symmetric matrix, in float64 by LAPACK's divide and conquer (dsyevd).
///
/// The sign of a vector, which is open, is that which makes its largest element positive.
struct EigenKernel: Kernel {
  /// What the user asked for.
  var name: String
  var size: Int
  /// Whether the largest value is the first.
  var isDescending = false
  /// How many of the values, and of the vectors, are wanted.
  var rank: Int

  /// The values, and the vectors as rows.
  var results: [ResultForm] {
    [
      ResultForm(shape: Shape([rank]), precision: .double),
      ResultForm(shape: Shape([rank, size]), precision: .double),
    ]
  }
  /// The matrix, and as much again twice for dsyevd.
  var workingBytes: Int { 3 * size * size * 8 }
  var partition: Partition { .linear(count: 1, size: 1) }

  func makeWork(_ inputs: [KernelInput], into results: [any ByteSink]) -> any SweepWork {
    KernelWork { _ in Worker(self, inputs[0], results) }
  }

  private final class Worker: SweepWorker {
    private let kernel: EigenKernel
    private let input: KernelInput
    private let results: [any ByteSink]

    init(_ kernel: EigenKernel, _ input: KernelInput, _ results: [any ByteSink]) {
      self.kernel = kernel
      self.input = input
      self.results = results
    }

    func run(unit: Int, range: Range<Int>) throws {
      let size = kernel.size
      let matrix = SquareMatrix(size)
      try input.makeReader().read(0..<size * size, into: matrix.start)
      try matrix.requireFinite(for: kernel.name)
      try matrix.makeSymmetric(for: kernel.name)
      let found = TileBuffer()
      let numbers = found.ensure(max(1, size) * 8).assumingMemoryBound(to: Double.self)
      guard BLAS.inTurn({ symmetric_eigenvectors(Int32(size), matrix.start, numbers) }) else {
        throw TensorError.notConverged(operation: kernel.name)
      }
      for place in 0..<kernel.rank {
        let index = kernel.isDescending ? size - 1 - place : place
        let vector = matrix.start + index * size
        Self.makeLargestPositive(vector, count: size)
        try results[0].write(UnsafeRawBufferPointer(start: numbers + index, count: 8), at: place * 8)
        try results[1].write(UnsafeRawBufferPointer(start: vector, count: size * 8), at: place * size * 8)
      }
    }

    private static func makeLargestPositive(_ vector: UnsafeMutablePointer<Double>, count: Int) {
      var largest = 0.0
      for index in 0..<count where vector[index].magnitude > largest.magnitude { largest = vector[index] }
      if largest < 0 { for index in 0..<count { vector[index] = -vector[index] } }
    }
  }
}
