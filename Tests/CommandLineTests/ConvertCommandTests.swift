import Foundation
import TestSupport
import Testing

@Suite struct ConvertCommandTests {
  let tool: Tool

  init() throws {
    tool = try Tool()
    for name in ["pickles", "adapters"] {
      try FileManager.default.createSymbolicLink(
        atPath: tool.path(name),
        withDestinationPath: Tool.repository.appendingPathComponent("Tests/Fixtures/\(name)").path)
    }
  }

  private func inspected(_ model: String) throws -> String {
    let outcome = try tool.run("inspect", model)
    #expect(outcome.status == 0)
    // The last line names the files.
    return outcome.output.split(separator: "\n").dropLast().sorted().joined(separator: "\n")
  }

  @Test func picklesBecomeSafetensors() throws {
    let outcome = try tool.run("convert", "pickles/dict.bin", "out", "--quiet")
    #expect(outcome == Tool.Outcome(0))
    #expect(tool.tree().contains("out/model.safetensors"))
    #expect(try inspected("out") == inspected("pickles/expected.safetensors"))
  }

  @Test func shardsAndDTypes() throws {
    #expect(
      try tool.run(
        "convert", "pickles/sharded", "out", "--quiet", "--dtype", "bfloat16", "--out-shard-size", "10")
        == Tool.Outcome(0))
    #expect(tool.tree().contains("out/model-00002-of-00002.safetensors"))
    let list = try inspected("out")
    #expect(list.contains("BF16") && list.contains("I64"))
  }

  @Test func adapters() throws {
    #expect(
      try tool.run("convert", "adapters/bases/llama+adapters/plain", "out", "--quiet") == Tool.Outcome(0))
    #expect(tool.tree().contains("out/config.json") && !tool.tree().contains("out/README.md"))
    let names = try inspected("out").split(separator: "\n").map { $0.split(separator: " ").first }
    #expect(
      try names
        == inspected("adapters/plain/merged.safetensors").split(separator: "\n")
        .map { $0.split(separator: " ").first })
  }

  /// A file's folder holds whatever else.
  @Test func outputsBesideAFile() throws {
    try FileManager.default.createDirectory(atPath: tool.path("x"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: tool.path("pickles/dict.bin"), toPath: tool.path("x/m.bin"))
    for _ in 0..<2 {
      #expect(try tool.run("convert", "x/m.bin", "x/out", "--quiet", "--force") == Tool.Outcome(0))
    }
    #expect(try tool.run("convert", "x/m.bin", "x", "--quiet", "--force").status == 1)
    #expect(tool.tree().contains("x/m.bin"))
  }

  @Test func faults() throws {
    #expect(
      try tool.run("convert", "pickles/module.pt", "out").errors.hasPrefix(
        "error: pickles/module.pt: it holds a whole object, 'torch.nn.modules.linear.Linear', and not only tensors;"
      ))
    #expect(
      try tool.run("convert", "nowhere", "out").errors.hasPrefix("error: nowhere: no such file or directory"))
    #expect(try tool.run("convert", "pickles/dict.bin", "pickles").status == 1)
    #expect(try tool.run("convert", "pickles/dict.bin", "out", "--format", "gguf").status == 2)
    #expect(!tool.tree().contains("out"))
  }
}
