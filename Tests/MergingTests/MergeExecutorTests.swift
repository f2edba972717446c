import Merging
import SystemPackage
import Tensors
import Testing

/// Computing a plan's tensors into their sinks.
@Suite struct MergeExecutorTests {
  let folder = ScratchFolder()
  let graph = ExpressionGraph()

  private func model(count: Int) throws -> CheckpointModel {
    var tensors: [String: [Float]] = [:]
    for index in 0..<count { tensors["t\(index)"] = [Float](repeating: Float(index), count: 5) }
    try folder.makeModel("m", tensors)
    return try CheckpointModel(reference: folder.path("m").string, graph: graph)
  }

  /// Runs a model's plan, and gives what the sinks hold and the progress that was told.
  private func run(
    _ model: any LazyModel, threads: Int = 2, isInterrupted: @escaping @Sendable () -> Bool = { false }
  ) throws -> (sinks: [MemorySource], progress: [Int]) {
    let plan = try MergePlan(model: model, dtype: nil, maximumShardBytes: 1 << 30)
    let evaluator = Evaluator(
      graph: graph, options: Evaluator.Options(threads: threads, isInterrupted: isInterrupted))
    let sinks = plan.layout.placements.map { MemorySource(byteCount: $0.byteCount) }
    var progress: [Int] = []
    var begun: Set<String> = []
    defer { #expect(evaluator.jobCount == 0) }
    try MergeExecutor(plans: [plan], graph: graph, evaluator: evaluator, sinks: { sinks[$1] }).run { event in
      switch event {
      case .tensorBegun(let tensor): #expect(begun.insert(tensor.name).inserted)
      case .tensorDone(let tensor):
        #expect(tensor.bytes == 20 && begun.contains(tensor.name))
        progress.append(progress.count + 1)
      case .planned, .warning, .finished, .computing: Issue.record("unexpected \(event)")
      }
    }
    return (sinks, progress)
  }

  private func first(_ sink: MemorySource) -> Float {
    var value: Float = 0
    withUnsafeMutableBytes(of: &value) { sink.read(into: $0, at: 0) }
    return value
  }

  @Test(arguments: [1, 3]) func manySmallTensors(threads: Int) throws {
    let source = try model(count: 200)
    var alive: [Int] = []
    let doubled = try DerivedModel(
      DerivedModel.Definition(
        label: "doubled", names: source.names, like: source, sources: [source],
        specify: { _ in TensorSpecification(shape: Shape([5]), dtype: .f32) },
        build: { [graph] name in
          alive.append(graph.liveCount)
          let input = try source.expression(for: name)
          defer { graph.release(input) }
          return try graph.binary(.add, input, input)
        }), graph: graph)
    let (sinks, progress) = try run(doubled, threads: threads)
    for (name, sink) in zip(source.names, sinks) { #expect(first(sink) == 2 * Float(name.dropFirst())!) }
    #expect(progress == Array(1...200))
    // Built a bounded way ahead.
    #expect(alive.count == 200 && alive.max()! < 200)
    #expect(graph.liveCount == 0)
  }

  /// Outputs side by side compute their tensors of a name together, so that these read their input once.
  @Test func outputsSideBySideShare() throws {
    let source = try model(count: 100)
    let models = try [1, 2, 4].map { factor in
      try DerivedModel(
        DerivedModel.Definition(
          label: "model \(factor)", names: source.names, like: source, sources: [source],
          specify: { _ in TensorSpecification(shape: Shape([5]), dtype: .f32) },
          build: { [graph] name in
            let input = try source.expression(for: name)
            defer { graph.release(input) }
            return try graph.scope {
              let norm = try graph.norm(graph.unary(.exp, input), dimension: nil)
              return try graph.binary(
                .multiply, graph.binary(.multiply, input, graph.constant(Double(factor))), norm)
            }
          }), graph: graph)
    }
    let plans = try models.map { try MergePlan(model: $0, dtype: nil, maximumShardBytes: 1 << 30) }
    let evaluator = Evaluator(graph: graph, options: Evaluator.Options(threads: 2))
    let sinks = plans.map { $0.layout.placements.map { MemorySource(byteCount: $0.byteCount) } }
    var begun: [String] = []
    try MergeExecutor(plans: plans, graph: graph, evaluator: evaluator, sinks: { sinks[$0][$1] }).run {
      if case .tensorBegun(let tensor) = $0 { begun.append("\(tensor.name) \(tensor.output)") }
    }
    #expect(begun == source.names.flatMap { name in (0..<3).map { "\(name) \($0)" } })
    for index in source.names.indices {
      #expect(first(sinks[2][index]) == 4 * first(sinks[0][index]))
    }
    #expect(graph.liveCount == 0)
  }

  @Test func anErrorWhileBuildingStopsAndNamesTheTensor() throws {
    let source = try model(count: 50)
    let failing = try DerivedModel(
      DerivedModel.Definition(
        label: "failing", names: source.names, like: source, sources: [source],
        specify: { _ in TensorSpecification(shape: Shape([5]), dtype: .f32) },
        build: { [graph] name in
          if name == "t30" { throw TensorError.noInputs(operation: "cat") }
          let input = try source.expression(for: name)
          defer { graph.release(input) }
          return try graph.unary(.exp, input)
        }), graph: graph)
    #expect(message { try run(failing) } == "tensor 't30': cat: expected at least one tensor")
  }

  @Test func anErrorWhileComputingStopsAndNamesTheTensor() throws {
    let source = try model(count: 50)
    let failing = try source.mapped(graph: graph) { [graph] name, input in
      let k = try graph.reduce(.sum, input, operation: "sum")
      defer { graph.release(k) }
      return try graph.topMask(input, k: k)
    }
    // Sums of 10 and more are beyond five elements.
    let found = message { try run(failing) }
    #expect(found.hasPrefix("tensor 't") && found.hasSuffix(", expected a whole number from 0 to 5"))
  }

  @Test func aShapeThatIsNotThePlannedIsAnError() throws {
    let source = try model(count: 1)
    let odd = try DerivedModel(
      DerivedModel.Definition(
        label: "odd", names: ["t0"], like: source, sources: [source],
        specify: { _ in TensorSpecification(shape: Shape([6]), dtype: .f32) },
        build: { try source.expression(for: $0) }), graph: graph)
    #expect(message { try run(odd) } == "tensor 't0': expected shape [6], got [5]")
    #expect(graph.liveCount == 0)
  }

  @Test func interruptionsEndTheRun() throws {
    let source = try model(count: 100)
    #expect(throws: TensorError.cancelled) { try run(source, isInterrupted: { true }) }
  }
}
