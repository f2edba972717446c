import CKernels
import Tensors

/// A storage format of equal blocks of quantised weights, by the names that ggml gives them.
package struct BlockFormat: BlockDecoder {
  /// What reports call it, such as `Q4_K`.
  package let name: String
  package let elementsPerBlock: Int
  package let bytesPerBlock: Int
  private let kernel: Kernel

  private typealias Kernel =
    @convention(c) @Sendable (UnsafePointer<UInt8>?, UnsafeMutablePointer<Float>?, Int)
    -> Void

  private init(_ name: String, elements: Int, bytes: Int, _ kernel: @escaping Kernel) {
    self.name = name
    elementsPerBlock = elements
    bytesPerBlock = bytes
    self.kernel = kernel
  }

  package func decode(_ blocks: UnsafeRawBufferPointer, into elements: UnsafeMutableBufferPointer<Float>) {
    kernel(
      blocks.baseAddress?.assumingMemoryBound(to: UInt8.self), elements.baseAddress,
      blocks.count / bytesPerBlock)
  }

  /// All of them.
  package static let all: [BlockFormat] = [
    BlockFormat("Q4_0", elements: 32, bytes: 18, decode_q4_0),
    BlockFormat("Q4_1", elements: 32, bytes: 20, decode_q4_1),
    BlockFormat("Q5_0", elements: 32, bytes: 22, decode_q5_0),
    BlockFormat("Q5_1", elements: 32, bytes: 24, decode_q5_1),
    BlockFormat("Q8_0", elements: 32, bytes: 34, decode_q8_0),
    BlockFormat("Q2_K", elements: 256, bytes: 84, decode_q2_k),
    BlockFormat("Q3_K", elements: 256, bytes: 110, decode_q3_k),
    BlockFormat("Q4_K", elements: 256, bytes: 144, decode_q4_k),
    BlockFormat("Q5_K", elements: 256, bytes: 176, decode_q5_k),
    BlockFormat("Q6_K", elements: 256, bytes: 210, decode_q6_k),
    BlockFormat("IQ4_NL", elements: 32, bytes: 18, decode_iq4_nl),
    BlockFormat("IQ4_XS", elements: 256, bytes: 136, decode_iq4_xs),
    BlockFormat("MXFP4", elements: 32, bytes: 17, decode_mxfp4),
  ]

  /// The format of a name; `nil` if none has it.
  package static func named(_ name: String) -> BlockFormat? { all.first { $0.name == name } }
}
