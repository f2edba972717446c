import Tensors
import Testing

@Suite struct CopyTests {
  /// Bytes of every dtype are copied as they are, NaNs and padding bits included.
  @Test(arguments: DType.allCases)
  func storedTensorsAreCopied(_ dtype: DType) throws {
    let count = 300_000
    let byteCount = dtype.byteCount(count)!
    let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 8) }
    let bench = Bench(threads: 3)
    let x = try bench.stored(bytes: bytes, [3, 100_000], dtype)
    #expect(bench.graph.dtype(of: x) == dtype)
    #expect(try bench.bytes(x, as: dtype) == bytes)
    let rows = try bench.graph.narrow(
      bench.graph.reshape(x, [300, 1000]), dimension: 0, start: 100, length: 50)
    #expect(try bench.bytes(rows, as: dtype) == Array(bytes[(byteCount / 3)..<(byteCount / 2)]))
    let same = try bench.stored(bytes: bytes, [3, 100_000], dtype)
    #expect(try bench.bytes(bench.graph.identical([x, same, x]), as: dtype) == bytes)
    #expect(try bench.bytes(bench.graph.convert(x, to: dtype), as: dtype) == bytes)
    let nothing = try bench.stored(bytes: [], [0, 5], dtype)
    #expect(try bench.bytes(nothing, as: dtype) == [])
  }

  @Test(arguments: [DType.i64, .bool, .f4, .bf16])
  func differingTensorsAreAnError(_ dtype: DType) throws {
    let bytes = [UInt8](repeating: 1, count: dtype.byteCount(400_000)!)
    let bench = Bench()
    let x = try bench.stored(bytes: bytes, [400_000], dtype, label: "a.safetensors: x")
    var other = bytes
    other[other.count - 1] = 2
    let y = try bench.stored(bytes: other, [400_000], dtype, label: "b.safetensors: x")
    let error = #expect(throws: TensorError.self) {
      try bench.bytes(bench.graph.identical([x, x, y]), as: dtype)
    }
    #expect(
      error.map { "\($0)" }
        == "a.safetensors: x and b.safetensors: x differ, and their dtype can only be copied")
  }

  @Test func whatCanOnlyBeCopiedIsNotComputed() throws {
    let bench = Bench()
    let x = try bench.stored(bytes: [UInt8](repeating: 0, count: 48), [2, 3], .i64)
    let failures: [(String, () throws -> Void)] = [
      (
        "+: a tensor of dtype I64 can only be copied, not computed with",
        { _ = try bench.graph.binary(.add, x, x) }
      ),
      (
        "storing as F32: a tensor of dtype I64 can only be copied, not computed with",
        { _ = try bench.bytes(x, as: .f32) }
      ),
      (
        "storing as I64: a tensor of dtype I64 can only be copied, not computed with",
        { _ = try bench.bytes(bench.graph.narrow(x, dimension: 1, start: 0, length: 2), as: .i64) }
      ),
      (
        "storing: dtype I32 is not one that can be computed (expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2)",
        { _ = try bench.bytes(bench.number(1), as: .i32) }
      ),
      (
        "identical: its result can only be stored as the BF16 that it is, not computed with",
        {
          let y = try bench.stored([1, 2], [2], .bf16)
          _ = try bench.bytes(bench.graph.identical([y, y]), as: .f32)
        }
      ),
    ]
    for (message, body) in failures {
      let error = #expect(throws: TensorError.self) { try body() }
      #expect(error.map { "\($0)" } == message)
    }
  }

  /// A tensor keeps the dtype it was made with only where nothing has been rounded to it yet.
  @Test func convertingRoundsWhatHasTheDtypeInNameOnly() throws {
    let bench = Bench()
    let x = try bench.graph.values([0.1, 1.001], shape: Shape([2]), dtype: .bf16)
    let rounded = try bench.graph.convert(x, to: .bf16)
    #expect(try bench.compute(rounded) == decode(encode([0.1, 1.001], .bf16), .bf16).map { Float($0) })
    #expect(bench.graph.dtype(of: rounded) == .bf16)
    let stored = try bench.stored([0.1], [1], .bf16)
    #expect(try bench.graph.convert(stored, to: .bf16) == stored)
    let both = try bench.graph.select(bench.number(1), stored, bench.tensor([2], [1]))
    #expect(try bench.compute(both) == decode(encode([0.1], .bf16), .bf16).map { Float($0) })
  }
}
