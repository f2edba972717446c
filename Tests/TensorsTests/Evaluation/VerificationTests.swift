import Tensors
import TestSupport
import Testing

/// Graphs and plans that break one rule each; that those of all other tests break none is checked wherever a
/// `Bench` computes.
@Suite struct VerificationTests {
  private typealias Break = @Sendable (_ graph: ExpressionGraph, _ x: NodeID, _ node: NodeID) throws -> Void

  private static let graphDefects: [(rule: GraphDefect.Rule, name: String, change: Break)] = [
    (.arity, "a sum of one", { $0[$2].inputs = .one($1) }),
    (.arity, "a leaf with inputs", { $0[$1].inputs = .one($2) }),
    (.references, "an input without a reference", { g, x, _ in g[x].references = 1 }),
    (
      .acyclic, "a sum of itself",
      { g, x, node in
        g.retain(node)
        g[node].inputs = .two(x, node)
      }
    ),
    (.shape, "a sum of another shape", { g, _, node in g[node].shape = Shape([3, 2]) }),
    (.shape, "a leaf of more elements", { g, x, _ in g[x].shape = Shape([2, 4]) }),
    (
      .shape, "a view beyond its input",
      { g, x, node in
        let row = try g.narrow(x, dimension: 0, start: 1, length: 1)
        let other = try g.filled(Shape([1, 3]), with: 0)
        g[row].inputs = .one(other)
      }
    ),
    (
      .shape, "an index beyond its input",
      { g, x, _ in
        let rows = try g.gather(x, dimension: 0, indices: [1, 1])
        g[rows].inputs = try .one(g.filled(Shape([1, 3]), with: 0))
      }
    ),
    (
      .shape, "a reduction of another dimension",
      { g, x, _ in
        let sum = try g.reduce(.sum, x, dimension: 0, operation: "sum")
        g[sum].shape = Shape([2, 1])
      }
    ),
    (.precision, "float64 of float32", { g, _, node in g[node].precision = .double }),
    (
      .precision, "a float32 reduction",
      { g, x, _ in
        let sum = try g.reduce(.sum, x, operation: "sum")
        g[sum].precision = .single
      }
    ),
    (.dtype, "a sum of integers", { g, x, _ in g[x].dtype = .i32 }),
    (.dtype, "an integer sum", { g, _, node in g[node].dtype = .i32 }),
  ]

  @Test(arguments: graphDefects.indices)
  func aGraphThatBreaksARule(_ index: Int) throws {
    let (rule, name, change) = Self.graphDefects[index]
    let bench = Bench()
    let x = try bench.tensor(noise(6), [2, 3])
    let node = try bench.graph.binary(.add, x, x)
    try bench.graph.verify()
    try change(bench.graph, x, node)
    #expect(throws: GraphDefect.self, "\(name)") { try bench.graph.verify() }
    do { try bench.graph.verify() } catch { #expect((error as? GraphDefect)?.rule == rule, "\(name)") }
  }

  @Test func anElementThatItsCallDoesNotHave() throws {
    let bench = Bench()
    let results = try bench.graph.deferred([], DeferredCall(outputs: 1) { _ in [1] })
    try bench.graph.verify()
    bench.graph[results[0]].shape = Shape([2])
    #expect(throws: GraphDefect(rule: .shape, node: results[0])) { try bench.graph.verify() }
  }

  // MARK: Plans

  /// The plan of x / (‖x‖ · max |x − mean x|): three stages, with one sweep each.
  private func plan(_ bench: Bench) throws -> PassPlan {
    let graph = bench.graph
    let x = try bench.tensor(noise(600), [20, 30])
    let distance = try graph.unary(.abs, graph.binary(.subtract, x, graph.mean(x, dimension: nil)))
    let greatest = try graph.reduce(.maximum, distance, operation: "max")
    let scale = try graph.binary(.multiply, graph.norm(x, dimension: nil), greatest)
    var planner = PassPlanner(graph: graph)
    return try planner.plan([graph.binary(.divide, x, scale)], stores: true)
  }

  /// A plan with the sweep of one stage changed.
  private func change(
    _ stage: Int, of plan: PassPlan, _ body: (inout PassPlan.PlannedSweep) throws -> Void
  ) rethrows -> PassPlan {
    var plan = plan
    for (index, work) in plan.stages[stage].enumerated() {
      guard case .sweep(var sweep) = work else { continue }
      try body(&sweep)
      plan.stages[stage][index] = .sweep(sweep)
    }
    return plan
  }

  @Test func plansThatBreakARule() throws {
    let bench = Bench()
    let plan = try plan(bench)
    let last = plan.stages.count - 1
    try plan.verify(for: bench.graph)

    func expect(_ defect: PassPlan.Defect, _ broken: PassPlan) {
      #expect(throws: defect) { try broken.verify(for: bench.graph) }
    }
    let mean = plan.stages[0][0].settledNodes[0]
    var broken = plan
    broken.stages.swapAt(0, 1)
    expect(.notSettled(mean), broken)
    broken = plan
    broken.stages[0] = []
    #expect(throws: PassPlan.Defect.self) { try broken.verify(for: bench.graph) }
    broken = plan
    broken.stages[1] += plan.stages[0]
    expect(.settledTwice(mean), broken)
    expect(.roots(mean), change(0, of: plan) { $0.settled[0].roots = [7] })
    expect(.roots(mean), change(0, of: plan) { $0.settled[0].roots = [] })
    expect(.outputs, change(0, of: plan) { $0.outputs = 0..<1 })
    expect(.outputs, change(last, of: plan) { $0.outputs = 0..<2 })
    expect(.partition, change(last, of: plan) { $0.partition = .linear(count: 599, size: 64) })
  }

  @Test func programsThatBreakARule() throws {
    let bench = Bench()
    let plan = try plan(bench)
    let last = plan.stages.count - 1
    func expect(_ defect: Program.Defect, _ body: (inout Program) -> Void) {
      let broken = change(last, of: plan) { body(&$0.program) }
      #expect(throws: defect) { try broken.verify(for: bench.graph) }
    }
    expect(.register) { $0.registerCount = 0 }
    expect(.register) { $0.instructions.removeFirst() }
    expect(.list) { $0.leaves = [] }
    expect(.map) { $0.leaves[0].map = IndexMap(offset: 1, axes: $0.leaves[0].map.axes) }
    expect(.map) { $0.leaves[0].map = .identity(count: 5) }
    expect(.root) { $0.roots = [99] }
  }
}
