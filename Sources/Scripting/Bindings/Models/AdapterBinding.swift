import Basics
import Lua
import Merging
import SystemPackage
import Tokenizers

/// What the Lua half needs to put adapters on models: their files, references that name them, and the patterns of
/// their configs.
final class AdapterBinding: Binding {
  private let models: ModelBinding
  /// Patterns that were compiled.
  private var patterns: [String: RegularExpression] = [:]

  init(in setup: BindingSetup) throws {
    models = try setup.binding()
    let models = models
    models.addField("is_adapter") { call in try call.result(models.model(call, 1).adapterConfig != nil) }
    // Whether a checkpoint was saved with an adapter still in it, and the adapter's config beside it.
    models.addField("holds_adapter") { call in
      try call.result(models.model(call, 1).names.contains { $0.hasSuffix(".base_layer.weight") })
    }
    models.addField("adapter_config") { call in
      let model = try models.model(call, 1)
      if let config = model.adapterConfig { return try call.result(config) }
      let files = model.provenance.original?.checkpoint.modelFiles
      return try call.result(files?.optionalJSON("adapter_config.json"))
    }
  }

  var functions: [String: LuaFunction] {
    [
      // An adapter as a model of its own tensors, whose config is adapter_config.json.
      "adapter": { call in
        try self.models.push(self.models.adapter(call.string(1)), to: call.lua)
        return 1
      },
      // The model that a reference names, and after it the adapters that are put on it.
      "reference_parts": { call in
        let reference = ModelReference(parsing: try call.string(1)) {
          (try? DirectoryFiles.isPresent(FilePath($0))) ?? true
        }
        return try call.result(([reference.base] + reference.adapters).map(\.text))
      },
      "matches": { call in try call.result(self.matches(call.string(1), call.string(2))) },
      // Gives models a method that is written in Lua.
      "add_model_method": { call in
        let (name, function) = (try call.string(1), try call.function(2))
        guard !call.lua.methodNames(of: self.models.type).contains(name) else {
          throw call.argumentError(1, "models have a method '\(name)' already")
        }
        try call.lua.addMethods([name: Self.calling(function)], to: self.models.type)
        return 0
      },
    ]
  }

  private static func calling(_ function: LuaReference) -> LuaFunction {
    { call in
      let count = call.count
      try call.lua.push(function)
      for argument in 0..<count { try call.lua.pushCopy(of: 1 + argument) }
      try call.lua.call(arguments: count, results: 1)
      return 1
    }
  }

  /// Whether a pattern matches somewhere in a text.
  private func matches(_ pattern: String, _ text: String) throws -> Bool {
    let expression: RegularExpression
    if let known = patterns[pattern] {
      expression = known
    } else {
      do { expression = try RegularExpression(pattern) } catch { throw LuaError(Diagnostic(error)) }
      patterns[pattern] = expression
    }
    var isFound = false
    var text = text
    try text.withUTF8 { bytes in try expression.forEachMatch(in: bytes) { _ in isFound = true } }
    return isFound
  }
}
