/// A function of whole matrices with one or more results, cut into units that the workers run.
///
/// Its inputs are computed where it reads them, and its results land in scratch. Those do not depend on the number
/// of workers: units are cut by shapes alone.
package protocol Kernel: Sendable, Hashable {
  /// Its name in scripts.
  var name: String { get }
  /// What the results are like.
  var results: [ResultForm] { get }
  /// How the work is cut.
  var partition: Partition { get }
  /// Bytes of whole matrices that the work holds, beside its scratch.
  var workingBytes: Int { get }

  /// The work from the inputs, in their order, into the results.
  func makeWork(_ inputs: [KernelInput], into results: [any ByteSink]) -> any SweepWork
}

/// Work of which only what a worker does has to be said.
struct KernelWork: SweepWork {
  let worker: @Sendable (_ index: Int) -> any SweepWorker

  init(_ worker: @escaping @Sendable (_ index: Int) -> any SweepWorker) { self.worker = worker }

  func makeWorker(index: Int) -> any SweepWorker { worker(index) }
}

/// What a kernel reads: an expression, computed over and over where its elements are asked for.
package struct KernelInput: Sendable {
  let program: LaunchedProgram
  let precision: Precision

  /// A reader for one worker.
  package func makeReader() -> any KernelReader {
    precision == .double ? ProgramReader<Double>(program) : ProgramReader<Float>(program)
  }
}

/// A worker's reader of an input.
package protocol KernelReader: AnyObject {
  /// Puts the elements of a range of the input, which is row-major, at `target`.
  func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) throws

  /// Puts the elements of a range of the input, which is row-major, at `target`.
  func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Double>) throws
}

private final class ProgramReader<Element: BlockElement>: KernelReader {
  private let instance: ProgramInstance<Element>
  /// Elements that are prepared at once.
  private static var tile: Int { Partition.chunk }

  init(_ program: LaunchedProgram) {
    instance = ProgramInstance(program, blockSize: ProgramInstance<Element>.blockSize(of: program))
  }

  func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) throws {
    try read(range) { elements, position, count in
      Element.store(elements, to: UnsafeMutableRawPointer(target + position), dtype: .f32, count: count)
    }
  }

  func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Double>) throws {
    try read(range) { elements, position, count in
      Element.store(elements, to: UnsafeMutableRawPointer(target + position), dtype: .f64, count: count)
    }
  }

  private func read(
    _ range: Range<Int>, _ body: (UnsafePointer<Element>, _ position: Int, _ count: Int) -> Void
  ) throws {
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.tile) {
      try instance.evaluate(start..<min(start + Self.tile, range.upperBound)) { elements, block in
        body(elements, block.lowerBound - range.lowerBound, block.count)
      }
    }
  }
}
