import Checkpoints
import Tensors
import TestSupport

/// A tensor with its elements: of any dtype from bytes, of floating-point ones from numbers too.
package struct TestTensor: Equatable {
  package var name: String
  package var dtype: DType
  package var shape: [Int]
  package var bytes: [UInt8]

  package init(_ name: String, _ dtype: DType, _ shape: [Int], bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  package init(_ name: String, _ dtype: DType, _ shape: [Int], _ elements: [Float]) {
    var bytes = [UInt8](repeating: 0, count: elements.count * dtype.byteWidth!)
    bytes.withUnsafeMutableBytes { raw in
      guard let base = raw.baseAddress else { return }
      Conversion.storeFloats(elements, to: base, dtype: dtype, count: elements.count)
    }
    self.init(name, dtype, shape, bytes: bytes)
  }

  package init(_ stored: StoredTensor) throws {
    var bytes = [UInt8](repeating: 0, count: stored.source.byteCount)
    try bytes.withUnsafeMutableBytes { try stored.source.read(into: $0, at: 0) }
    self.init(stored.name, stored.dtype, stored.shape, bytes: bytes)
  }

  /// 64-bit integers.
  package init(_ name: String, integers: [Int64]) {
    self.init(name, .i64, [integers.count], bytes: integers.withUnsafeBytes { Array($0) })
  }

  package var elements: [Float] {
    let count = shape.reduce(1, *)
    var elements = [Float](repeating: 0, count: count)
    bytes.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return }
      Conversion.loadFloats(from: base, dtype: dtype, into: &elements, count: count)
    }
    return elements
  }

  /// The bytes of a safetensors file.
  package static func file(_ tensors: [TestTensor]) -> [UInt8] {
    var entries: [String] = []
    var offset = 0
    for tensor in tensors {
      let end = offset + tensor.bytes.count
      entries.append(
        #""\#(tensor.name)":{"dtype":"\#(tensor.dtype.rawValue)","shape":\#(tensor.shape),"data_offsets":[\#(offset),\#(end)]}"#
      )
      offset = end
    }
    return safetensors(header: "{\(entries.joined(separator: ","))}", data: tensors.flatMap(\.bytes))
  }
}
