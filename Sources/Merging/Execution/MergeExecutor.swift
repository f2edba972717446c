import Checkpoints
import Tensors

/// Computes the tensors of one output, or of several in one pass: builds their expressions a bounded way
/// ahead of the workers, and writes their elements.
///
/// Where an output is made of another, a tensor of that is computed and written along with the first tensor
/// that is made of it. Outputs that stand side by side compute their tensors of one name together: what these have in
/// common, such as the models that are read or a decomposition, is computed once.
package struct MergeExecutor {
  /// Where a tensor goes, by its output's position among the plans and its own in that plan.
  package typealias Sinks = (_ output: Int, _ tensor: Int) -> any ByteSink

  /// A plan, and its position among those given.
  private struct Planned {
    let position: Int
    let plan: MergePlan
    var model: any LazyModel { plan.model }
  }

  private let outputs: [Planned]
  private let sinks: Sinks
  private let graph: ExpressionGraph
  private let evaluator: Evaluator

  /// Expressions that are built ahead.
  private static let ahead = 32

  /// Outputs whose inputs are worth asking for ahead; those of smaller ones come with what the system reads
  /// ahead by itself, and asking costs more than reading them.
  private static let worthAdvising = 1 << 17

  package init(
    plans: [MergePlan], graph: ExpressionGraph, evaluator: Evaluator, sinks: @escaping Sinks
  ) {
    // Those that are made of others come first.
    outputs = plans.enumerated().map { Planned(position: $0, plan: $1) }
      .sorted { (-$0.model.depth, $0.position) < (-$1.model.depth, $1.position) }
    self.sinks = sinks
    self.graph = graph
    self.evaluator = evaluator
  }

  /// Computes every tensor and writes it to its sink.
  ///
  /// `report` is told of every tensor that is begun and done. Throws the first error, with the tensor's
  /// name; nothing is under way then.
  ///
  /// `found` is told of what was found in a tensor, before it is reported as done.
  package func run(
    report: @escaping MergeEventHandler,
    found: @escaping (_ tensor: MergeEvent.Tensor, _ dtype: DType, StoreFindings) -> Void = { _, _, _ in }
  ) throws {
    let state = State(outputs.map(\.plan.tensors.count))
    let uses = Uses(outputs.map(\.plan))
    defer { uses.end() }
    do {
      for (place, output) in outputs.enumerated() {
        for index in output.plan.tensors.indices where !state.isBegun[place][index] {
          while evaluator.jobCount >= Self.ahead, state.failure == nil {
            try evaluator.advance(waiting: true)
          }
          if state.failure != nil { break }
          try begin(Uses.Tensor(output: place, index: index), uses, state, report, found)
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
    _ tensor: Uses.Tensor, _ uses: Uses, _ state: State, _ report: @escaping MergeEventHandler,
    _ found: @escaping (MergeEvent.Tensor, DType, StoreFindings) -> Void
  ) throws {
    let name = outputs[tensor.output].plan.tensors[tensor.index].name
    var nodes: [NodeID] = []
    defer { nodes.forEach(graph.release) }
    do {
      var group: [Uses.Tensor] = []
      var waiting = [tensor] + uses.peers(of: tensor, named: name)
      while let next = waiting.first {
        waiting.removeFirst()
        if state.isBegun[next.output][next.index] || group.contains(next) { continue }
        uses.asked = []
        // Kept in the graph by what is made of it.
        nodes.append(try expression(next))
        group.append(next)
        waiting.append(contentsOf: uses.asked)
      }
      var requests: [(node: NodeID, target: Evaluator.Target)] = []
      var begun: [MergeEvent.Tensor] = []
      for (node, tensor) in zip(nodes, group) {
        let (output, planned) = (outputs[tensor.output], outputs[tensor.output].plan.tensors[tensor.index])
        guard graph.shape(of: node) == planned.shape else {
          throw MergeError.shapeChanged(planned: planned.shape, found: graph.shape(of: node))
        }
        requests.append(
          (
            node,
            Evaluator.Target(
              sink: sinks(output.position, tensor.index), dtype: planned.dtype, findings: StoreFindings())
          ))
        begun.append(
          MergeEvent.Tensor(
            name: planned.name, output: output.position,
            bytes: output.plan.layout.placements[tensor.index].byteCount))
        state.isBegun[tensor.output][tensor.index] = true
      }
      if begun.reduce(0, { $0 + $1.bytes }) >= Self.worthAdvising {
        for leaf in graph.storedLeaves(below: nodes[0]) { leaf.source.advise(0..<leaf.source.byteCount) }
      }
      for tensor in begun { report(.tensorBegun(tensor)) }
      let targets = requests.map(\.target)
      let completion: (Result<Void, any Error>) -> Void = { result in
        switch result {
        case .success:
          for (tensor, target) in zip(begun, targets) {
            if let findings = target.findings, !findings.isEmpty { found(tensor, target.dtype, findings) }
            report(.tensorDone(tensor))
          }
        case .failure(let error):
          state.failure = state.failure ?? MergeError.locate(error, inTensor: name)
        }
      }
      if requests.count == 1 {
        try evaluator.store(nodes[0], targets[0], completion: completion)
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
    /// By output, its tensors by name.
    private var indices: [[String: Int]] = []

    /// As many outputs are computed together at most: a program has room for so many in its registers.
    private static let mostPeers = 16

    init(_ plans: [MergePlan]) {
      models = plans.count > 1 ? plans.map(\.model) : []
      guard plans.count > 1 else { return }
      for (place, plan) in plans.enumerated() {
        let model = plan.model
        let indices = Dictionary(
          uniqueKeysWithValues: plan.tensors.enumerated().map { ($1.name, $0) })
        self.indices.append(indices)
        let outer = model.whenAsked
        model.whenAsked = { [unowned self] name in
          outer?(name)
          if let index = indices[name] { asked.append(Tensor(output: place, index: index)) }
        }
      }
    }

    /// The tensors of the same name in the outputs that follow, of which none is made of another: models that are
    /// made of as many models above each other.
    func peers(of tensor: Tensor, named name: String) -> [Tensor] {
      guard !models.isEmpty else { return [] }
      return (tensor.output + 1..<models.count).lazy
        .filter { [models] in models[$0].depth == models[tensor.output].depth }
        .compactMap { [indices] output in indices[output][name].map { Tensor(output: output, index: $0) } }
        .prefix(Self.mostPeers - 1).map { $0 }
    }

    func end() { for model in models { model.whenAsked = nil } }
  }
}
