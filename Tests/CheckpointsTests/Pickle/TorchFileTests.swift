import Checkpoints
import Foundation
import SystemPackage
import Tensors
import TestSupport
import Testing

/// A path below Tests/Fixtures/pickles, which scripts/make-pickle-fixtures.py makes with PyTorch.
private func pickle(_ name: String) -> FilePath {
  fixture("../pickles").lexicallyNormalized().pushing(FilePath(name))
}

@Suite struct TorchFileTests {
  @Test(arguments: ["dict.bin", "ordered.pt", "protocol3.pth", "protocol4.pth", "protocol5.pth"])
  func tensorsAreThoseThatPyTorchSaved(name: String) throws {
    let expected = try SafetensorsFile(path: pickle("expected.safetensors")).tensors
    let found = try TorchFile(path: pickle(name)).tensors
    #expect(Set(found.map(\.name)) == Set(expected.map(\.name)))
    for tensor in expected {
      let other = try #require(found.first { $0.name == tensor.name })
      #expect(other.shape == tensor.shape && other.dtype == tensor.dtype, "\(tensor.name)")
      #expect(try other.bytes() == tensor.bytes(), "\(tensor.name)")
    }
  }

  /// Workers read any range of a view.
  @Test func partsOfViews() throws {
    let tensors = try TorchFile(path: pickle("dict.bin")).tensors
    for name in ["transposed", "sliced", "expanded", "on_a_view", "bytes_on_a_view", "whole"] {
      let tensor = try #require(tensors.first { $0.name == name })
      let all = try tensor.bytes()
      for start in [0, 1, 4, 7, all.count - 3] {
        for end in [start, start + 1, start + 3, min(start + 9, all.count), all.count]
        where start...all.count ~= end {
          var part = [UInt8](repeating: 0, count: end - start)
          try part.withUnsafeMutableBytes { try tensor.source.read(into: $0, at: start) }
          #expect(part == Array(all[start..<end]), "\(name) \(start) \(end)")
        }
      }
    }
  }

  @Test(arguments: ["state_dict.ckpt", "nested.ckpt"])
  func wrappers(name: String) throws {
    let tensors = try TorchFile(path: pickle(name)).tensors
    #expect(tensors.map(\.name) == ["a", "b"])
    #expect(tensors.map(\.dtype) == [.f32, .i64])
    #expect(try tensors[0].bytes() == [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])
  }

  @Test func checkpoints() throws {
    let sharded = try Checkpoint(path: pickle("sharded"))
    #expect(sharded.names == ["a", "b"] && sharded.files.count == 2 && sharded.totalBytes == 24)
    #expect(try Checkpoint(path: pickle("sharded/pytorch_model.bin.index.json")).names == ["a", "b"])
    #expect(try Checkpoint(path: pickle("dict.bin")).tensor(named: "number")?.shape == [])

    let directory = try TemporaryDirectory()
    try directory.write(
      [UInt8](Data(contentsOf: URL(filePath: pickle("dict.bin").string))), to: "pytorch_model.bin")
    try directory.write("x", to: "training_args.bin")
    try directory.write("x", to: "optimizer.pt")
    #expect(try Checkpoint(path: directory.file("")).tensor(named: "tied") != nil)
    // Safetensors come first.
    try directory.write(safetensors(tensors: "s"), to: "model.safetensors")
    #expect(try Checkpoint(path: directory.file("")).names == ["s"])
  }

  /// What a file is, is told by its contents where its name says something else.
  @Test func contentsCountMoreThanNames() throws {
    let directory = try TemporaryDirectory()
    let torch = [UInt8](try Data(contentsOf: URL(filePath: pickle("state_dict.ckpt").string)))
    try directory.write(safetensors(tensors: "s"), to: "a.bin")
    try directory.write(safetensors(tensors: "s"), to: "plain")
    try directory.write(torch, to: "b.safetensors")
    #expect(try Checkpoint(path: directory.file("a.bin")).names == ["s"])
    #expect(try Checkpoint(path: directory.file("plain")).names == ["s"])
    #expect(try Checkpoint(path: directory.file("b.safetensors")).names == ["a", "b"])
  }

  @Test(arguments: [
    ("no-tensors.pt", "it has no tensors under their names; its keys are 'args', 'best'"),
    ("list.pt", "expected a dict of tensors, found a list"),
    ("tensor.pt", "expected a dict of tensors, found a tensor by itself"),
    (
      "legacy.bin",
      "this was written by PyTorch before 1.6, or without its zip format, and is not read; write it again with "
        + "`torch.save(torch.load(path, map_location=\"cpu\"), path)`, or as safetensors"
    ),
    (
      "module.pt",
      "it holds a whole object, 'torch.nn.modules.linear.Linear', and not only tensors; save the state dict with "
        + "PyTorch, `torch.save(model.state_dict(), path)`, or as safetensors"
    ),
    ("sparse.pt", "it holds sparse tensors ('torch._utils._rebuild_sparse_tensor'), which are not read"),
    ("quantised.pt", "it holds quantised tensors ('torch._utils._rebuild_qtensor'), which are not read"),
    (
      "complex128.pt",
      "it holds complex numbers of 128 bits ('torch.ComplexDoubleStorage'), which are not read"
    ),
    (
      "script.pt",
      "this is a TorchScript program, not a state dict; save the state dict with PyTorch, "
        + "`torch.save(model.state_dict(), path)`, or as safetensors"
    ),
  ])
  func whatIsNotReadIsNamed(name: String, problem: String) {
    #expect(message { try TorchFile(path: pickle(name)) } == "\(pickle(name)): \(problem)")
  }

  @Test(arguments: [
    (
      "version https://git-lfs.github.com/spec/v1\noid sha256:0",
      "this is Git LFS's pointer to the file, not the file itself; `git lfs pull` fetches it"
    ),
    ("\n<!DOCTYPE html><html>", "this is a web page, not weights; the download went wrong"),
    ("<html>", "this is a web page, not weights; the download went wrong"),
    ("GGUF", "this is no archive as `torch.save` writes them"),
    ("", "this is no archive as `torch.save` writes them"),
  ])
  func otherFiles(text: String, problem: String) throws {
    let directory = try TemporaryDirectory()
    let path = FilePath(try directory.write(text, to: "pytorch_model.bin"))
    #expect(message { try TorchFile(path: path) } == "\(path): \(problem)")
  }
}
