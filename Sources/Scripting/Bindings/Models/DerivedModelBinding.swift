import Architectures
import Basics
import Lua
import Merging
import Tensors
import Tokenizers

/// The function that makes a model of tables and functions of Lua, in which mk.merge, mk.stack and their like
/// all end.
final class DerivedModelBinding: Binding {
  private let models: ModelBinding
  private let vocabularies: VocabularyBinding
  private let gguf: GGUFBinding

  init(in setup: BindingSetup) throws {
    (models, vocabularies, gguf) = try (setup.binding(), setup.binding(), setup.binding())
  }

  var functions: [String: LuaFunction] {
    ["define_model": { call in try self.define(call) }]
  }

  /// `define_model{label=, names=, like=, sources=, dtype=, layers=, methods=, base=, config=,
  /// config_values=, config_removed=, whole_config=, files=, adapter_config=, tokenizer=, chat_template=, specify=,
  /// build=}`.
  private func define(_ call: LuaCall) throws -> Int {
    let lua = call.lua
    try call.table(1)
    func names(_ key: String) throws -> [String] {
      var found: [String] = []
      try lua.pushField(key, at: 1)
      try lua.forEachElement(at: -1) { _ in if let name = lua.string(at: -1) { found.append(name) } }
      lua.pop()
      return found
    }
    func sources(_ key: String) throws -> [any LazyModel] {
      var found: [any LazyModel] = []
      try lua.pushField(key, at: 1)
      try lua.forEachElement(at: -1) { element in
        guard let model = models.model(at: -1, in: lua) else {
          throw LuaError("\(key)[\(element)]: model expected, got \(lua.typeName(at: -1))")
        }
        found.append(model)
      }
      lua.pop()
      return found
    }
    try lua.pushField("like", at: 1)
    guard let like = models.model(at: -1, in: lua) else {
      throw LuaError("like: model expected, got \(lua.typeName(at: -1))")
    }
    lua.pop()
    guard let build = try lua.field("build", at: 1).function else {
      throw LuaError("build: function expected, got \(try Self.kind("build", lua))")
    }
    let specify = try lua.field("specify", at: 1).function
    let dtype = try lua.field("dtype", at: 1).string.map(DType.named)
    unowned let state = lua
    let position = lua.userPosition
    let models = models
    let newTokenizer = try tokenizer(lua)
    let definition = DerivedModel.Definition(
      label: try lua.field("label", at: 1).string ?? "a model", names: try names("names"), like: like,
      sources: try sources("sources"), dtype: dtype, layers: try layers(lua), rules: try Self.rules(lua),
      methods: try Self.methods(lua),
      base: try base(lua), vocabulary: try Self.vocabulary(lua),
      configValues: try Self.configValues(lua) + names("config_removed").map { (key: $0, value: nil) },
      config: try wholeConfig(lua), files: try files(lua), adapterConfig: try Self.adapterConfig(lua),
      tokenizer: newTokenizer,
      tokenIDs: try newTokenizer.flatMap { new in
        // The same tokenizer has the same ids.
        guard let old = try vocabularies.files(of: like), old !== new else { return nil }
        return TokenIDs(from: old.vocabulary, to: new)
      },
      chatTemplate: try lua.field("chat_template", at: 1).string, metadata: try Self.metadata(lua),
      specify: { name in
        guard let specify else { return nil }
        return try models.building(name, position) {
          try state.withBalancedStack {
            try state.push(specify)
            try state.push(name)
            try state.call(arguments: 1, results: 1)
            return try Self.specification(state)
          }
        }
      },
      build: { name in
        try models.building(name, position) {
          try models.context.work.withStream(name) {
            try state.withBalancedStack {
              try state.push(build)
              try state.push(name)
              try models.context.work.notSaving("a merge") { try state.call(arguments: 1, results: 1) }
              return try models.takeTensor("build", state)
            }
          }
        }
      })
    let model = try models.derived(definition)
    if try !definition.layers.isEmpty && lua.field("any_layers", at: 1).boolean != true {
      try model.checkLayers()
    }
    try models.push(model, to: lua)
    return 1
  }

  private static func kind(_ key: String, _ lua: LuaState) throws -> String {
    try lua.pushField(key, at: 1)
    defer { lua.pop() }
    return lua.typeName(at: -1)
  }

  /// `rules`, the table of `stdlib/architectures/layer_keys.lua`.
  private static func rules(_ lua: LuaState) throws -> LayerRules {
    try lua.withBalancedStack {
      guard try lua.pushField("rules", at: 1) == .table else { return .none }
      return LayerRules(try lua.json(at: -1, "rules"))
    }
  }

  /// `layers = { module = { {model, layer}, … } }`.
  private func layers(_ lua: LuaState) throws -> [String: [DerivedModel.Layer]] {
    var found: [String: [DerivedModel.Layer]] = [:]
    try lua.withBalancedStack {
      try lua.pushField("layers", at: 1)
      try lua.forEachPair(at: lua.absolute(-1)) {
        guard let module = lua.string(at: -2) else { return }
        var list: [DerivedModel.Layer] = []
        try lua.forEachElement(at: lua.absolute(-1)) { element in
          let entry = lua.absolute(-1)
          try lua.pushElement(1, at: entry)
          let model = models.model(at: -1, in: lua)
          guard let model, let index = try lua.element(2, at: entry).integer else {
            throw LuaError("layers.\(module)[\(element)]: {model, layer} expected")
          }
          let name = try lua.element(3, at: entry).string ?? module
          list.append(DerivedModel.Layer(model: model, module: name, index: index))
        }
        found[module] = list
      }
    }
    return found
  }

  /// `metadata = { key = "text", … }`; numbers and booleans are written as texts.
  private static func metadata(_ lua: LuaState) throws -> [(key: String, value: String)] {
    try lua.withBalancedStack {
      var found: [(key: String, value: String)] = []
      try lua.pushField("metadata", at: 1)
      guard lua.kind(at: -1) == .table else {
        if lua.kind(at: -1) == .nil { return found }
        throw LuaError("metadata: expected a table, got \(lua.typeName(at: -1))")
      }
      try lua.forEachPair(at: lua.absolute(-1)) {
        guard let key = lua.string(at: -2) else {
          throw LuaError(
            "metadata: expected names with texts, got an entry whose name is a \(lua.typeName(at: -2))")
        }
        guard key != "format" else { throw LuaError("metadata.format: every file has it, and it is 'pt'") }
        let text =
          lua.string(at: -1) ?? lua.integer(at: -1).map { String($0) } ?? lua.number(at: -1).map {
            String($0)
          }
          ?? lua.boolean(at: -1).map { String($0) }
        guard let text else {
          throw LuaError(
            "metadata.\(key): expected a string, number or boolean, got \(lua.typeName(at: -1)) "
              + "(:item() computes a lazy number)")
        }
        found.append((key: key, value: text))
      }
      return found
    }
  }

  /// `methods = { { pretty_name =, reference = }, … }`.
  private static func methods(_ lua: LuaState) throws -> [ModelCard.Method] {
    try lua.withBalancedStack {
      var found: [ModelCard.Method] = []
      try lua.pushField("methods", at: 1)
      try lua.forEachElement(at: lua.absolute(-1)) { element in
        let entry = lua.absolute(-1)
        guard lua.kind(at: entry) == .table, let name = try lua.field("pretty_name", at: entry).string else {
          throw LuaError("methods[\(element)]: { pretty_name =, reference = } expected")
        }
        found.append(
          ModelCard.Method(prettyName: name, reference: try lua.field("reference", at: entry).string))
      }
      return found
    }
  }

  private func base(_ lua: LuaState) throws -> (any LazyModel)? {
    try lua.withBalancedStack {
      guard try lua.pushField("base", at: 1) != .nil else { return nil }
      guard let model = models.model(at: -1, in: lua) else {
        throw LuaError("base: model expected, got \(lua.typeName(at: -1))")
      }
      return model
    }
  }

  /// `whole_config`, all of config.json.
  private func wholeConfig(_ lua: LuaState) throws -> JSON? {
    try lua.withBalancedStack {
      guard try lua.pushField("whole_config", at: 1) == .table else { return nil }
      return try lua.json(at: -1, "whole_config")
    }
  }

  /// `files`, of `gguf_files`.
  private func files(_ lua: LuaState) throws -> (any ModelFiles)? {
    try lua.withBalancedStack {
      guard try lua.pushField("files", at: 1) != .nil else { return nil }
      guard let files = lua.object(at: -1, of: gguf.files) else {
        throw LuaError("files: files of a model expected, got \(lua.typeName(at: -1))")
      }
      return files
    }
  }

  private func tokenizer(_ lua: LuaState) throws -> TokenizerFiles? {
    try lua.withBalancedStack {
      guard try lua.pushField("tokenizer", at: 1) != .nil else { return nil }
      guard let files = vocabularies.files(at: -1, in: lua) else {
        throw LuaError("tokenizer: vocabulary expected, got \(lua.typeName(at: -1))")
      }
      return files
    }
  }

  /// `config = { vocab_size =, tie_word_embeddings = }`.
  private static func vocabulary(_ lua: LuaState) throws -> OutputConfig.Vocabulary {
    var vocabulary = OutputConfig.Vocabulary()
    try lua.withBalancedStack {
      try lua.pushField("config", at: 1)
      try lua.forEachPair(at: lua.absolute(-1)) {
        switch lua.string(at: -2) {
        case "vocab_size":
          guard let size = lua.integer(at: -1), size > 0 else {
            throw LuaError("config.vocab_size: positive integer expected, got \(lua.typeName(at: -1))")
          }
          vocabulary.size = size
        case "tie_word_embeddings":
          guard let isTied = lua.boolean(at: -1) else {
            throw LuaError("config.tie_word_embeddings: boolean expected, got \(lua.typeName(at: -1))")
          }
          vocabulary.isTied = isTied
        case let key:
          throw LuaError("config: unknown key '\(key ?? "?")', expected vocab_size or tie_word_embeddings")
        }
      }
    }
    return vocabulary
  }

  /// `config_values = { key = value, … }`.
  private static func configValues(_ lua: LuaState) throws -> [(key: String, value: JSON?)] {
    var values: [(key: String, value: JSON?)] = []
    try lua.withBalancedStack {
      try lua.pushField("config_values", at: 1)
      try lua.forEachPair(at: lua.absolute(-1)) {
        guard lua.kind(at: -2) == .string, let key = lua.string(at: -2) else {
          throw LuaError("config_values: names as keys expected, got a list")
        }
        values.append((key, try lua.json(at: -1, "config_values.\(key)")))
      }
    }
    return values
  }

  /// `adapter_config = { r =, lora_alpha =, … }`.
  private static func adapterConfig(_ lua: LuaState) throws -> JSON? {
    try lua.withBalancedStack {
      guard try lua.pushField("adapter_config", at: 1) != .nil else { return nil }
      return try lua.json(at: -1, "adapter_config")
    }
  }

  private static func specification(_ lua: LuaState) throws -> TensorSpecification? {
    guard lua.kind(at: -1) == .table else { return nil }
    let table = lua.absolute(-1)
    var sizes: [Int] = []
    try lua.pushField("shape", at: table)
    try lua.forEachElement(at: lua.absolute(-1)) { _ in sizes.append(lua.integer(at: -1) ?? -1) }
    let dtype = try DType.named(lua.field("dtype", at: table).string ?? "float32")
    return TensorSpecification(shape: try Shape(checking: sizes), dtype: dtype)
  }
}
