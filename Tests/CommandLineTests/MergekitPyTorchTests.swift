import Foundation
import TestSupport
import Testing

@Suite struct MergekitPyTorchTests {
  let tool: Tool

  init() throws {
    tool = try Tool()
    try tool.write(safetensors([("a", [1, 2]), ("b", [3])]), to: "x.safetensors")
    try tool.write(safetensors([("a", [3, 4]), ("c", [5])]), to: "y.safetensors")
    try FileManager.default.createSymbolicLink(
      atPath: tool.path("mergekit-pytorch"), withDestinationPath: Tool.binary)
    try tool.write(
      """
      merge_method: linear
      models:
        - model: x.safetensors
          parameters: { weight: [0.25, 9] }
        - model: y.safetensors
          parameters: { weight: 0.75 }
      """, to: "config.yml")
  }

  private func run(_ options: String...) throws -> Tool.Outcome {
    try tool.run(["config.yml", "out", "--quiet"] + options, executable: tool.path("mergekit-pytorch"))
  }

  private func tensors() throws -> [String] {
    try tool.run("inspect", "out", "--stats").output.split(separator: "\n").dropFirst().dropLast().map {
      let fields = $0.split(separator: " ", omittingEmptySubsequences: true)
      return "\(fields[0]) \(fields[4])"
    }
  }

  @Test func everyTensorMustBeEverywhere() throws {
    #expect(
      try run().errors.contains(
        "tensor 'b' is missing in model 'y.safetensors': bare = 'union' (--tensor-union) merges what there is, "
          + "'intersection' (--tensor-intersection) leaves it out"))
  }

  /// A gradient gives its first value, as there are no layers.
  @Test func unionAndIntersection() throws {
    let union = try run("-u")
    #expect(union.status == 0)
    #expect(union.errors.contains("1 tensor is missing in model 'y.safetensors'"))
    #expect(try tensors().map { $0.split(separator: " ")[0] } == ["a", "b", "c"])
    #expect(try run("--tensor-intersection") == Tool.Outcome(0))
    #expect(try tensors() == ["a 3"])
  }

  @Test func theSameUnderOurOwnName() throws {
    try tool.write(
      """
      local mk = require "mergekit"
      return mk.merge { method = "linear", bare = "intersection",
        models = { { mk.model "x.safetensors", weight = 0.25 }, { mk.model "y.safetensors", weight = 0.75 } } }
      """, to: "recipe.lua")
    #expect(try tool.run("recipe.lua", "out", "--quiet") == Tool.Outcome(0))
    #expect(try tensors() == ["a 3"])
  }
}
