/// Slices of a dimension by an index that is known only when it has been computed. The inputs are the tensor and the
/// index, from 1 on.
struct GatherKernel<Element: MatrixElement>: Kernel {
  /// The tensor, seen as [outer, size, inner].
  var outer: Int
  var size: Int
  var inner: Int
  var count: Int
  /// The result's.
  var shape: Shape

  let name = "index_select"
  var results: [ResultForm] {
    [ResultForm(shape: shape, precision: Element.dtype == .f64 ? .double : .single)]
  }
  var workingBytes: Int { 0 }
  /// Slices of the result.
  var partition: Partition { .linear(count: outer * count, size: max(1, Partition.chunk / max(1, inner))) }

  func makeWork(_ inputs: [KernelInput], into results: [any ByteSink]) -> any SweepWork {
    KernelWork { _ in Worker(self, inputs, results[0]) }
  }

  private final class Worker: SweepWorker {
    private let kernel: GatherKernel
    private let reader: any KernelReader
    private let indexReader: any KernelReader
    private let result: any ByteSink
    private var indices: [Int]?
    private let buffer = TileBuffer()

    init(_ kernel: GatherKernel, _ inputs: [KernelInput], _ result: any ByteSink) {
      self.kernel = kernel
      reader = inputs[0].makeReader()
      indexReader = inputs[1].makeReader()
      self.result = result
    }

    func run(unit: Int, range: Range<Int>) throws {
      let indices = try self.indices ?? readIndices()
      self.indices = indices
      let (inner, width) = (kernel.inner, MemoryLayout<Element>.stride)
      let target = buffer.ensure(range.count * inner * width).assumingMemoryBound(to: Element.self)
      for slice in range {
        let (outer, place) = slice.quotientAndRemainder(dividingBy: kernel.count)
        let first = (outer * kernel.size + indices[place]) * inner
        try Element.read(
          reader, first..<first + inner, into: target + (slice - range.lowerBound) * inner)
      }
      try result.write(
        UnsafeRawBufferPointer(start: target, count: range.count * inner * width),
        at: range.lowerBound * inner * width)
    }

    private func readIndices() throws -> [Int] {
      var numbers = [Double](repeating: 0, count: kernel.count)
      try numbers.withUnsafeMutableBufferPointer {
        try indexReader.read(0..<kernel.count, into: $0.baseAddress!)
      }
      return try numbers.map { number in
        guard number >= 1, number <= Double(kernel.size), number == number.rounded() else {
          throw TensorError.badLazyIndex(operation: kernel.name, number, size: kernel.size)
        }
        return Int(number) - 1
      }
    }
  }
}
