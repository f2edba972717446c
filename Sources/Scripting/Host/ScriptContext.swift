import Basics
import Lua
import Merging
import SystemPackage
import Tensors
import Tokenizers

/// A model in a script's hands.
final class ModelHandle {
  let model: any LazyModel

  /// Where each name stands in `model.names`.
  lazy var positions = Dictionary(uniqueKeysWithValues: model.names.enumerated().map { ($1, $0) })

  init(_ model: any LazyModel) { self.model = model }
}

/// What the functions of the script API share. They hold it, so it does not hold the Lua state.
final class ScriptContext {
  let graph: ExpressionGraph
  let evaluator: Evaluator
  /// Of all random draws.
  let seed: UInt64
  /// Writes models from within a script.
  let save: (_ model: any LazyModel, _ path: String, _ options: SaveOptions) throws -> Void
  /// Whether `require` finds a file, by its path without `.lua`.
  let moduleExists: (String) -> Bool
  /// Of the standard library.
  let methodNames: [String]
  /// Types of userdata; set while the API is installed.
  var tensorType: LuaHandleType!
  var modelType: LuaObjectType<ModelHandle>!
  var tokenizerType: LuaObjectType<TokenizerHandle>!
  /// The iterator of `model:tensors()`.
  var nextTensor: LuaReference!
  var vocabularyType: LuaObjectType<TokenizerFiles>!
  /// Tokenizers that were read, by their directories.
  private var tokenizers: [FilePath: TokenizerFiles] = [:]
  /// Checkpoints by the reference that opened them.
  var checkpoints: [String: CheckpointModel] = [:]
  /// What encodes with them, by the directories whose files it was read from.
  var tokenizerHandles: [FilePath: TokenizerHandle] = [:]
  /// The same for changed tokenizers.
  var newTokenizerHandles: [ObjectIdentifier: TokenizerHandle] = [:]
  /// Numbers that scripts used lately, so that a loop over `t + 1` makes one node of the 1.
  private var constants: [UInt64: ExpressionGraph.WeakNode] = [:]
  /// What runs that must not save models: the evaluator is at work for it.
  private var notSaving: String?
  /// Where the user asked for the model whose tensor is being built; no line of the script's is running then.
  var buildPosition: String?
  /// The tensor whose expression is being built, and the draws made for it.
  var stream = (name: "", draws: 0)

  struct SaveOptions {
    var dtype: DType?
    var maximumShardBytes: Int?
    var force = false
  }

  init(
    graph: ExpressionGraph, evaluator: Evaluator, seed: UInt64, methodNames: [String],
    moduleExists: @escaping (String) -> Bool,
    save: @escaping (any LazyModel, String, SaveOptions) throws -> Void
  ) {
    self.graph = graph
    self.evaluator = evaluator
    self.seed = seed
    self.methodNames = methodNames
    self.moduleExists = moduleExists
    self.save = save
  }

  /// The stream of the next draw.
  func nextStream() -> RandomStream {
    defer { stream.draws += 1 }
    return RandomStream(seed: seed, name: stream.name, ordinal: stream.draws)
  }

  /// Runs `body` with draws that are numbered by `name`.
  func withStream<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    let outer = stream
    stream = (name, 0)
    defer { stream = outer }
    return try body()
  }

  /// Runs `body`, within which models are not saved; `place` says where that is.
  func notSaving<Result>(_ place: String, _ body: () throws -> Result) rethrows -> Result {
    let outer = notSaving
    notSaving = place
    defer { notSaving = outer }
    return try body()
  }

  /// Throws where models cannot be saved: a failure would take down what is under way outside.
  func requireSaving() throws {
    if let notSaving { throw LuaError("save: not within \(notSaving)") }
  }

  /// The tokenizer of a model, if it has one; its files are read once.
  func tokenizer(of model: any LazyModel) throws -> TokenizerFiles? {
    if let new = model.newTokenizer { return new }
    guard let directory = model.companionDirectory else { return nil }
    if let known = tokenizers[directory] { return known }
    let found = try TokenizerFiles(in: directory, label: model.companionLabel)
    tokenizers[directory] = found
    return found
  }

  // MARK: Nodes on Lua's stack

  /// Pushes a node; the userdata takes over the caller's reference.
  func push(_ node: NodeID, to lua: LuaState) throws {
    do {
      try lua.push(handle: UInt64(UInt32(bitPattern: node.index)), of: tensorType)
    } catch {
      graph.release(node)
      throw error
    }
  }

  func result(_ node: NodeID, _ call: LuaCall) throws -> Int {
    try push(node, to: call.lua)
    return 1
  }

  private func node(at index: Int, in lua: LuaState) -> NodeID? {
    lua.handle(at: index, of: tensorType).map { NodeID(index: Int32(bitPattern: UInt32($0))) }
  }

  /// A node of a number, with one reference for the caller.
  private func constant(_ value: Double) throws -> NodeID {
    if let node = constants[value.bitPattern].flatMap(graph.strong) { return node }
    let node = try graph.constant(value)
    if constants.count >= 64 { constants.removeAll() }
    constants[value.bitPattern] = graph.weak(node)
    return node
  }

  /// The tensor or lazy number in an argument. The argument keeps it alive.
  func tensor(_ call: LuaCall, _ argument: Int) throws -> NodeID {
    guard argument <= call.count, let node = node(at: argument, in: call.lua) else {
      throw call.typeError(argument, "tensor")
    }
    return node
  }

  /// Calls `body` with the node of each argument, numbers turned into constants.
  func withOperands<Result>(
    _ call: LuaCall, _ arguments: [Int], _ body: ([NodeID]) throws -> Result
  ) throws -> Result {
    var nodes: [NodeID] = []
    defer { nodes.forEach(graph.release) }
    for argument in arguments {
      if let number = argument <= call.count ? call.lua.number(at: argument) : nil {
        nodes.append(try constant(number))
      } else {
        guard argument <= call.count, let node = node(at: argument, in: call.lua) else {
          throw call.typeError(argument, "tensor or number")
        }
        graph.retain(node)
        nodes.append(node)
      }
    }
    return try body(nodes)
  }

  /// Calls `body` with the nodes of a list, numbers turned into constants.
  func withList<Result>(_ call: LuaCall, _ argument: Int, _ body: ([NodeID]) throws -> Result) throws
    -> Result
  {
    try call.table(argument)
    var nodes: [NodeID] = []
    defer { nodes.forEach(graph.release) }
    try call.lua.forEachElement(at: argument) { element in
      if let number = call.lua.number(at: -1) {
        nodes.append(try constant(number))
      } else if let node = node(at: -1, in: call.lua) {
        graph.retain(node)
        nodes.append(node)
      } else {
        throw call.argumentError(
          argument, "element \(element): tensor or number expected, got \(call.lua.typeName(at: -1))")
      }
    }
    return try body(nodes)
  }

  // MARK: Other arguments

  /// A dimension's position from an argument that counts from 1, or from the end; `nil` if it is absent.
  func dimension(_ call: LuaCall, _ argument: Int, of node: NodeID) throws -> Int? {
    guard let number = try call.optional(argument, call.integer) else { return nil }
    return try graph.shape(of: node).position(ofDimension: number, operation: call.name)
  }

  func requiredDimension(_ call: LuaCall, _ argument: Int, of node: NodeID, extra: Int = 0) throws -> Int {
    try graph.shape(of: node).position(
      ofDimension: call.integer(argument), operation: call.name, extra: extra)
  }

  /// Sizes from a list, or from all arguments from this one on.
  func sizes(_ call: LuaCall, _ argument: Int) throws -> [Int] {
    if call.kind(argument) == .table { return try integers(call, argument) }
    guard call.count >= argument else { return [] }
    return try (argument...call.count).map(call.integer)
  }

  /// A list of integers.
  func integers(_ call: LuaCall, _ argument: Int) throws -> [Int] {
    try call.table(argument)
    var values: [Int] = []
    try call.lua.forEachElement(at: argument) { element in
      guard let value = call.lua.integer(at: -1) else {
        throw call.argumentError(
          argument, "element \(element): integer expected, got \(call.lua.typeName(at: -1))")
      }
      values.append(value)
    }
    return values
  }

  /// The dtype that an argument names.
  func dtype(_ call: LuaCall, _ argument: Int) throws -> DType {
    try Self.dtype(named: call.string(argument))
  }

  /// The dtype of a name, which must be one that can be computed.
  static func computedDType(named name: String, operation: String) throws -> DType {
    let dtype = try dtype(named: name)
    guard dtype.isArithmetic else { throw TensorError.notFloat(operation: operation, dtype) }
    return dtype
  }

  /// The dtype of a name; an error names the nearest.
  static func dtype(named name: String) throws -> DType {
    if let dtype = DType(name: name) { return dtype }
    let known = DType.allCases.flatMap { [$0.torchName, $0.rawValue] }
    let hint = nearestName(to: name, among: known).map { " (did you mean '\($0)'?)" } ?? ""
    throw LuaError("unknown dtype '\(name)'\(hint)")
  }
}
