import Basics
import Lua
import Merging
import SystemPackage
import Tensors
import Tokenizers

/// Methods of models.
extension ModelBinding {
  var methods: [String: LuaFunction] {
    [
      "names": { call in try call.result(self.model(call, 1).names) },
      "has": { call in
        try call.result(self.model(call, 1).has(call.string(2)))
      },
      "tensor": { call in
        try self.tensors.result(self.model(call, 1).expression(for: call.string(2)), call)
      },
      "tensors": { call in
        // Lua's for loop calls the iterator with the model and the name before.
        try call.lua.push(self.nextTensor)
        try call.lua.pushCopy(of: 1)
        return 2
      },
      "resolve": { call in
        try call.result(self.model(call, 1).resolve(call.string(2)))
      },
      "chat_template": { call in
        try call.result(self.model(call, 1).companions.chatTemplate)
      },
      // Whether its files have a tokenizer, or it has a new one.
      "has_tokenizer": { call in
        let companions = try self.model(call, 1).companions
        return try call.result(
          companions.tokenizer != nil || CompanionFiles.hasTokenizer(in: companions.files))
      },
      // Whether both have tokenizers that are not read, in equal files.
      "has_same_unread_tokenizer": { call in
        let companions = try [1, 2].map { try self.model(call, $0).companions }
        return try call.result(
          companions.allSatisfy { $0.tokenizer == nil }
            && TokenizerFiles.areEqualUnread(companions[0].files, companions[1].files))
      },
      "has_same_names": { call in
        let models = try [1, 2].map { try self.model(call, $0) }
        let (first, second) = (models[0], models[1])
        return try call.result(
          first === second || first.names.count == second.names.count && second.names.allSatisfy(first.has))
      },
      // The shape and the dtype alone, which cost less than all of `info`.
      "specification": { call in
        let specification = try self.model(call, 1).requireSpecification(of: call.string(2))
        try self.tensors.pushShape(specification.shape, to: call.lua)
        try call.lua.push(specification.dtype.torchName)
        return 2
      },
      "info": { call in
        try self.pushInfo(call.string(2), of: self.model(call, 1), to: call.lua)
        return 1
      },
      "map": { call in try self.map(call) },
      "save": { call in try self.save(call) },
    ]
  }

  private func save(_ call: LuaCall) throws -> Int {
    let options = try saveOptions(call, 3)
    try context.work.requireSaving()
    do {
      try context.host.save(
        Output(model(call, 1), path: FilePath(call.string(2)), options: options))
    } catch TensorError.cancelled { throw LuaError.interrupted }
    return 0
  }

  private func saveOptions(_ call: LuaCall, _ argument: Int) throws -> OutputOptions {
    var options = context.host.outputOptions
    guard !call.isAbsent(argument) else { return options }
    try call.table(argument)
    try call.lua.forEachPair(at: argument) {
      switch call.lua.string(at: -2) {
      case "dtype":
        guard let name = call.lua.string(at: -1) else {
          throw call.argumentError(
            argument, "dtype: string expected, got \(call.lua.typeName(at: -1))")
        }
        options.dtype = try DType.computed(named: name, operation: "save")
      case "shard_size":
        options.maximumShardBytes =
          try call.lua.integer(at: -1) ?? ByteSize.parse(call.lua.string(at: -1) ?? "")
      case "force": if call.lua.isTruthy(at: -1) { options.policy = .replace }
      case let key:
        throw call.argumentError(
          argument, "unknown option '\(key ?? "?")', expected dtype, shard_size or force")
      }
    }
    return options
  }

  /// The name and the tensor after a name; nothing after the last.
  func next(_ call: LuaCall) throws -> Int {
    let handle = try call.object(1, of: type)
    let position = try call.optional(2, call.string).map { handle.positions[$0, default: -1] + 1 } ?? 0
    guard position < handle.model.names.count else { return 0 }
    let name = handle.model.names[position]
    try call.lua.push(name)
    return try 1 + tensors.result(handle.model.expression(for: name), call)
  }

  /// Pushes what is known of a tensor: the fields of `info` in rules and methods.
  func pushInfo(_ name: String, of model: any LazyModel, to lua: LuaState) throws {
    let specification = try model.requireSpecification(of: name)
    let shape = specification.shape
    let info = model.architecture.info(for: name, shape: shape.dimensions)
    let layers = model.architecture.module(named: info.module)?.numLayers ?? 0
    try lua.createTable(fields: 10)
    try lua.setField("name", to: name, at: -1)
    try tensors.pushShape(shape, to: lua)
    try lua.setField("shape", at: -2)
    try lua.setField("dtype", to: specification.dtype.torchName, at: -1)
    try lua.setField("kind", to: info.kind.rawValue, at: -1)
    try lua.setField("module", to: info.module, at: -1)
    try lua.setField("template", to: info.template, at: -1)
    try lua.setField("num_layers", to: layers, at: -1)
    try lua.setField("layer", to: info.layer, at: -1)
    try lua.setField("depth", to: info.depth, at: -1)
  }
}
