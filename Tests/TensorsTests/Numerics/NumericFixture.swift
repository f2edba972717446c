import Foundation

/// A two-dimensional array that scripts/make-numeric-fixtures.py wrote.
enum NumericFixture {
  /// The rows of a little-endian `.npy` file of version 1.
  static func rows<Value: BitwiseCopyable>(_ name: String, of type: Value.Type) throws -> [[Value]] {
    let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let data = try Data(contentsOf: tests.appending(path: "Fixtures/numerics/\(name).npy"))
    let headerEnd = 10 + Int(data[8]) + Int(data[9]) << 8
    let header = String(decoding: data[10..<headerEnd], as: UTF8.self)
    // The last number in "'shape': (120, 2), }" is the row's length.
    let shape = header.split(separator: "(")[1].split(separator: ")")[0].split(separator: ",")
    let columns = Int(shape[1].trimmingCharacters(in: .whitespaces))!
    let values = data[headerEnd...].withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<Value>.size).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.size, as: Value.self)
      }
    }
    return stride(from: 0, to: values.count, by: columns).map { Array(values[$0..<$0 + columns]) }
  }
}

/// A small generator with a fixed sequence (SplitMix64), for inputs.
struct TestGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }

  /// Floats of every kind: any bit pattern, moderate values, whole numbers, special values.
  mutating func floats(_ count: Int) -> [Float] {
    let special: [Float] = [0, -0.0, .infinity, -.infinity, .nan, 1, -1, 0x1p-149, -0x1p-126, 2e6]
    return (0..<count).map { index in
      switch index % 5 {
      case 0: Float(bitPattern: UInt32(truncatingIfNeeded: next()))
      case 1: Float.random(in: -1...1, using: &self)
      case 2: Float.random(in: -100...100, using: &self)
      case 3: Float(Int.random(in: -3...3, using: &self))
      default: special.randomElement(using: &self)!
      }
    }
  }
}

/// Whether two values have the same bits, or are both NaN.
func isSame(_ a: Float, _ b: Float) -> Bool { a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN) }

/// Whether two values have the same bits, or are both NaN.
func isSame(_ a: Double, _ b: Double) -> Bool { a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN) }
