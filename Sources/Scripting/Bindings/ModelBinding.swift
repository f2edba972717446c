import Basics
import Lua
import Merging
import Tensors

/// The userdata type `model`, and the functions that make models.
enum ModelBinding {
  static func makeType(in lua: LuaState, _ context: ScriptContext) throws {
    let methods = methods(context).merging(InferenceBinding.methods(context)) { $1 }
    let names =
      methods.keys.sorted() + [
        "config", "num_layers", "name", "vocab_size", "modules", "ties_embeddings", "architecture_name",
        "tokenizer",
      ]
    context.modelType = try lua.makeObjectType(
      LuaTypeDefinition(
        name: "model", methods: methods,
        getter: { call in try field(call, context, names) },
        metamethods: [
          "__tostring": { call in
            try call.result("model '\(call.object(1, of: context.modelType).model.label)'")
          },
          // The same model, though each time that a script gets it makes a new userdata.
          "__eq": { call in
            let models = [1, 2].map { call.lua.object(at: $0, of: context.modelType)?.model }
            return try call.result(models[0] != nil && models[0] === models[1])
          },
        ]), of: ModelHandle.self)
    try lua.pushFunction("tensors") { call in try next(call, context) }
    context.nextTensor = lua.popReference()
  }

  static func push(_ model: any LazyModel, to lua: LuaState, _ context: ScriptContext) throws {
    try lua.push(object: ModelHandle(model), of: context.modelType)
  }

  private static func model(_ call: LuaCall, _ argument: Int, _ context: ScriptContext) throws
    -> any LazyModel
  {
    try call.object(argument, of: context.modelType).model
  }

  // MARK: Fields

  private static func field(_ call: LuaCall, _ context: ScriptContext, _ names: [String]) throws -> Int {
    let model = try model(call, 1, context)
    let key = call.kind(2) == .string ? try call.string(2) : ""
    switch key {
    case "name": return try call.result(model.label)
    case "vocab_size": return try call.result(model.vocabularySize)
    case "num_layers": return try call.result(model.architecture.numLayers)
    case "ties_embeddings": return try call.result(model.architecture.tiesEmbeddings)
    case "architecture_name":
      return try call.result(model.config?["architectures"]?[0]?.stringValue)
    case "tokenizer":
      try TokenizerBinding.push(of: model, to: call.lua, context)
      return 1
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
    case "config":
      guard let config = try model.config else { return try call.result(String?.none) }
      try push(config, to: call.lua)
      return 1
    default:
      let hint = nearestName(to: key, among: names).map { " (did you mean '\($0)'?)" } ?? ""
      throw LuaError("a model has no field or method '\(key)'\(hint)")
    }
  }

  /// A JSON value as Lua has it: null is nil, numbers without fraction are integers.
  private static func push(_ json: JSON, to lua: LuaState) throws {
    switch json {
    case .null: try lua.pushNil()
    case .bool(let value): try lua.push(value)
    case .number(let literal):
      if let value = Int(literal) { try lua.push(value) } else { try lua.push(json.doubleValue ?? .nan) }
    case .string(let value): try lua.push(value)
    case .array(let values):
      try lua.createTable(elements: values.count)
      for (index, value) in values.enumerated() {
        try push(value, to: lua)
        try lua.setElement(index + 1, at: -2)
      }
    case .object(let object):
      try lua.createTable(fields: object.count)
      for (key, value) in object {
        try push(value, to: lua)
        try lua.setField(key, at: -2)
      }
    }
  }

  // MARK: Methods

  private static func methods(_ context: ScriptContext) -> [String: LuaFunction] {
    [
      "names": { call in try call.result(model(call, 1, context).names) },
      "has": { call in
        try call.result(model(call, 1, context).has(call.string(2)))
      },
      "tensor": { call in
        try context.result(model(call, 1, context).expression(for: call.string(2)), call)
      },
      "tensors": { call in
        // Lua's for loop calls the iterator with the model and the name before.
        try call.lua.push(context.nextTensor)
        try call.lua.pushCopy(of: 1)
        return 2
      },
      "resolve": { call in
        try call.result(model(call, 1, context).resolve(call.string(2)))
      },
      "chat_template": { call in
        try call.result(model(call, 1, context).chatTemplate)
      },
      // The tokens of its tokenizer; nil if it has none.
      "vocabulary": { call in
        guard let files = try context.tokenizer(of: model(call, 1, context)) else {
          return try call.result(String?.none)
        }
        return try VocabularyBinding.push(files, to: call.lua, context)
      },
      "has_same_names": { call in
        let models = try [1, 2].map { try model(call, $0, context) }
        let (first, second) = (models[0], models[1])
        return try call.result(
          first === second || first.names.count == second.names.count && second.names.allSatisfy(first.has))
      },
      // The shape and the dtype alone, which cost less than all of `info`.
      "specification": { call in
        let specification = try model(call, 1, context).requireSpecification(of: call.string(2))
        try call.lua.push(specification.shape.dimensions)
        try call.lua.push(specification.dtype.torchName)
        return 2
      },
      "info": { call in
        let model = try model(call, 1, context)
        try pushInfo(call.string(2), of: model, to: call.lua)
        return 1
      },
      "map": { call in try map(call, context) },
      "save": { call in
        var options = ScriptContext.SaveOptions()
        if !call.isAbsent(3) {
          try call.table(3)
          try call.lua.forEachPair(at: 3) {
            switch call.lua.string(at: -2) {
            case "dtype":
              guard let name = call.lua.string(at: -1) else {
                throw call.argumentError(
                  3, "dtype: string expected, got \(call.lua.typeName(at: -1))")
              }
              options.dtype = try ScriptContext.computedDType(named: name, operation: "save")
            case "shard_size":
              options.maximumShardBytes =
                try call.lua.integer(at: -1) ?? ByteSize.parse(call.lua.string(at: -1) ?? "")
            case "force": options.force = call.lua.isTruthy(at: -1)
            case let key:
              throw call.argumentError(
                3, "unknown option '\(key ?? "?")', expected dtype, shard_size or force")
            }
          }
        }
        try context.requireSaving()
        do {
          try context.save(model(call, 1, context), call.string(2), options)
        } catch TensorError.cancelled { throw LuaError.interrupted }
        return 0
      },
    ]
  }

  /// The name and the tensor after a name; nothing after the last.
  private static func next(_ call: LuaCall, _ context: ScriptContext) throws -> Int {
    let handle = try call.object(1, of: context.modelType)
    let position = try call.optional(2, call.string).map { handle.positions[$0, default: -1] + 1 } ?? 0
    guard position < handle.model.names.count else { return 0 }
    let name = handle.model.names[position]
    try call.lua.push(name)
    return try 1 + context.result(handle.model.expression(for: name), call)
  }

  /// Pushes what is known of a tensor: the fields of `info` in rules and methods.
  private static func pushInfo(_ name: String, of model: any LazyModel, to lua: LuaState) throws {
    let specification = try model.requireSpecification(of: name)
    let shape = specification.shape
    let info = model.architecture.info(for: name, shape: shape.dimensions)
    let layers = model.architecture.module(named: info.module)?.numLayers ?? 0
    try lua.createTable(fields: 10)
    try lua.setField("name", to: name, at: -1)
    try lua.setField("shape", to: shape.dimensions, at: -1)
    try lua.setField("dtype", to: specification.dtype.torchName, at: -1)
    try lua.setField("kind", to: info.kind.rawValue, at: -1)
    try lua.setField("module", to: info.module, at: -1)
    try lua.setField("template", to: info.template, at: -1)
    try lua.setField("num_layers", to: layers, at: -1)
    try lua.setField("layer", to: info.layer, at: -1)
    try lua.setField("depth", to: info.depth, at: -1)
  }

  /// `m:map(function(tensor, info) … end)`.
  private static func map(_ call: LuaCall, _ context: ScriptContext) throws -> Int {
    let source = try model(call, 1, context)
    let function = try call.function(2)
    unowned let lua = call.lua
    let position = lua.userPosition
    let definition = DerivedModel.Definition(
      label: source.label.hasSuffix(" (mapped)") ? source.label : "\(source.label) (mapped)",
      names: source.names, like: source, sources: [source]
    ) { name in
      try building(name, position, context) {
        try context.withStream(name) {
          try lua.withBalancedStack {
            let tensor = try source.expression(for: name)
            try lua.push(function)
            try context.push(tensor, to: lua)
            try pushInfo(name, of: source, to: lua)
            try context.notSaving("a function given to map") { try lua.call(arguments: 2, results: 1) }
            return try takeTensor("the function given to map", lua, context)
          }
        }
      }
    }
    try push(DerivedModel(definition, graph: context.graph), to: call.lua, context)
    return 1
  }

  // MARK: Functions that make models

  static func functions(_ context: ScriptContext) -> [String: LuaFunction] {
    [
      "model": { call in
        let reference = try call.string(1)
        if let known = context.checkpoints[reference] {
          try push(known, to: call.lua, context)
          return 1
        }
        let model = try CheckpointModel(reference: reference, graph: context.graph)
        context.checkpoints[reference] = model
        try push(model, to: call.lua, context)
        return 1
      },
      "is_model": { call in
        try call.result(call.count > 0 && call.lua.object(at: 1, of: context.modelType) != nil)
      },
      "is_vocabulary": { call in
        try call.result(call.count > 0 && call.lua.object(at: 1, of: context.vocabularyType) != nil)
      },
      "is_tensor": { call in
        try call.result(call.count > 0 && call.lua.handle(at: 1, of: context.tensorType) != nil)
      },
      "define_model": { call in try DerivedModelBinding.define(call, context) },
    ]
  }

  // MARK: Tensors of models that scripts make

  /// The tensor on top of the stack, with a reference for the caller.
  static func takeTensor(_ giver: String, _ lua: LuaState, _ context: ScriptContext) throws -> NodeID {
    guard let handle = lua.handle(at: -1, of: context.tensorType) else {
      throw LuaError("\(giver) gave a \(lua.typeName(at: -1)), expected a tensor")
    }
    let node = NodeID(index: Int32(bitPattern: UInt32(handle)))
    context.graph.retain(node)
    return node
  }

  /// Errors on the way to a tensor say which it is, and the line that asked for it if they have none.
  static func building<Result>(
    _ name: String, _ position: String?, _ context: ScriptContext, _ body: () throws -> Result
  ) throws -> Result {
    let outer = context.buildPosition
    context.buildPosition = position
    defer { context.buildPosition = outer }
    do {
      return try body()
    } catch TensorError.cancelled {
      throw LuaError.interrupted
    } catch var error as LuaError {
      if error.file == nil, !error.kind.isFatal { error = LuaError.located(error.message, position) }
      throw MergeError.locate(error, inTensor: name)
    } catch {
      throw MergeError.locate(LuaError.located("\(error)", position), inTensor: name)
    }
  }
}
