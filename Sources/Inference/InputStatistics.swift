import CBLAS
import Tensors

/// What is kept of the vectors that enter a linear layer.
package enum InputStatistic: String, Sendable, CaseIterable {
  /// Σ x·xᵀ, a matrix.
  case gram
  /// The mean of each channel's magnitude.
  case meanAbs = "mean_abs"
  /// The sum of each channel's squares.
  case sumSquares = "sum_squares"

  /// The shape for vectors of `size` numbers.
  func shape(_ size: Int) -> Shape { self == .gram ? Shape([size, size]) : Shape([size]) }
}

/// A statistic of what enters some linear layers, which is one if the same vectors enter them.
package struct InputTensor {
  /// The names of their weights in the model.
  package let names: [String]
  /// float32.
  package let leaf: StoredLeaf
  package let shape: Shape
}

/// Sums over vectors that come in batches.
///
/// Sums are float64, of products that are float32 within blocks of positions. Work is cut by sizes alone, so that sums are
/// the same bits for every number of workers.
///
/// `@unchecked Sendable`: workers add to disjoint parts, and what they added is read after the wait for them.
final class InputSums: @unchecked Sendable {
  /// Positions whose products are added up in float32.
  private static let positionsOfBlock = 256
  /// Channels of a unit of work.
  private static let channelsOfBlock = 128

  private let statistic: InputStatistic
  private let size: Int
  private let sums: UnsafeMutableBufferPointer<Double>
  private var positions = 0

  init(_ statistic: InputStatistic, size: Int) {
    self.statistic = statistic
    self.size = size
    sums = .allocate(capacity: statistic.shape(size).count)
    sums.initialize(repeating: 0)
  }

  deinit { sums.deallocate() }

  /// Adds `rows` vectors.
  func add(_ input: FloatBuffer, rows: Int, on evaluator: Evaluator, for operation: String) throws {
    let channels = Blocks(count: size, most: Self.channelsOfBlock)
    let positions = Blocks(count: rows, most: Self.positionsOfBlock)
    try evaluator.perform(units: channels.number, for: operation) { [self] unit in
      switch statistic {
      case .gram: addProducts(input, channels[unit], positions)
      case .meanAbs: addEach(input, channels[unit], rows) { abs($0) }
      case .sumSquares: addEach(input, channels[unit], rows) { $0 * $0 }
      }
    }
    self.positions += rows
  }

  /// The products of some channels with themselves and all that follow; those before are the same.
  private func addProducts(_ input: FloatBuffer, _ channels: Range<Int>, _ blocks: Blocks) {
    let width = size - channels.lowerBound
    let products = UnsafeMutablePointer<Float>.allocate(capacity: channels.count * width)
    defer { products.deallocate() }
    for block in 0..<blocks.number {
      let positions = blocks[block]
      let corner = input.start + positions.lowerBound * size + channels.lowerBound
      BLAS.multiplyTransposed(
        rows: channels.count, columns: width, inner: positions.count, corner, corner, stride: size,
        into: products)
      for row in 0..<channels.count {
        let line = sums.baseAddress! + (channels.lowerBound + row) * size + channels.lowerBound
        for i in 0..<width { line[i] += Double(products[row * width + i]) }
      }
    }
  }

  private func addEach(
    _ input: FloatBuffer, _ channels: Range<Int>, _ rows: Int, _ value: (Double) -> Double
  ) {
    for row in 0..<rows {
      let vector = input.start + row * size
      for channel in channels { sums[channel] += value(Double(vector[channel])) }
    }
  }

  /// Writes the statistic as float32.
  func write(to sink: any ByteSink) throws {
    let width = statistic == .gram ? size : 1
    var row = [Float](repeating: 0, count: width)
    for index in 0..<size {
      for column in 0..<width {
        let value =
          switch statistic {
          // Below the diagonal, what stands above it.
          case .gram: sums[min(index, column) * size + max(index, column)]
          case .meanAbs: sums[index] / Double(max(1, positions))
          case .sumSquares: sums[index]
          }
        row[column] = Float(value)
      }
      try row.withUnsafeBytes { try sink.write($0, at: index * width * MemoryLayout<Float>.stride) }
    }
  }
}

extension BLAS {
  /// result = aᵀ · b: `a` and `b` have `inner` rows, each `stride` numbers after the one before; `result` has rows of
  /// `columns`.
  static func multiplyTransposed(
    rows: Int, columns: Int, inner: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, stride: Int,
    into result: UnsafeMutablePointer<Float>
  ) {
    inTurn {
      cblas_sgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, Int32(rows), Int32(columns), Int32(inner), 1, a,
        Int32(stride), b,
        Int32(stride), 0, result, Int32(columns))
    }
  }
}
