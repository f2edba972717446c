import Architectures
import Basics
import Checkpoints
import Lua
import Merging

/// A model in a script's hands.
final class ModelHandle {
  let model: any LazyModel

  /// Where each name stands in `model.names`.
  lazy var positions = Dictionary(uniqueKeysWithValues: model.names.enumerated().map { ($1, $0) })

  init(_ model: any LazyModel) { self.model = model }
}

/// The userdata type `model`, and the function that opens one.
final class ModelBinding: Binding {
  let context: ScriptContext
  let tensors: TensorBinding
  private(set) var type: LuaObjectType<ModelHandle>!
  /// Fields that other bindings add.
  private var extraFields: [String: LuaFunction] = [:]
  /// The iterator of `model:tensors()`.
  private(set) var nextTensor: LuaReference!
  /// Checkpoints by the reference that opened them.
  private(set) var checkpoints: [String: CheckpointModel] = [:]
  /// Adapters by their paths.
  private(set) var adapters: [String: CheckpointModel] = [:]

  init(in setup: BindingSetup) throws {
    context = setup.context
    tensors = try setup.binding()
    type = try setup.lua.makeObjectType(
      LuaTypeDefinition(
        name: "model", methods: methods, getter: { call in try self.field(call) }, metamethods: metamethods),
      of: ModelHandle.self)
    try setup.lua.pushFunction("tensors") { call in try self.next(call) }
    nextTensor = setup.lua.popReference()
  }

  var functions: [String: LuaFunction] {
    [
      "model": { call in
        try self.push(self.checkpoint(call.string(1)), to: call.lua)
        return 1
      },
      "is_model": { call in try call.result(call.count > 0 && self.model(at: 1, in: call.lua) != nil) },
    ]
  }

  private func checkpoint(_ reference: String) throws -> CheckpointModel {
    if let known = checkpoints[reference] { return known }
    do {
      let model = try CheckpointModel(reference: reference, graph: context.graph)
      checkpoints[reference] = model
      return model
    } catch CheckpointError.onlyAdapter {
      return try adapter(reference)
    }
  }

  /// The adapter at a path; its files are opened once.
  func adapter(_ path: String) throws -> CheckpointModel {
    if let known = adapters[path] { return known }
    let model = try CheckpointModel(adapter: path, graph: context.graph)
    adapters[path] = model
    return model
  }

  /// Adds a field to models, read by a function that gets the model as argument 1.
  func addField(_ name: String, _ getter: @escaping LuaFunction) { extraFields[name] = getter }

  // MARK: Models on Lua's stack

  func push(_ model: any LazyModel, to lua: LuaState) throws {
    try lua.push(object: ModelHandle(model), of: type)
  }

  /// The model at a stack index; `nil` for every other value.
  func model(at index: Int, in lua: LuaState) -> (any LazyModel)? { lua.object(at: index, of: type)?.model }

  /// The model in an argument.
  func model(_ call: LuaCall, _ argument: Int) throws -> any LazyModel {
    try call.object(argument, of: type).model
  }

  // MARK: Fields

  private var metamethods: [String: LuaFunction] {
    [
      "__tostring": { call in try call.result("model '\(self.model(call, 1).label)'") },
      // The same model, though each time that a script gets it makes a new userdata.
      "__eq": { call in
        let models = [1, 2].map { self.model(at: $0, in: call.lua) }
        return try call.result(models[0] != nil && models[0] === models[1])
      },
    ]
  }

  private static let fields = [
    "config", "num_layers", "name", "vocab_size", "modules", "ties_embeddings", "architecture_name",
    "metadata",
  ]

  private func field(_ call: LuaCall) throws -> Int {
    let model = try model(call, 1)
    switch call.fieldName {
    case "name": return try call.result(model.label)
    case "vocab_size": return try call.result(model.vocabularySize)
    case "num_layers": return try call.result(model.architecture.numLayers)
    case "ties_embeddings": return try call.result(model.architecture.tiesEmbeddings)
    case "architecture_name":
      return try call.result(model.config?["architectures"]?[0]?.stringValue)
    case "modules":
      try call.lua.createTable()
      for (index, module) in model.architecture.modules.enumerated() {
        try call.lua.createTable()
        try call.lua.setField("name", to: module.name, at: -1)
        try call.lua.setField("num_layers", to: module.numLayers, at: -1)
        try call.lua.setField("prefix", to: module.layerPrefix, at: -1)
        try call.lua.setElement(index + 1, at: -2)
      }
      return 1
    case "metadata":
      try call.lua.createTable()
      for (key, value) in model.metadata { try call.lua.setField(key, to: value, at: -1) }
      return 1
    case "config":
      return try call.result(model.config)
    default:
      if let field = extraFields[call.fieldName] { return try field(call) }
      throw call.unknownField(
        of: "model", known: call.lua.methodNames(of: type) + Self.fields + Array(extraFields.keys))
    }
  }
}
