import Lua
import Tensors

/// The userdata type `tensor`: expressions and lazy numbers, with operators, fields and methods.
final class TensorBinding: Binding {
  let graph: ExpressionGraph
  let evaluator: Evaluator
  let work: ScriptWork
  private(set) var type: LuaHandleType!
  /// Numbers that scripts used lately, so that a loop over `t + 1` makes one node of the 1.
  var constants: [UInt64: ExpressionGraph.WeakNode] = [:]

  init(in setup: BindingSetup) throws {
    (graph, evaluator, work) = (setup.context.graph, setup.context.evaluator, setup.context.work)
    let graph = graph
    type = try setup.lua.makeHandleType(
      LuaTypeDefinition(
        name: "tensor", methods: elementwiseMethods, getter: { call in try self.field(call) },
        metamethods: operators)
    ) { _, handle in graph.release(NodeID(handle: handle)) }
    try setup.lua.addMethods(reductionMethods, to: type)
    try setup.lua.addMethods(viewMethods, to: type)
  }

  var functions: [String: LuaFunction] {
    [
      "is_tensor": { call in try call.result(call.count > 0 && self.node(at: 1, in: call.lua) != nil) }
    ]
  }

  private static let fields = ["shape", "dtype", "numel", "ndim"]

  private func field(_ call: LuaCall) throws -> Int {
    let node = try tensor(call, 1)
    let shape = graph.shape(of: node)
    switch call.fieldName {
    case "shape": return try call.result(shape.dimensions)
    case "dtype": return try call.result(graph.dtype(of: node).torchName)
    case "numel": return try call.result(shape.count)
    case "ndim": return try call.result(shape.rank)
    default:
      guard call.kind(2) == .string else {
        throw LuaError("a tensor has no elements to index; use narrow or index_select")
      }
      throw call.unknownField(of: "tensor", known: call.lua.methodNames(of: type) + Self.fields)
    }
  }

  func describe(_ node: NodeID) -> String {
    if let value = graph.constantValue(node) { return "lazy number \(value)" }
    if graph.isScalar(node) { return "lazy number" }
    return "tensor \(graph.shape(of: node)) \(graph.dtype(of: node).torchName)"
  }
}
