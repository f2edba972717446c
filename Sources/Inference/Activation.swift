import CKernels
import Glibc

/// The function between the two halves of an MLP.
enum Activation: Sendable {
  case silu
  /// By the error function.
  case gelu
  /// By the hyperbolic tangent.
  case geluTanh
  case relu

  private static let named: KeyValuePairs<String, Activation> = [
    "silu": .silu, "swish": .silu, "gelu": .gelu, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh,
    "relu": .relu,
  ]

  /// The names of config.json's `hidden_act` that are known.
  static var names: [String] { named.map(\.key) }

  static func named(_ name: String) -> Activation? { named.first { $0.key == name }?.value }

  /// gate[i] = f(gate[i]) · up[i]
  func apply(_ gate: UnsafeMutablePointer<Float>, times up: UnsafePointer<Float>, count: Int) {
    switch self {
    case .silu:
      withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { room in
        let scratch = room.baseAddress!
        block_negate(gate, scratch, count)
        block_exp(scratch, scratch, count)
        for i in 0..<count { gate[i] = gate[i] / (1 + scratch[i]) * up[i] }
      }
    case .gelu:
      for i in 0..<count { gate[i] = gate[i] * 0.5 * (1 + erff(gate[i] * Float(0.5).squareRoot())) * up[i] }
    case .geluTanh:
      let scale = Float((2 / Double.pi).squareRoot())
      for i in 0..<count {
        let x = gate[i]
        gate[i] = 0.5 * x * (1 + tanhf(scale * (x + 0.044715 * x * x * x))) * up[i]
      }
    case .relu:
      for i in 0..<count { gate[i] = max(gate[i], 0) * up[i] }
    }
  }
}
