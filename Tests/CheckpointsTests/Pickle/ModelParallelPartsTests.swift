import Checkpoints
import Foundation
import SystemPackage
import TestSupport
import Testing

private let pickles = fixture("../pickles").lexicallyNormalized()

/// Models that were split for several processors, as Meta publishes them.
@Suite struct ModelParallelPartsTests {
  @Test(arguments: ["llama2", "llama3"]) func partsAreJoined(name: String) throws {
    let checkpoint = try Checkpoint(path: pickles.appending(name))
    let whole = try SafetensorsFile(path: pickles.appending(name).appending("whole.expected")).tensors
    #expect(checkpoint.names.sorted() == whole.map(\.name).sorted() && checkpoint.files.count == 2)
    for expected in whole {
      let tensor = try #require(checkpoint.tensor(named: expected.name))
      #expect(tensor.shape == expected.shape && tensor.dtype == expected.dtype, "\(expected.name)")
      #expect(tensor.storedByteCount == expected.storedByteCount)
      let bytes = try expected.bytes()
      #expect(try tensor.bytes() == bytes, "\(expected.name)")
      // In any part: runs of the parts end anywhere.
      for start in stride(from: 0, to: bytes.count, by: 7) {
        var some = [UInt8](repeating: 0, count: min(13, bytes.count - start))
        try some.withUnsafeMutableBytes { try tensor.source.read(into: $0, at: start) }
        #expect(some == Array(bytes[start..<start + some.count]))
      }
      tensor.source.advise(0..<bytes.count)
    }
  }

  private func copy(_ name: String, without left: [String] = []) throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    for file in ["consolidated.00.pth", "consolidated.01.pth", "params.json"] where !left.contains(file) {
      try directory.write(
        [UInt8](Data(contentsOf: URL(filePath: pickles.appending(name).appending(file).string))), to: file)
    }
    return directory
  }

  private func rejection(_ directory: TemporaryDirectory) -> String {
    message { try Checkpoint(path: directory.file("")) }.replacingOccurrences(of: directory.path, with: "DIR")
  }

  /// What is missing in params.json is known from the tensors.
  @Test func withoutParams() throws {
    let directory = try copy("llama2", without: ["params.json"])
    let checkpoint = try Checkpoint(path: directory.file(""))
    #expect(checkpoint.tensor(named: "tok_embeddings.weight")?.shape == [6, 8])
  }

  @Test func partsThatLack() throws {
    let directory = try copy("llama2", without: ["consolidated.01.pth"])
    // One part by itself is a file like any other.
    #expect(try Checkpoint(path: directory.file("")).tensor(named: "output.weight")?.shape == [3, 8])
    try directory.write(
      [UInt8](Data(contentsOf: URL(filePath: pickles.appending("llama2/consolidated.01.pth").string))),
      to: "consolidated.02.pth")
    #expect(rejection(directory).hasPrefix("DIR: consolidated.01.pth does not exist"))
  }

  @Test func partsThatCannotBeJoined() throws {
    let begins =
      "DIR: consolidated.00.pth and the others are parts of a model that was split for several processors, and "
    let other = try copy("llama2", without: ["consolidated.01.pth"])
    typealias Op = Opcodes
    let pickle = Op.dict("x.weight", Op.tensor(Op.storage(count: 1), shape: [1, 1], strides: [1, 1]))
    for name in ["consolidated.00.pth", "consolidated.01.pth"] {
      try other.write(TestArchive(pickle: pickle, storages: [("0", [0, 0, 0, 0])]).bytes, to: name)
    }
    #expect(
      rejection(other)
        == begins + "tensor 'x.weight' cannot be put together: how it is split is not known; transformers' "
        + "convert_llama_weights_to_hf.py writes a whole model")
    let heads = try copy("llama2")
    try heads.write(#"{"dim": 8, "n_heads": 4, "n_kv_heads": 1}"#, to: "params.json")
    #expect(
      rejection(heads).hasPrefix(
        begins
          + "tensor 'layers.0.attention.wk.weight' cannot be put together: 4 rows in all, and params.json asks for 2"
      ))
  }
}
