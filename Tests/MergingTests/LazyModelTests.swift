import Foundation
import Merging
import SystemPackage
import Tensors
import Testing

/// Checkpoints as lazy models.
@Suite struct LazyModelTests {
  let folder = ScratchFolder()
  let graph = ExpressionGraph()

  @Test func aModelsOwnNamesComeFirst() throws {
    try folder.makeModel("m", ["norm.weight": [1], "model.norm.weight": [2], "model.a.weight": [3]])
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    #expect(model.resolve("norm.weight") == "norm.weight")
    #expect(model.resolve("model.norm.weight") == "model.norm.weight")
    #expect(model.resolve("a.weight") == "model.a.weight")
    #expect(model.resolve("transformer.norm.weight") == nil)
  }

  @Test func aCheckpointTellsWhatItHas() throws {
    try folder.makeModel("m", ["a": [1, 2, 3], "b": [4]], config: #"{"torch_dtype": "float32"}"#)
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    #expect(model.label == folder.path("m").string)
    #expect(model.names == ["a", "b"])
    #expect(model.has("a") && !model.has("c"))
    #expect(model.specification(of: "a") == TensorSpecification(shape: Shape([3]), dtype: .f32))
    #expect(model.specification(of: "c") == nil)
    #expect(model.config?["torch_dtype"]?.stringValue == "float32")
    #expect(model.companions.files.path == folder.path("m"))
    #expect(
      model.provenance.checkpoints.count == 1 && model.provenance.methods.isEmpty && model.warnings.isEmpty)
  }

  @Test func aTensorAskedForTwiceIsOneLeafWhileItLives() throws {
    try folder.makeModel("m", ["a": [1, 2, 3]])
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    let first = try model.expression(for: "a")
    let second = try model.expression(for: "a")
    #expect(first == second)
    #expect(graph.liveCount == 1)
    graph.release(first)
    #expect(graph.liveCount == 1)
    graph.release(second)
    #expect(graph.liveCount == 0)
    // Its place in the arena may be another's by now.
    let other = try graph.constant(1)
    let third = try model.expression(for: "a")
    #expect(third != other)
    #expect(graph.storedLeaf(third) != nil)
    graph.release(third)
    graph.release(other)
  }

  /// What is known of nodes is thrown away now and then, but not of those that live.
  @Test func nodesThatLiveAreKnownAmongManyThatAreGone() throws {
    let names = (0..<2000).map { "t\($0)" }
    try folder.makeModel("m", Dictionary(uniqueKeysWithValues: names.map { ($0, [1]) }))
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    let first = try model.expression(for: "t0")
    let held = try names[600..<900].map(model.expression)
    for name in names.dropFirst(1) where !(600..<900).contains(Int(name.dropFirst())!) {
      graph.release(try model.expression(for: name))
    }
    #expect(graph.liveCount == 301)
    #expect(try model.expression(for: "t0") == first)
    #expect(try names[600..<900].map(model.expression) == held)
  }

  @Test func unknownTensorsNameTheNearest() throws {
    try folder.makeModel("m", ["weight": [1]])
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    let expected = "model '\(folder.path("m"))' has no tensor 'wieght' (did you mean 'weight'?)"
    #expect(message { try model.expression(for: "wieght") } == expected)
    #expect(message { try model.requireSpecification(of: "wieght") } == expected)
    #expect(graph.liveCount == 0)
  }

  /// A path that exists is that, whatever it looks like.
  @Test func pathsMayLookLikeOtherReferences() throws {
    for name in ["we@ird+x", "base+lora", "base@main"] {
      try folder.makeModel(name, ["a": [1]])
      #expect(try CheckpointModel(reference: folder.path(name).string, graph: graph).names == ["a"])
    }
  }

  @Test func referencesThatAreNoPaths() throws {
    try folder.makeModel("base", ["a": [1]])
    func failure(_ reference: String) -> String {
      message { try CheckpointModel(reference: reference, graph: graph) }
    }
    let base = folder.path("base")
    #expect(
      try CheckpointModel(reference: "\(base)@main", graph: graph).warnings == [
        "\(base)@main: \(base) is on disk, where '@main' has no meaning, and is taken as it is"
      ])
    for reference in ["no-such-org/Name-7B.v2", "no-such-org/Name-7B.v2@main"] {
      #expect(
        failure(reference)
          == "\(reference): no such directory, and models are not downloaded from a hub, whose names look like "
          + "no-such-org/Name-7B.v2: download it, and give its directory")
    }
    for reference in ["~", "~/models/base"] {
      #expect(
        failure(reference)
          == "\(reference): '~' stands for the home directory in a shell alone; give the path in full")
    }
    for path in ["no-such", "/no/such", "./no-such/name", "a/b/c", "a+", "+a", "a+b", "a/b c"] {
      #expect(failure(path).hasPrefix("\(path): no such file or directory; expected a directory with "))
    }
  }

  @Test func quantizedCheckpointsAreRefused() throws {
    try folder.makeModel("q", ["a": [1]], config: #"{"quantization_config": {"quant_method": "awq"}}"#)
    try folder.makeModel("u", ["a": [1]], config: #"{"quantization_config": {}}"#)
    #expect(
      message { try CheckpointModel(reference: folder.path("q").string, graph: graph) }
        == "model '\(folder.path("q"))' is quantized (quantization_config: awq); merge the original weights instead"
    )
    #expect(
      message { try CheckpointModel(reference: folder.path("u").string, graph: graph) }
        .contains("(quantization_config: unknown)"))
  }
}

// MARK: - Support

/// The message of the error that `body` throws; empty if it throws none.
func message(_ body: () throws -> some Any) -> String {
  do {
    _ = try body()
    return ""
  } catch { return "\(error)" }
}

extension LazyModel {
  /// A model that a function of each tensor makes.
  func mapped(
    label: String = "mapped", graph: ExpressionGraph, dtype: DType? = nil,
    _ body: @escaping (String, NodeID) throws -> NodeID
  ) throws -> DerivedModel {
    try DerivedModel(
      DerivedModel.Definition(
        label: label, names: names, like: self, sources: [self], dtype: dtype
      ) { name in
        let input = try self.expression(for: name)
        defer { graph.release(input) }
        return try body(name, input)
      }, graph: graph)
  }
}
