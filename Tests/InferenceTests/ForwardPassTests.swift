import Foundation
import Inference
import Merging
import Tensors
import Testing

/// Hidden states and logits of small models beside those of transformers.
@Suite struct ForwardPassTests {
  @Test(arguments: InferenceCase.all)
  func statesAndLogitsAreThoseOfTransformers(_ item: InferenceCase) throws {
    let bench = try InferenceBench()
    let pass = try bench.pass(item)
    for (pooling, expected) in [(ForwardPass.Pooling.last, item.last), (.mean, item.mean)] {
      let states = try pass.hiddenStates(of: InferenceCase.prompts, pooling: pooling)
      #expect(states.count == expected.count)
      for (layer, rows) in states.enumerated() {
        #expect(relativeError(rows, expected[layer]) < 2e-6, "layer \(layer), \(pooling)")
      }
    }
    #expect(relativeError(try pass.nextTokenLogits(of: InferenceCase.prompts), item.logits) < 2e-6)
  }

  /// Settings matter: the cases differ from one another. A Mistral without a window is a Llama.
  @Test func casesOfTheSameWeightsDiffer() {
    for (index, item) in InferenceCase.all.enumerated() {
      for other in InferenceCase.all[(index + 1)...] where item.weights == other.weights {
        let isSame = item.name == "llama-head-size" && other.name == "mistral-full"
        #expect((relativeError(item.logits, other.logits) < 1e-4) == isSame, "\(item) and \(other)")
      }
    }
  }

  /// 700 positions: products and attention in several blocks.
  @Test(arguments: ["qwen2-window", "qwen3", "rope-dynamic"])
  func resultsAreTheSameBitsForAnyNumberOfWorkers(_ name: String) throws {
    let prompts = InferenceCase.prompts + [(0..<700).map { $0 * 7 % 40 }, (0..<300).map { $0 * $0 % 40 }]
    var results: [[[Float]]] = []
    for threads in [1, 2, 5] {
      let bench = try InferenceBench()
      let pass = try bench.pass(.named(name), threads: threads)
      results.append(
        try pass.hiddenStates(of: prompts, pooling: .mean) + [pass.nextTokenLogits(of: prompts)])
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  /// What a position sees does not depend on what else is run, nor on what follows it.
  @Test func promptsDoNotSeeOneAnother() throws {
    let bench = try InferenceBench()
    let pass = try bench.pass(.named("mistral"))
    let long = (0..<600).map { ($0 * $0 + 3) % 40 }
    let lengths = [1, 2, 255, 256, 257, 511, 512, 513, 600]
    let together = try pass.hiddenStates(of: lengths.map { Array(long[..<$0]) }, pooling: .last)
    for (row, length) in lengths.enumerated() {
      let alone = try pass.hiddenStates(of: [Array(long[..<length])], pooling: .last)
      for layer in together.indices {
        let part = Array(together[layer][row * pass.hiddenSize..<(row + 1) * pass.hiddenSize])
        #expect(relativeError(part, alone[layer]) < 1e-5)
      }
    }
  }

  /// Prompts that have no room together are run one after the other.
  @Test func batchesDoNotChangeResults() throws {
    let bench = try InferenceBench()
    let item = InferenceCase.named("llama-biases")
    let model = try bench.model(item)
    let evaluator = bench.evaluator()
    let small = try ForwardPass(
      model: model, graph: bench.graph, evaluator: evaluator, activationBytes: 5000)
    let states = try small.hiddenStates(of: InferenceCase.prompts, pooling: .mean)
    for (layer, rows) in states.enumerated() { #expect(relativeError(rows, item.mean[layer]) < 2e-6) }
    #expect(relativeError(try small.nextTokenLogits(of: InferenceCase.prompts), item.logits) < 2e-6)
  }

  /// A model that is made of others is run like a checkpoint.
  @Test func derivedModelsAreRunToo() throws {
    let bench = try InferenceBench()
    let item = InferenceCase.named("qwen3")
    let model = try bench.model(item)
    let graph = bench.graph
    let doubled = try DerivedModel(
      DerivedModel.Definition(label: "doubled", names: model.names, like: model, sources: [model]) { name in
        let node = try model.expression(for: name)
        defer { graph.release(node) }
        guard name == "model.embed_tokens.weight" else {
          graph.retain(node)
          return node
        }
        return try graph.binary(.add, node, node)
      }, graph: graph)
    let pass = try ForwardPass(model: doubled, graph: graph, evaluator: bench.evaluator())
    let states = try pass.hiddenStates(of: InferenceCase.prompts, pooling: .last)
    #expect(relativeError(states[0], item.last[0].map { $0 * 2 }) < 1e-6)
    #expect(relativeError(states[2], item.last[2]) > 1e-2)
  }

  @Test func expressionsAreLetGo() throws {
    let bench = try InferenceBench()
    do {
      let pass = try bench.pass(.named("llama"))
      _ = try pass.nextTokenLogits(of: [[1, 2]])
    }
    #expect(bench.graph.liveCount == 0)
  }

  @Test func anInterruptEndsARun() throws {
    let bench = try InferenceBench()
    let model = try bench.model(.named("llama"))
    let evaluator = Evaluator(
      graph: bench.graph, options: Evaluator.Options(threads: 1, isInterrupted: { true }))
    let pass = try ForwardPass(model: model, graph: bench.graph, evaluator: evaluator)
    #expect(throws: TensorError.cancelled) { try pass.hiddenStates(of: [[1]], pooling: .last) }
    evaluator.cancel()
  }

  @Test func badPromptsAreRefused() throws {
    let bench = try InferenceBench()
    let pass = try bench.pass(.named("llama"))
    func message(_ prompts: [[Int]]) -> String {
      bench.message { try pass.hiddenStates(of: prompts, pooling: .last) }
    }
    #expect(message([]) == "expected at least one prompt")
    #expect(message([[1], []]) == "prompt 2 has no tokens")
    let range = "expected 0 to 39, the vocabulary of model 'DIR'"
    #expect(message([[1], [2, 40]]) == "prompt 2: token 2 is 40, \(range)")
    #expect(message([[-1]]) == "prompt 1: token 1 is -1, \(range)")
  }
}
