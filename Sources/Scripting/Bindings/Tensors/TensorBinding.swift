import Lua
import Tensors

/// The userdata type `tensor`: expressions and lazy numbers, with operators, fields and methods.
final class TensorBinding: Binding {
  let graph: ExpressionGraph
  let evaluator: Evaluator
  let work: ScriptWork
  private(set) var type: LuaHandleType!
  /// Of the tables that stand for shapes.
  private var shapeMetatable: LuaReference!
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
    shapeMetatable = try Self.makeShapeMetatable(in: setup.lua)
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
    case "shape":
      try pushShape(shape, to: call.lua)
      return 1
    case "dtype": return try call.result(graph.dtype(of: node).torchName)
    case "numel": return try call.result(shape.count)
    case "ndim": return try call.result(shape.rank)
    default:
      guard call.kind(2) == .string else {
        throw LuaError("a tensor has no elements to index; use narrow or index_select")
      }
      if let advice = TensorAdvice.of(call.fieldName) {
        throw LuaError("a tensor has no field or method '\(call.fieldName)'; write \(advice)")
      }
      throw call.unknownField(of: "tensor", known: call.lua.methodNames(of: type) + Self.fields)
    }
  }

  // MARK: Shapes

  /// Pushes a list of sizes that prints as `[24, 16]` and equals another of the same sizes.
  func pushShape(_ shape: Shape, to lua: LuaState) throws {
    try lua.push(shape.dimensions)
    try lua.setMetatable(shapeMetatable, at: -1)
  }

  private static func makeShapeMetatable(in lua: LuaState) throws -> LuaReference {
    func sizes(_ call: LuaCall, _ argument: Int) -> [Int?]? {
      guard call.kind(argument) == .table else { return nil }
      return try? (0..<call.lua.length(at: argument)).map {
        try call.lua.element($0 + 1, at: argument).integer
      }
    }
    try lua.createTable(fields: 3)
    try lua.pushFunction("tostring") { call in
      let texts = sizes(call, 1)?.map { $0.map(String.init) ?? "?" } ?? []
      return try call.result("[\(texts.joined(separator: ", "))]")
    }
    try lua.setField("__tostring", at: -2)
    try lua.pushFunction("eq") { call in try call.result(sizes(call, 1) == sizes(call, 2)) }
    try lua.setField("__eq", at: -2)
    try lua.setField("__metatable", to: "shape", at: -1)
    return lua.popReference()
  }

  func describe(_ node: NodeID) -> String {
    if let value = graph.constantValue(node) { return "lazy number \(value)" }
    if graph.isScalar(node) { return "lazy number" }
    return "tensor \(graph.shape(of: node)) \(graph.dtype(of: node).torchName)"
  }
}
