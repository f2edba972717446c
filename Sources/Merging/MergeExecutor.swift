import Checkpoints
import Tensors

/// Builds the expressions of a plan a bounded way ahead of the workers, and writes their elements.
package struct MergeExecutor {
  private let model: any LazyModel
  private let plan: MergePlan
  private let graph: ExpressionGraph
  private let evaluator: Evaluator

  /// Expressions that are built ahead.
  private static let ahead = 32

  /// Outputs whose inputs are worth asking for ahead; those of smaller ones come with what the system reads
  /// ahead by itself, and asking costs more than reading them.
  private static let worthAdvising = 1 << 17

  package init(model: any LazyModel, plan: MergePlan, graph: ExpressionGraph, evaluator: Evaluator) {
    self.model = model
    self.plan = plan
    self.graph = graph
    self.evaluator = evaluator
  }

  /// Computes every tensor and writes it to its sink.
  ///
  /// `progress` is told after each tensor how many there are by now, and their bytes. Throws the first
  /// error, with the tensor's name; nothing is under way then.
  package func run(
    sinks: (Int) -> any ByteSink, progress: @escaping (_ tensors: Int, _ bytes: Int) -> Void
  ) throws {
    let state = State()
    do {
      for (index, tensor) in plan.tensors.enumerated() {
        while evaluator.jobCount >= Self.ahead, state.failure == nil { try evaluator.advance(waiting: true) }
        if state.failure != nil { break }
        let bytes = plan.layout.placements[index].byteCount
        do {
          let node = try model.expression(for: tensor.name)
          defer { graph.release(node) }
          guard graph.shape(of: node) == tensor.shape else {
            throw MergeError.shapeChanged(planned: tensor.shape, found: graph.shape(of: node))
          }
          if bytes >= Self.worthAdvising {
            for leaf in graph.storedLeaves(below: node) {
              (leaf.source as? StoredTensor).map { $0.advise(0..<$0.byteCount) }
            }
          }
          try evaluator.store(node, as: tensor.dtype, to: sinks(index)) { result in
            switch result {
            case .success:
              state.tensors += 1
              state.bytes += bytes
              progress(state.tensors, state.bytes)
            case .failure(let error):
              state.failure = state.failure ?? MergeError.locate(error, inTensor: tensor.name)
            }
          }
        } catch let error as TensorError where error == .cancelled {
          throw error
        } catch { throw MergeError.locate(error, inTensor: tensor.name) }
        try evaluator.advance(waiting: false)
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

  private final class State {
    var tensors = 0
    var bytes = 0
    var failure: (any Error)?
  }
}
