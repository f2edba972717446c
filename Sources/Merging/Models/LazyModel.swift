import Architectures
import Basics
import Checkpoints
import SystemPackage
import Tensors
import Tokenizers

/// What is known of a model's tensor before any of it is read or computed.
package struct TensorSpecification: Hashable, Sendable {
  package var shape: Shape
  package var dtype: DType

  package init(shape: Shape, dtype: DType) {
    self.shape = shape
    self.dtype = dtype
  }
}

/// A model as names and expressions: a checkpoint of which only headers have been read, or what a
/// script makes of other models.
///
/// Belongs to the thread that builds expressions.
package protocol LazyModel: AnyObject {
  /// What messages call it: the reference that the user gave, or the method's name.
  var label: String { get }
  /// The tensors' names, in the order in which they are best read and written.
  var names: [String] { get }
  /// Whether it has a tensor; builds nothing.
  func has(_ name: String) -> Bool
  /// `nil` for a name that it does not have. Throws what finding out may throw.
  func specification(of name: String) throws -> TensorSpecification?
  /// The expression of a tensor, with one reference for the caller.
  func expression(for name: String) throws -> NodeID
  /// Its tensors by names of other checkpoints.
  var aliases: NameAliases { get }
  /// The model's config.json, or what it will be.
  var config: JSON? { get throws }
  var architecture: Architecture { get }
  /// What adapter_config.json says of it, if it is no model but an adapter of one; `nil` for models.
  var adapterConfig: JSON? { get }
  /// What an output gets beside weights and config.
  var companions: Companions { get }
  /// What it was made of.
  var provenance: ModelProvenance { get }
  /// What is noted in the headers of its files beside their format.
  var metadata: [(key: String, value: String)] { get }
  /// What its config cannot say, one sentence each.
  var warnings: [String] { get }
  /// How many models stand between it and checkpoints, at most; a checkpoint has none.
  var depth: Int { get }
  /// Told of every tensor whose expression is asked for, by whatever is made of this model. Checkpoints do not tell.
  var whenAsked: ((String) -> Void)? { get set }
}

extension LazyModel {
  package var adapterConfig: JSON? { nil }

  /// Its own name for what another checkpoint calls `name`; the same if it has that.
  package func resolve(_ name: String) -> String? { has(name) ? name : aliases.resolve(name) }

  /// The rows of the token embedding by the config, if it says how many.
  package var vocabularySize: Int? { architecture.vocabularySize }

  /// The specification of a tensor that must be there.
  package func requireSpecification(of name: String) throws -> TensorSpecification {
    if let found = try specification(of: name) { return found }
    throw MergeError.noTensor(name, model: label, nearest: nearestName(to: name, among: names))
  }
}

/// A checkpoint as a lazy model.
package final class CheckpointModel: LazyModel {
  package let label: String
  package let checkpoint: Checkpoint
  package let names: [String]
  package let config: JSON?
  package let adapterConfig: JSON?
  package let architecture: Architecture
  package let warnings: [String]
  package private(set) lazy var aliases = NameAliases(names)
  private let graph: ExpressionGraph
  private let wrappers: WrapperNames
  private var cached = NodeCache()

  /// Opens a checkpoint; reads headers and config.json. The reference is a path, whatever characters it has;
  /// one that leads nowhere and looks like something else gets an error that says so.
  package convenience init(reference: String, graph: ExpressionGraph) throws {
    let (checkpoint, notice) = try Self.open(reference)
    try self.init(reference, checkpoint, graph, notice: notice)
    if let mark = QuantizationMarks.find(
      config: config, names: checkpoint.names, dtype: { checkpoint.tensor(named: $0)?.dtype })
    {
      throw MergeError.quantized(model: reference, mark: mark)
    }
  }

  private static func open(_ reference: String) throws -> (Checkpoint, notice: [String]) {
    do {
      return (try Checkpoint(path: FilePath(reference)), [])
    } catch let error as CheckpointError {
      guard case .noSuchPath = error, let problem = MissingModel(reference) else { throw error }
      // mergekit, too, takes what is on disk as it is.
      guard case .revision(_, let path, _) = problem else { throw problem }
      return (try Checkpoint(path: FilePath(path)), ["\(problem)"])
    }
  }

  /// Opens an adapter as a model of its own tensors; `config` is its adapter_config.json.
  package convenience init(adapter path: String, graph: ExpressionGraph) throws {
    try self.init(path, Checkpoint(adapter: FilePath(path)), graph, isAdapter: true)
  }

  private init(
    _ reference: String, _ checkpoint: Checkpoint, _ graph: ExpressionGraph, notice: [String] = [],
    isAdapter: Bool = false
  ) throws {
    label = reference
    self.checkpoint = checkpoint
    warnings = checkpoint.warnings + notice
    wrappers = WrapperNames(checkpoint.names)
    names = wrappers.names
    config = try checkpoint.config
    adapterConfig = isAdapter ? config ?? .object(JSONObject()) : nil
    architecture = Architecture(names: names, config: config)
    self.graph = graph
  }

  package func has(_ name: String) -> Bool { tensor(named: name) != nil }

  private func tensor(named name: String) -> StoredTensor? {
    checkpoint.tensor(named: wrappers.storedName(name))
  }

  package func specification(of name: String) -> TensorSpecification? {
    tensor(named: name).map { TensorSpecification(shape: Shape($0.shape), dtype: $0.dtype) }
  }

  package func expression(for name: String) throws -> NodeID {
    if let node = cached.node(named: name, in: graph) { return node }
    guard let tensor = tensor(named: name) else {
      throw MergeError.noTensor(name, model: label, nearest: nearestName(to: name, among: names))
    }
    let node = try graph.stored(tensor.leaf, shape: Shape(tensor.shape))
    cached.add(node, named: name, in: graph)
    return node
  }

  package var companions: Companions { Companions(files: checkpoint.modelFiles, label: label) }
  package var metadata: [(key: String, value: String)] { checkpoint.metadata }
  package var provenance: ModelProvenance { ModelProvenance(checkpoints: [self], original: self) }
  package var depth: Int { 0 }
  package var whenAsked: ((String) -> Void)? {
    get { nil }
    set {}
  }
}
