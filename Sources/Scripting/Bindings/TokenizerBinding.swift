import Basics
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

/// The userdata type `tokenizer`: what a model's field of that name gives.
enum TokenizerBinding {
  static func makeType(in lua: LuaState, _ context: ScriptContext) throws {
    let methods = methods(context)
    let names = methods.keys.sorted() + ["size", "special", "vocab"]
    context.tokenizerType = try lua.makeObjectType(
      LuaTypeDefinition(
        name: "tokenizer", methods: methods,
        getter: { call in try field(call, context, names) },
        metamethods: [
          "__tostring": { call in
            let count = try call.object(1, of: context.tokenizerType).tokenizer.count
            return try call.result("tokenizer of \(count) tokens")
          },
          // The same tokenizer, though each time that a script gets it makes a new userdata.
          "__eq": { call in
            let both = [1, 2].map { call.lua.object(at: $0, of: context.tokenizerType) }
            return try call.result(both[0] != nil && both[0] === both[1])
          },
        ]), of: TokenizerHandle.self)
  }

  /// Pushes the tokenizer that a model is written with; the same one each time.
  static func push(of model: any LazyModel, to lua: LuaState, _ context: ScriptContext) throws {
    try lua.push(object: handle(of: model, context), of: context.tokenizerType)
  }

  private static func handle(of model: any LazyModel, _ context: ScriptContext) throws -> TokenizerHandle {
    if let files = model.newTokenizer {
      if let known = context.newTokenizerHandles[ObjectIdentifier(files)] { return known }
      let handle = TokenizerHandle(try Tokenizer(files), of: files)
      context.newTokenizerHandles[ObjectIdentifier(files)] = handle
      return handle
    }
    guard let directory = model.companionDirectory else {
      throw LuaError("model '\(model.label)' has no directory with a tokenizer")
    }
    if let known = context.tokenizerHandles[directory] { return known }
    let handle = TokenizerHandle(try Tokenizer(contentsOf: directory))
    context.tokenizerHandles[directory] = handle
    return handle
  }

  // MARK: Fields

  private static func field(_ call: LuaCall, _ context: ScriptContext, _ names: [String]) throws -> Int {
    let handle = try call.object(1, of: context.tokenizerType)
    let key = call.kind(2) == .string ? try call.string(2) : ""
    switch key {
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
      let hint = nearestName(to: key, among: names).map { " (did you mean '\($0)'?)" } ?? ""
      throw LuaError("a tokenizer has no field or method '\(key)'\(hint)")
    }
  }

  // MARK: Methods

  private static func methods(_ context: ScriptContext) -> [String: LuaFunction] {
    func tokenizer(_ call: LuaCall) throws -> Tokenizer {
      try call.object(1, of: context.tokenizerType).tokenizer
    }
    return [
      "encode": { call in
        let ids = try tokenizer(call).encode(call.string(2), addSpecialTokens: option("special", call))
        return try call.result(ids)
      },
      "decode": { call in
        let tokenizer = try tokenizer(call)
        _ = try call.table(2)
        var ids: [Int] = []
        try call.lua.forEachElement(at: 2) { element in
          guard let id = call.lua.integer(at: -1) else {
            throw call.argumentError(2, "[\(element)]: token id expected, got \(call.lua.typeName(at: -1))")
          }
          ids.append(id)
        }
        return try call.result(
          tokenizer.decode(ids, skipSpecialTokens: option("skip_special", call)))
      },
      "token_to_id": { call in try call.result(tokenizer(call).tokenToID(call.string(2))) },
      "id_to_token": { call in try call.result(tokenizer(call).idToToken(call.integer(2))) },
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
