import Foundation
import ScriptTestSupport
import Tensors
import Testing

extension ScriptBench {
  /// A bench with the adapters of Tests/Fixtures as `f`.
  static func withAdapters() throws -> ScriptBench {
    let bench = try ScriptBench()
    try FileManager.default.createSymbolicLink(
      atPath: bench.folder + "/f", withDestinationPath: fixture("adapters"))
    return bench
  }

  /// The furthest that a tensor of what a script returns is from that of a file, by the largest element of that; names
  /// and shapes must agree.
  func distance(_ script: String, from file: String) throws -> Float {
    try distance(of: output(script), from: tensors(file))
  }

  /// The furthest that tensors are from others of their names.
  func distance(of found: [TestTensor], from expected: [TestTensor]) throws -> Float {
    #expect(Set(found.map(\.name)) == Set(expected.map(\.name)))
    var furthest: Float = 0
    for tensor in expected {
      guard let other = found.first(where: { $0.name == tensor.name }), other.shape == tensor.shape else {
        Issue.record("\(tensor.name) is missing, or has another shape")
        continue
      }
      let largest = tensor.elements.map(abs).max() ?? 0
      for (a, b) in zip(other.elements, tensor.elements) where a != b {
        furthest = max(furthest, abs(a - b) / largest)
      }
    }
    return furthest
  }
}
