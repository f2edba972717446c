/// What an operation is to the passes. `Operation.traits` is the one place that says so: planning, compiling,
/// launching and verifying ask it and do not look at operations themselves.
package struct OperationTraits: Sendable {
  /// How the value of a node comes about.
  package enum Kind: UInt8, Sendable {
    /// It is known.
    case leaf
    /// Each element from its position alone.
    case generator
    /// Each element from the elements of the inputs at its position; inputs stretch as NumPy's do.
    case elementwise
    /// The input's elements at other positions.
    case view
    /// Runs of elements that programs within the program compute, where they are wanted in order.
    case nested
    /// Known once a sweep over the inputs has ended.
    case barrier
    /// A function of whole matrices, run by the workers: known once it has ended.
    case kernel
    /// A function of the host on numbers, run by the thread that builds expressions.
    case host
    /// One of the results of a kernel or a host's function.
    case element
    /// Bytes that are copied and never computed with.
    case copy
  }

  /// Which elements a barrier's sweep goes over. Sweeps of different trips are not joined.
  package enum Trip: UInt8, Sendable {
    case full
    /// A sample is enough if there are many.
    case sample
    /// Those equal to a threshold, and mostly none.
    case ties
  }

  package var kind: Kind
  /// How many inputs a node has.
  package var arity: ClosedRange<Int>
  /// How many of the inputs, from the first on, are taken element by element; `nil` for all. The values of the
  /// others are looked up when a program is launched, or asked by the host.
  package var elementInputs: Int?
  /// Of barriers.
  package var trip = Trip.full
  /// Whether its elements are expensive to recompute: random draws and ranks.
  package var isExpensive = false

  /// Whether nodes settle: their values are results of their own, which programs read.
  var settles: Bool { kind == .barrier || kind == .kernel }

  private init(
    _ kind: Kind, _ arity: ClosedRange<Int>, elementInputs: Int? = nil, trip: Trip = .full,
    isExpensive: Bool = false
  ) {
    self.kind = kind
    self.arity = arity
    self.elementInputs = elementInputs
    self.trip = trip
    self.isExpensive = isExpensive
  }

  fileprivate static let leaf = OperationTraits(.leaf, 0...0)
  fileprivate static let filled = OperationTraits(.generator, 0...0)
  fileprivate static let random = OperationTraits(.generator, 0...0, isExpensive: true)
  fileprivate static let unary = OperationTraits(.elementwise, 1...1)
  fileprivate static let binary = OperationTraits(.elementwise, 2...2)
  fileprivate static let select = OperationTraits(.elementwise, 3...3)
  fileprivate static let fold = OperationTraits(.elementwise, 1...64)
  fileprivate static let topMask = OperationTraits(.elementwise, 3...3, elementInputs: 1)
  fileprivate static let view = OperationTraits(.view, 1...1)
  fileprivate static let concatenate = OperationTraits(.nested, 2...Int.max)
  fileprivate static let gather = OperationTraits(.nested, 1...1)
  fileprivate static let rank = OperationTraits(.nested, 1...1, isExpensive: true)
  fileprivate static let row = OperationTraits(.nested, 1...1)
  fileprivate static let product = OperationTraits(.nested, 2...2)
  fileprivate static let reduce = OperationTraits(.barrier, 1...1)
  fileprivate static let dot = OperationTraits(.barrier, 2...2)
  fileprivate static let selectCoarse = OperationTraits(.barrier, 2...3, elementInputs: 1, trip: .sample)
  fileprivate static let selectFine = OperationTraits(.barrier, 3...3, elementInputs: 1)
  fileprivate static let tieCut = OperationTraits(.barrier, 2...2, elementInputs: 1, trip: .ties)
  fileprivate static let kernel = OperationTraits(.kernel, 1...Int.max)
  fileprivate static let host = OperationTraits(.host, 0...Int.max, elementInputs: 0)
  fileprivate static let element = OperationTraits(.element, 1...1, elementInputs: 0)
  fileprivate static let identical = OperationTraits(.copy, 2...Int.max, elementInputs: 0)
}

extension Operation {
  /// What the operation is.
  package var traits: OperationTraits {
    switch self {
    case .stored, .constant, .results: .leaf
    case .filled: .filled
    case .random: .random
    case .unary, .convert: .unary
    case .binary: .binary
    case .select: .select
    case .fold: .fold
    case .topMask: .topMask
    case .view: .view
    case .concatenate: .concatenate
    case .gather: .gather
    case .rank: .rank
    case .row: .row
    case .product: .product
    case .reduce(.dot, _): .dot
    case .reduce: .reduce
    case .selectCoarse: .selectCoarse
    case .selectFine: .selectFine
    case .tieCut: .tieCut
    case .call(.kernel): .kernel
    case .call(.host): .host
    case .element: .element
    case .identical: .identical
    }
  }
}
