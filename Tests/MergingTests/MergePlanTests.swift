import Merging
import SystemPackage
import Tensors
import Testing

/// What is known of an output before its first byte.
@Suite struct MergePlanTests {
  let folder = ScratchFolder()
  let graph = ExpressionGraph()

  @Test func shardsAndDTypes() throws {
    try folder.makeModel("m", ["a": [1, 2, 3, 4], "b": [1, 2], "c": [1]])
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    let plan = try MergePlan(model: model, dtype: .bf16, maximumShardBytes: 12)
    #expect(plan.tensors.map(\.name) == ["a", "b", "c"])
    #expect(plan.tensors.map(\.shape.dimensions) == [[4], [2], [1]])
    #expect(plan.commonDType == .bf16)
    #expect(plan.layout.totalBytes == 14)
    #expect(plan.layout.shards.count == 2)
    #expect(plan.layout.placements.map(\.shard) == [0, 0, 1])
    #expect(try MergePlan(model: model, dtype: nil, maximumShardBytes: 1 << 30).commonDType == .f32)
    #expect(graph.liveCount == 0)
  }

  @Test func dtypesThatDifferHaveNoCommonOne() throws {
    try folder.makeModel("m", ["a": [1], "b": [1]])
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    let mixed = try model.mapped(graph: graph) { [graph] name, input in
      try graph.convert(input, to: name == "a" ? .f16 : .bf16)
    }
    let plan = try MergePlan(model: mixed, dtype: nil, maximumShardBytes: 1 << 30)
    #expect(plan.tensors.map(\.dtype) == [.f16, .bf16])
    #expect(plan.commonDType == nil)
  }

  @Test func modelsWithoutTensorsAreRefused() throws {
    try folder.makeModel("m", [:])
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    #expect(
      message { try MergePlan(model: model, dtype: nil, maximumShardBytes: 1) }
        == "model '\(folder.path("m"))' has no tensors to write")
  }

  @Test func errorsNameTheTensor() throws {
    try folder.makeModel("m", ["a": [1], "b": [1, 2]])
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    let failing = try model.mapped(graph: graph) { [graph] name, input in
      try graph.reshape(input, [1])
    }
    let expected = "tensor 'b': reshape: 2 elements of shape [2] do not fill shape [1]"
    #expect(message { try MergePlan(model: failing, dtype: nil, maximumShardBytes: 1 << 30) } == expected)
    #expect(message { try MergePlan.filesRead(by: [failing], graph: graph) } == expected)
  }

  @Test func filesThatAreRead() throws {
    try folder.makeModel("m", ["a": [1, 2], "b": [1]])
    try folder.makeModel("n", ["a": [3, 4], "b": [5]])
    let first = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    let second = try CheckpointModel(reference: folder.path("n").string, graph: graph)
    let sum = try first.mapped(graph: graph) { [graph] name, input in
      if name == "b" {
        graph.retain(input)
        return input
      }
      let other = try second.expression(for: name)
      defer { graph.release(other) }
      return try graph.binary(.add, input, other)
    }
    let reads = try MergePlan.filesRead(by: [sum], graph: graph)
    #expect(reads.map(\.path) == ["m", "n"].map { folder.path("\($0)/model.safetensors").string })
    #expect(reads.map(\.bytes) == [12, 8])
    #expect(reads.map(\.tensors) == [2, 1])
    #expect(graph.liveCount == 0)
  }
}
