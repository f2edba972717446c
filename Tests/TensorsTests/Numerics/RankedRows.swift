import Tensors

/// Rows of values of many kinds, and their ranks.
enum RankedRows {
  static let kinds = [
    "mixed", "equal", "NaN", "bfloat16", "differences", "normal", "descending", "few", "zeros", "outliers",
    "infinite", "widest", "subnormal", "nearly equal", "narrow", "narrow but one",
  ]

  static func row(_ kind: String, _ count: Int, _ generator: inout TestGenerator) -> [Float] {
    func bfloat16(_ value: Float) -> Float { Float(bitPattern: value.bitPattern & 0xffff_0000) }
    func random(_ value: (Float, Float) -> Float) -> [Float] {
      (0..<count).map { _ in
        value(.random(in: -1...1, using: &generator), .random(in: -1...1, using: &generator))
      }
    }
    switch kind {
    case "mixed": return generator.floats(count)
    case "equal": return [Float](repeating: -2.5, count: count)
    case "NaN": return (0..<count).map { $0 % 3 == 0 ? -.nan : .nan }
    case "bfloat16": return generator.floats(count).map(bfloat16)
    case "differences": return random { bfloat16(bfloat16($0) + $1 / 64) - bfloat16($0) }.map(\.magnitude)
    case "normal": return random { $0 * $0 * $1 }
    case "descending": return (0..<count).map { Float(-$0) }
    case "few": return random { x, _ in (x * 1.4).rounded() }
    case "zeros": return random { x, y in x < 0.9 ? (y < 0 ? -0.0 : 0) : y }
    case "outliers": return random { x, y in x > 0.99 ? y * 1000 : y }
    case "infinite": return random { x, y in x > 0.99 ? .infinity : y }
    case "widest": return random { x, y in x > 0.9 ? Float.greatestFiniteMagnitude * (y < 0 ? -1 : 1) : y }
    case "subnormal": return random { x, _ in x * 0x1p-140 }
    case "narrow": return random { x, _ in 3 + x * 0x1p-12 }
    case "narrow but one":
      return random { x, _ in 3 + x * 0x1p-12 }.enumerated().map { $0.offset == 7 ? 0 : $0.element }
    default: return random { x, _ in 1 + x * 0x1p-20 }
    }
  }

  /// Positions after a stable sort, from 1.
  static func ranks(_ values: [Float]) -> [Float] {
    let order = values.indices.sorted {
      (SelectionKey.key(values[$0]), $0) < (SelectionKey.key(values[$1]), $1)
    }
    var expected = [Float](repeating: 0, count: values.count)
    for (position, index) in order.enumerated() { expected[index] = Float(position + 1) }
    return expected
  }
}
