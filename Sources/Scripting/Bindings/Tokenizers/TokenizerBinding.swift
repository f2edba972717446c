import Lua
import Merging
import SystemPackage
import Tokenizers

/// A tokenizer in a script's hands.
final class TokenizerHandle {
  let tokenizer: Tokenizer
  /// The changed files that it was made of, kept as long as it is known by them.
  private let files: TokenizerFiles?
  /// The table of `vocab`, made when it is first asked for.
  fileprivate var vocabulary: LuaReference?

  init(_ tokenizer: Tokenizer, of files: TokenizerFiles? = nil) {
    self.tokenizer = tokenizer
    self.files = files
  }
}

/// The userdata type `tokenizer`, and the field of models that gives it.
final class TokenizerBinding: Binding {
  private var type: LuaObjectType<TokenizerHandle>!
  /// What encodes, by the directories whose files it was read from.
  private var read: [FilePath: TokenizerHandle] = [:]
  /// The same for changed tokenizers.
  private var changed: [ObjectIdentifier: TokenizerHandle] = [:]

  init(in setup: BindingSetup) throws {
    let models = try setup.binding(ModelBinding.self)
    type = try setup.lua.makeObjectType(
      LuaTypeDefinition(
        name: "tokenizer", methods: methods, getter: { call in try self.field(call) },
        metamethods: metamethods), of: TokenizerHandle.self)
    models.addField("tokenizer") { call in
      try call.result(object: self.handle(of: models.model(call, 1)), of: self.type)
    }
  }

  /// The tokenizer that a model is written with; the same one each time.
  private func handle(of model: any LazyModel) throws -> TokenizerHandle {
    let companions = model.companions
    if let files = companions.tokenizer {
      if let known = changed[ObjectIdentifier(files)] { return known }
      let handle = TokenizerHandle(try Tokenizer(files), of: files)
      changed[ObjectIdentifier(files)] = handle
      return handle
    }
    let path = companions.files.path
    if let known = read[path] { return known }
    let handle = TokenizerHandle(try Tokenizer(contentsOf: companions.files))
    read[path] = handle
    return handle
  }

  private var metamethods: [String: LuaFunction] {
    [
      "__tostring": { call in
        try call.result("tokenizer of \(call.object(1, of: self.type).tokenizer.count) tokens")
      },
      // The same tokenizer, though each time that a script gets it makes a new userdata.
      "__eq": { call in
        let both = [1, 2].map { call.lua.object(at: $0, of: self.type) }
        return try call.result(both[0] != nil && both[0] === both[1])
      },
    ]
  }

  // MARK: Fields

  private func field(_ call: LuaCall) throws -> Int {
    let handle = try call.object(1, of: type)
    switch call.fieldName {
    case "size": return try call.result(handle.tokenizer.count)
    case "special":
      try call.lua.createTable()
      for role in SpecialTokens.Role.allCases {
        guard let token = handle.tokenizer.specialTokens[role] else { continue }
        try call.lua.setField(role.rawValue, to: token, at: -1)
      }
      return 1
    case "vocab":
      if handle.vocabulary == nil {
        let vocabulary = handle.tokenizer.vocabulary
        try call.lua.createTable(fields: vocabulary.count)
        for (token, id) in vocabulary { try call.lua.setField(token, to: id, at: -1) }
        handle.vocabulary = call.lua.popReference()
      }
      try call.lua.push(handle.vocabulary)
      return 1
    default:
      throw call.unknownField(
        of: "tokenizer", known: call.lua.methodNames(of: type) + ["size", "special", "vocab"])
    }
  }

  // MARK: Methods

  private func tokenizer(_ call: LuaCall) throws -> Tokenizer { try call.object(1, of: type).tokenizer }

  private var methods: [String: LuaFunction] {
    [
      "encode": { call in
        let ids = try self.tokenizer(call).encode(
          call.string(2), addSpecialTokens: Self.option("special", call))
        return try call.result(ids)
      },
      "decode": { call in
        let tokenizer = try self.tokenizer(call)
        _ = try call.table(2)
        var ids: [Int] = []
        try call.lua.forEachElement(at: 2) { element in
          guard let id = call.lua.integer(at: -1) else {
            throw call.argumentError(2, "[\(element)]: token id expected, got \(call.lua.typeName(at: -1))")
          }
          ids.append(id)
        }
        return try call.result(
          tokenizer.decode(ids, skipSpecialTokens: Self.option("skip_special", call)))
      },
      "token_to_id": { call in try call.result(self.tokenizer(call).tokenToID(call.string(2))) },
      "id_to_token": { call in try call.result(self.tokenizer(call).idToToken(call.integer(2))) },
    ]
  }

  /// The boolean that the options, argument 3, have by a name; false without it. No other option is known.
  private static func option(_ name: String, _ call: LuaCall) throws -> Bool {
    guard !call.isAbsent(3) else { return false }
    _ = try call.table(3)
    var value = false
    try call.lua.forEachPair(at: 3) {
      guard call.lua.kind(at: -2) == .string, call.lua.string(at: -2) == name else {
        let key = call.lua.string(at: -2) ?? call.lua.typeName(at: -2)
        throw call.argumentError(3, "unknown option '\(key)', expected \(name)")
      }
      guard let flag = call.lua.boolean(at: -1) else {
        throw call.argumentError(3, "\(name): boolean expected, got \(call.lua.typeName(at: -1))")
      }
      value = flag
    }
    return value
  }
}
