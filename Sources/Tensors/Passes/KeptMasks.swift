/// Masks that one sweep of an expression keeps, at one bit per element, so that later sweeps need not draw
/// random numbers or rank rows again.
struct KeptMasks {
  /// A sweep of a plan: its stage, and its place there.
  struct Place: Equatable {
    var stage: Int
    var sweep: Int
  }

  /// Elements below which nothing is gained.
  private static let leastCount = Partition.chunk
  /// Bits that the masks of one expression may take: 40 MB, and what is beyond it is computed again.
  private static let mostBits = 320 << 20

  private var places: [NodeID: Place] = [:]

  var nodes: Set<NodeID> { Set(places.keys) }

  /// None.
  init() {}

  /// The masks that sweeps of several stages compute; the first full sweep among them is to keep them.
  init(for draft: PassDraft) {
    var first: [NodeID: Place] = [:]
    var bits = 0
    for (stage, work) in draft.stages.enumerated() {
      for (index, sweep) in work.sweeps.enumerated() where sweep.outline.count >= Self.leastCount {
        for mask in sweep.outline.costlyMasks {
          guard let place = first[mask] else {
            if Self.mayKeep(sweep) { first[mask] = Place(stage: stage, sweep: index) }
            continue
          }
          guard place.stage < stage, places[mask] == nil, bits + sweep.outline.count <= Self.mostBits
          else { continue }
          bits += sweep.outline.count
          places[mask] = place
        }
      }
    }
  }

  /// Whether a sweep goes over all elements, and always.
  private static func mayKeep(_ sweep: PassDraft.Sweep) -> Bool {
    !sweep.isSampled && !sweep.settled.isEmpty && sweep.space?.trip != .ties
  }

  /// Those that a sweep keeps, in a fixed order.
  func nodes(by place: Place) -> [NodeID] {
    places.filter { $0.value == place }.keys.sorted { $0.index < $1.index }
  }

  /// Those that are not known yet in a stage.
  func nodes(from stage: Int) -> Set<NodeID> {
    Set(places.filter { $0.value.stage >= stage }.keys)
  }
}
