/// A square matrix in float64, in memory.
final class SquareMatrix {
  let size: Int
  let start: UnsafeMutablePointer<Double>
  private let buffer = TileBuffer()

  init(_ size: Int) {
    self.size = size
    start = buffer.ensure(max(1, size * size) * 8).assumingMemoryBound(to: Double.self)
  }

  /// Throws if an element is NaN or infinite.
  func requireFinite(for operation: String) throws {
    try UnsafeBufferPointer(start: start, count: size * size).requireFinite(for: operation)
  }

  /// Replaces the two elements that mirror each other by their mean. Throws if they differ by more than float32
  /// rounds.
  func makeSymmetric(for operation: String) throws {
    let largest = UnsafeBufferPointer(start: start, count: size * size).reduce(0) { max($0, $1.magnitude) }
    let tolerance = largest * 0x1p-17
    for row in 0..<size {
      for column in 0..<row {
        let (lower, upper) = (start[row * size + column], start[column * size + row])
        guard (lower - upper).magnitude <= tolerance else {
          throw TensorError.notSymmetric(operation: operation, row: row + 1, column: column + 1)
        }
        start[row * size + column] = (lower + upper) / 2
        start[column * size + row] = (lower + upper) / 2
      }
    }
  }
}

extension UnsafeBufferPointer<Double> {
  /// Throws if an element is NaN or infinite.
  func requireFinite(for operation: String) throws {
    guard allSatisfy(\.isFinite) else { throw TensorError.notFinite(operation: operation) }
  }
}
