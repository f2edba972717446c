import CKernels
import Tensors

/// Causal attention of queries to the keys and values of their own prompt, with several heads of queries for
/// each head of keys.
struct Attention: Sendable {
  /// The most queries of a unit of work, which bounds the memory of its scores.
  static let queriesOfUnit = 256

  let heads: Int
  let keyHeads: Int
  let headSize: Int
  /// Positions that a position sees, itself included; `nil` for all before it.
  let window: Int?
  /// Rows of `heads * headSize`.
  let queries: FloatBuffer
  /// Rows of `keyHeads * headSize`, as `values`.
  let keys: FloatBuffer
  let values: FloatBuffer
  /// Where the results go: rows as those of `queries`.
  let result: FloatBuffer

  /// One head of some queries of a prompt.
  struct Unit: Sendable {
    /// The prompt's first row.
    let start: Int
    let head: Int
    /// Positions in the prompt.
    let positions: Range<Int>
  }

  /// The units of prompts that stand in rows one after the other.
  static func units(prompts: [Range<Int>], heads: Int) -> [Unit] {
    prompts.flatMap { prompt in
      let blocks = Blocks(count: prompt.count, most: queriesOfUnit)
      return (0..<blocks.number).flatMap { block in
        (0..<heads).map { Unit(start: prompt.lowerBound, head: $0, positions: blocks[block]) }
      }
    }
  }

  func run(_ unit: Unit) {
    let queryStride = heads * headSize
    let keyStride = keyHeads * headSize
    let keyColumn = unit.head / (heads / keyHeads) * headSize
    let firstKey = firstVisible(from: unit.positions.lowerBound)
    let keyCount = unit.positions.upperBound - firstKey
    let queryPlace = (unit.start + unit.positions.lowerBound) * queryStride + unit.head * headSize
    let keyPlace = (unit.start + firstKey) * keyStride + keyColumn

    let scores = UnsafeMutablePointer<Float>.allocate(capacity: unit.positions.count * keyCount)
    defer { scores.deallocate() }
    BLAS.multiply(
      rows: unit.positions.count, columns: keyCount, inner: headSize, scale: 1 / Float(headSize).squareRoot(),
      queries.start + queryPlace, stride: queryStride, keys.start + keyPlace, stride: keyStride,
      isTransposed: true, into: scores, stride: keyCount)
    for (row, position) in unit.positions.enumerated() {
      let visible = firstVisible(from: position) - firstKey..<position + 1 - firstKey
      Self.softmax(scores + row * keyCount, over: visible, of: keyCount)
    }
    BLAS.multiply(
      rows: unit.positions.count, columns: headSize, inner: keyCount, scores, stride: keyCount,
      values.start + keyPlace, stride: keyStride, isTransposed: false, into: result.start + queryPlace,
      stride: queryStride)
  }

  /// The first position that one sees.
  private func firstVisible(from position: Int) -> Int { window.map { max(0, position - $0 + 1) } ?? 0 }

  /// Softmax over a part of a row; the rest becomes 0.
  private static func softmax(_ row: UnsafeMutablePointer<Float>, over visible: Range<Int>, of count: Int) {
    let scores = row + visible.lowerBound
    let greatest = block_maximum(scores, visible.count)
    for i in 0..<visible.count { scores[i] -= greatest }
    block_exp(scores, scores, visible.count)
    var sum = 0.0
    for i in 0..<visible.count { sum += Double(scores[i]) }
    let scale = Float(1 / sum)
    for i in 0..<visible.count { scores[i] *= scale }
    for i in 0..<visible.lowerBound { row[i] = 0 }
    for i in visible.upperBound..<count { row[i] = 0 }
  }
}
