/// The work that computes one expression, or several together, stage by stage: what a stage does needs
/// the results of the stages before it, and nothing of each other.
package struct PassPlan {
  /// A barrier that a sweep settles, and where its inputs are among the program's roots.
  package struct Settled {
    package var node: NodeID
    package var roots: [Int]
  }

  /// A program over an iteration space.
  package struct PlannedSweep {
    package var program: Program
    package var partition: Partition
    package var settled: [Settled]
    /// Masks that the sweep keeps for the sweeps of later stages.
    package var masks: [Settled] = []
    /// The roots that are the expressions' own results, in the last stage.
    package var outputs: Range<Int> = 0..<0
    /// Whether it looks for ties only, which are mostly known without it.
    var settlesTies = false
  }

  /// A function of whole matrices.
  package struct PlannedKernel {
    package var node: NodeID
    package var call: KernelCall
    /// What computes the elements of each input.
    package var inputs: [Program]
  }

  package indirect enum Work {
    case sweep(PlannedSweep)
    case kernel(PlannedKernel)

    /// The nodes that have their results once it has ended.
    package var settledNodes: [NodeID] {
      switch self {
      case .sweep(let sweep): sweep.settled.map(\.node)
      case .kernel(let kernel): [kernel.node]
      }
    }

    /// What computes elements.
    package var programs: [Program] {
      switch self {
      case .sweep(let sweep): [sweep.program]
      case .kernel(let kernel): kernel.inputs
      }
    }
  }

  package var stages: [[Work]]
  /// Nodes that other expressions' plans compute already.
  package var awaited: [NodeID]

  /// Of work without a plan.
  static var empty: PassPlan { PassPlan(stages: [], awaited: []) }

  /// The nodes that have their results once all has ended.
  var settledNodes: [NodeID] { stages.joined().flatMap(\.settledNodes) }

  /// Every node that the plan names: while it runs, they must not go, nor their numbers to other nodes.
  var nodes: [NodeID] {
    var nodes = awaited
    for work in stages.joined() {
      nodes += work.settledNodes
      for program in work.programs { program.forEachNode { nodes.append($0) } }
    }
    return nodes
  }
}
