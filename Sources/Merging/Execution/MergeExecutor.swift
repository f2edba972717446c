import Checkpoints
import Tensors

/// Computes the tensors of one output, or of several in one pass: builds their expressions a bounded way
/// ahead of the workers, and writes their elements.
///
/// Where an output is made of another, a tensor of that is computed and written along with the first tensor
/// that is made of it.
package struct MergeExecutor {
  /// A model, how it is written, and where each of its tensors goes, by its place in the plan.
  package struct Output {
    package var model: any LazyModel
    package var plan: MergePlan
    package var sinks: (Int) -> any ByteSink

    package init(model: any LazyModel, plan: MergePlan, sinks: @escaping (Int) -> any ByteSink) {
      self.model = model
      self.plan = plan
      self.sinks = sinks
    }
  }

  private let outputs: [Output]
  private let graph: ExpressionGraph
  private let evaluator: Evaluator

  /// Expressions that are built ahead.
  private static let ahead = 32

  /// Outputs whose inputs are worth asking for ahead; those of smaller ones come with what the system reads
  /// ahead by itself, and asking costs more than reading them.
  private static let worthAdvising = 1 << 17

  package init(outputs: [Output], graph: ExpressionGraph, evaluator: Evaluator) {
    // Those that are made of others come first.
    self.outputs = outputs.enumerated()
      .sorted { (-$0.element.model.depth, $0.offset) < (-$1.element.model.depth, $1.offset) }.map(\.element)
    self.graph = graph
    self.evaluator = evaluator
  }

  /// Computes every tensor and writes it to its sink.
  ///
  /// `progress` is told now and then how many tensors there are by now, and their bytes. Throws the first
  /// error, with the tensor's name; nothing is under way then.
  package func run(progress: @escaping (_ tensors: Int, _ bytes: Int) -> Void) throws {
    let state = State(outputs.map(\.plan.tensors.count))
    let uses = Uses(outputs)
    defer { uses.end() }
    do {
      for (place, output) in outputs.enumerated() {
        for index in output.plan.tensors.indices where !state.isBegun[place][index] {
          while evaluator.jobCount >= Self.ahead, state.failure == nil {
            try evaluator.advance(waiting: true)
          }
          if state.failure != nil { break }
          try begin(Uses.Tensor(output: place, index: index), uses, state, progress)
          try evaluator.advance(waiting: false)
        }
      }
      while evaluator.jobCount > 0, state.failure == nil { try evaluator.advance(waiting: true) }
    } catch {
      evaluator.cancel()
      throw error
    }
    if let failure = state.failure {
      evaluator.cancel()
      throw failure
    }
  }

  /// Begins a tensor, and those of other outputs that it is made of.
  private func begin(
    _ tensor: Uses.Tensor, _ uses: Uses, _ state: State,
    _ progress: @escaping (_ tensors: Int, _ bytes: Int) -> Void
  ) throws {
    let name = outputs[tensor.output].plan.tensors[tensor.index].name
    var nodes: [NodeID] = []
    defer { nodes.forEach(graph.release) }
    do {
      uses.asked = []
      nodes.append(try expression(tensor))
      var group = [tensor]
      for other in uses.asked where !state.isBegun[other.output][other.index] && !group.contains(other) {
        // Kept in the graph by what is made of it.
        nodes.append(try expression(other))
        group.append(other)
      }
      var requests: [(node: NodeID, target: Evaluator.Target)] = []
      var bytes = 0
      for (node, tensor) in zip(nodes, group) {
        let (output, planned) = (outputs[tensor.output], outputs[tensor.output].plan.tensors[tensor.index])
        guard graph.shape(of: node) == planned.shape else {
          throw MergeError.shapeChanged(planned: planned.shape, found: graph.shape(of: node))
        }
        requests.append(
          (node, Evaluator.Target(sink: output.sinks(tensor.index), dtype: planned.dtype)))
        bytes += output.plan.layout.placements[tensor.index].byteCount
        state.isBegun[tensor.output][tensor.index] = true
      }
      if bytes >= Self.worthAdvising {
        for leaf in graph.storedLeaves(below: nodes[0]) { leaf.source.advise(0..<leaf.source.byteCount) }
      }
      let count = group.count
      let completion: (Result<Void, any Error>) -> Void = { result in
        switch result {
        case .success:
          state.tensors += count
          state.bytes += bytes
          progress(state.tensors, state.bytes)
        case .failure(let error):
          state.failure = state.failure ?? MergeError.locate(error, inTensor: name)
        }
      }
      if count == 1 {
        let target = requests[0].target
        try evaluator.store(nodes[0], as: target.dtype, to: target.sink, completion: completion)
      } else {
        try evaluator.store(requests, completion: completion)
      }
    } catch let error as TensorError where error == .cancelled {
      throw error
    } catch { throw MergeError.locate(error, inTensor: name) }
  }

  private func expression(_ tensor: Uses.Tensor) throws -> NodeID {
    let output = outputs[tensor.output]
    return try output.model.expression(for: output.plan.tensors[tensor.index].name)
  }

  private final class State {
    var isBegun: [[Bool]]
    var tensors = 0
    var bytes = 0
    var failure: (any Error)?

    init(_ counts: [Int]) { isBegun = counts.map { [Bool](repeating: false, count: $0) } }
  }

  /// Which tensors of the outputs an expression is made of.
  private final class Uses {
    struct Tensor: Hashable {
      var output: Int
      var index: Int
    }

    var asked: [Tensor] = []
    private let models: [any LazyModel]

    init(_ outputs: [Output]) {
      models = outputs.count > 1 ? outputs.map(\.model) : []
      for (place, model) in models.enumerated() {
        let output = outputs[place]
        let indices = Dictionary(
          uniqueKeysWithValues: output.plan.tensors.enumerated().map { ($1.name, $0) })
        let outer = model.whenAsked
        model.whenAsked = { [unowned self] name in
          outer?(name)
          if let index = indices[name] { asked.append(Tensor(output: place, index: index)) }
        }
      }
    }

    func end() { for model in models { model.whenAsked = nil } }
  }
}
