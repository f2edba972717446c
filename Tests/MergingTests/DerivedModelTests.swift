import Architectures
import Merging
import SystemPackage
import Tensors
import Testing

/// Models that are made of others.
@Suite struct DerivedModelTests {
  let folder = ScratchFolder()
  let graph = ExpressionGraph()

  private func model(_ tensors: [String: [Float]] = ["a": [1, 2], "b": [3]], config: String? = nil) throws
    -> CheckpointModel
  {
    try folder.makeModel("m", tensors, config: config)
    return try CheckpointModel(reference: folder.path("m").string, graph: graph)
  }

  @Test func specificationsAreLearnedByBuildingOnce() throws {
    var built: [String] = []
    let source = try model()
    let derived = try source.mapped(graph: graph) { [graph] name, input in
      built.append(name)
      return try graph.concatenate([input, input], dimension: 0)
    }
    #expect(derived.has("a") && !derived.has("c"))
    #expect(try derived.specification(of: "c") == nil)
    #expect(built.isEmpty)
    #expect(try derived.specification(of: "a") == TensorSpecification(shape: Shape([4]), dtype: .f32))
    _ = try derived.specification(of: "a")
    // What was built for that is what is used next, and after that it is built again.
    let first = try derived.expression(for: "a")
    #expect(built == ["a"])
    let second = try derived.expression(for: "a")
    #expect(first == second && built == ["a"])
    graph.release(first)
    graph.release(second)
    graph.release(try derived.expression(for: "a"))
    #expect(built == ["a", "a"])
    #expect(graph.liveCount == 0)
  }

  @Test func whatWasKeptGoesWithTheModel() throws {
    let source = try model()
    var derived: DerivedModel? = try source.mapped(graph: graph) { [graph] _, input in
      try graph.unary(.negate, input)
    }
    _ = try derived?.specification(of: "a")
    #expect(graph.liveCount > 0)
    derived = nil
    #expect(graph.liveCount == 0)
  }

  @Test func toldSpecificationsNeedNoBuilding() throws {
    let source = try model()
    let definition = DerivedModel.Definition(
      label: "told", names: ["x"], like: source, sources: [source], dtype: .bf16,
      specify: { _ in TensorSpecification(shape: Shape([7]), dtype: .f32) },
      build: { _ in throw MergeError.noTensors(model: "never") })
    let derived = try DerivedModel(definition, graph: graph)
    #expect(try derived.specification(of: "x") == TensorSpecification(shape: Shape([7]), dtype: .bf16))
  }

  @Test func aDTypeRoundsForLaterStages() throws {
    let source = try model(["a": [1.0 / 3]])
    let derived = try source.mapped(graph: graph, dtype: .bf16) { [graph] _, input in
      graph.retain(input)
      return input
    }
    let node = try derived.expression(for: "a")
    defer { graph.release(node) }
    #expect(graph.dtype(of: node) == .bf16)
    let evaluator = Evaluator(graph: graph, options: Evaluator.Options(threads: 1))
    #expect(try evaluator.value(of: node) == 0.333984375)
  }

  @Test func namesMustDiffer() throws {
    let source = try model()
    let definition = DerivedModel.Definition(
      label: "twice", names: ["a", "b", "a"], like: source, sources: [source],
      build: { _ in throw MergeError.noTensors(model: "") })
    #expect(message { try DerivedModel(definition, graph: graph) } == "model 'twice' names tensor 'a' twice")
  }

  @Test func checkpointsAndMethodsAreCollectedOnce() throws {
    let source = try model()
    try folder.makeModel("n", ["a": [1]])
    let other = try CheckpointModel(reference: folder.path("n").string, graph: graph)
    func derive(_ method: String, _ sources: [any LazyModel]) throws -> DerivedModel {
      try DerivedModel(
        DerivedModel.Definition(
          label: method, names: ["a"], like: source, sources: sources,
          methods: [ModelCard.Method(prettyName: method)],
          build: { _ in throw MergeError.noTensors(model: "") }),
        graph: graph)
    }
    let first = try derive("SLERP", [source, other])
    let second = try derive("Linear", [first, other, first])
    let third = try derive("SLERP", [second])
    #expect(third.provenance.methods.map(\.prettyName) == ["SLERP", "Linear"])
    #expect(third.provenance.checkpoints.map(\.label) == [source.label, other.label])
    #expect(third.companions.files.path == source.companions.files.path)
  }

  @Test func theConfigIsThatOfTheModelItIsLike() throws {
    let source = try model(config: #"{"torch_dtype": "float32", "x": 1e-05}"#)
    let derived = try source.mapped(graph: graph, dtype: .f16) { _, input in input }
    #expect(try derived.config?.text(.compact) == #"{"torch_dtype":"float16","x":1e-05}"#)
    let plain = try model()
    #expect(try plain.mapped(graph: graph) { _, input in input }.config != nil)
  }

  @Test func whatAMergeDecidesReachesLaterStages() throws {
    let source = try model(config: #"{"vocab_size": 10, "tie_word_embeddings": true}"#)
    let definition = DerivedModel.Definition(
      label: "merge", names: ["a"], like: source, sources: [source], base: source,
      vocabulary: OutputConfig.Vocabulary(size: 30, isTied: false), chatTemplate: "{{ x }}",
      build: { _ in throw MergeError.noTensors(model: "") })
    let derived = try DerivedModel(definition, graph: graph)
    #expect(derived.provenance.base === source)
    #expect(!derived.architecture.tiesEmbeddings)
    let later = try DerivedModel(
      DerivedModel.Definition(
        label: "later", names: ["a"], like: derived, sources: [derived],
        build: { _ in throw MergeError.noTensors(model: "") }), graph: graph)
    #expect(try later.config?.text(.compact) == #"{"vocab_size":30,"tie_word_embeddings":false}"#)
    #expect(later.companions.newChatTemplate == "{{ x }}" && later.companions.chatTemplate == "{{ x }}")
    #expect(later.companions.label == source.label)
    #expect(later.provenance.base == nil)
  }

  @Test func unknownTensorsNameTheNearest() throws {
    let derived = try model(["weight": [1]]).mapped(label: "merge", graph: graph) { _, input in input }
    #expect(
      message { try derived.expression(for: "wieght") }
        == "model 'merge' has no tensor 'wieght' (did you mean 'weight'?)")
  }
}
