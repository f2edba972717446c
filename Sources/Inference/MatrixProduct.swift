import Tensors

/// Products with weights as checkpoints store them: a row of `inner` numbers for each output.
///
/// OpenBLAS runs each block on one thread, and blocks are cut by the sizes alone, so that results are the
/// same bits for every number of workers. Another processor may have other kernels, which round otherwise.
struct MatrixProduct: Sendable {
  /// The most rows of input in a block.
  private static let rowsOfBlock = 512
  /// The most outputs in a block.
  private static let outputsOfBlock = 128

  /// Rows of `input` and `result`.
  var rows: Int
  /// Numbers in a row of `input` and of the weights.
  var inner: Int
  /// Numbers in a row of `result`, rows of the weights.
  var outputs: Int
  /// Numbers from one row of `result` to the next.
  var stride: Int

  init(rows: Int, inner: Int, outputs: Int, stride: Int? = nil) {
    self.rows = rows
    self.inner = inner
    self.outputs = outputs
    self.stride = stride ?? outputs
  }

  /// result = input · weightsᵀ + bias, and `sum` += result if there is one; `offset` is where `result`
  /// begins.
  func run(
    _ input: FloatBuffer, _ weights: FloatBuffer, bias: FloatBuffer? = nil, into result: FloatBuffer,
    at offset: Int = 0, addingTo sum: FloatBuffer? = nil, on evaluator: Evaluator, for operation: String
  ) throws {
    let rowBlocks = Blocks(count: rows, most: Self.rowsOfBlock)
    let outputBlocks = Blocks(count: outputs, most: Self.outputsOfBlock)
    try evaluator.perform(units: rowBlocks.number * outputBlocks.number, for: operation) { unit in
      let rows = rowBlocks[unit / outputBlocks.number]
      let outputs = outputBlocks[unit % outputBlocks.number]
      let corner = result.start + offset + rows.lowerBound * stride + outputs.lowerBound
      BLAS.multiply(
        rows: rows.count, columns: outputs.count, inner: inner, input.start + rows.lowerBound * inner,
        stride: inner, weights.start + outputs.lowerBound * inner, stride: inner, isTransposed: true,
        into: corner, stride: stride)
      for row in 0..<rows.count {
        let line = corner + row * stride
        if let bias = bias?.start {
          for i in 0..<outputs.count { line[i] += bias[outputs.lowerBound + i] }
        }
        if let sum {
          let total = sum.start + (rows.lowerBound + row) * stride + outputs.lowerBound
          for i in 0..<outputs.count { total[i] += line[i] }
        }
      }
    }
  }
}
