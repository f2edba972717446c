import Basics
import Lua
import Tokenizers

/// The userdata type `vocabulary`: the tokens of a tokenizer, and the files that go with them.
enum VocabularyBinding {
  static func makeType(in lua: LuaState, _ context: ScriptContext) throws {
    let methods = methods(context)
    let names = methods.keys.sorted() + ["name", "size", "count"]
    context.vocabularyType = try lua.makeObjectType(
      LuaTypeDefinition(
        name: "vocabulary", methods: methods,
        getter: { call in
          let files = try call.object(1, of: context.vocabularyType)
          let key = call.kind(2) == .string ? try call.string(2) : ""
          switch key {
          case "name": return try call.result(files.label)
          case "size": return try call.result(files.vocabulary.end)
          case "count": return try call.result(files.vocabulary.count)
          default:
            let hint = nearestName(to: key, among: names).map { " (did you mean '\($0)'?)" } ?? ""
            throw LuaError("a vocabulary has no field or method '\(key)'\(hint)")
          }
        },
        metamethods: [
          "__tostring": { call in
            let files = try call.object(1, of: context.vocabularyType)
            return try call.result("vocabulary of \(files.vocabulary.count) tokens like '\(files.label)'")
          },
          "__eq": { call in
            let both = [1, 2].map { call.lua.object(at: $0, of: context.vocabularyType) }
            return try call.result(both[0] != nil && both[0] === both[1])
          },
        ]), of: TokenizerFiles.self)
  }

  static func push(_ files: TokenizerFiles, to lua: LuaState, _ context: ScriptContext) throws -> Int {
    try lua.push(object: files, of: context.vocabularyType)
    return 1
  }

  /// The most ids that a list is made for, far beyond any vocabulary.
  private static let largestListed = 1 << 24

  private static func methods(_ context: ScriptContext) -> [String: LuaFunction] {
    func files(_ call: LuaCall, _ argument: Int) throws -> TokenizerFiles {
      try call.object(argument, of: context.vocabularyType)
    }
    return [
      "token_to_id": { call in try call.result(files(call, 1).vocabulary.id(of: call.string(2))) },
      "id_to_token": { call in try call.result(files(call, 1).vocabulary.text(of: call.integer(2))) },
      // The tokens by their ids' order, with the ids.
      "tokens": { call in
        let vocabulary = try files(call, 1).vocabulary
        try call.lua.push(vocabulary.texts)
        try call.lua.push(vocabulary.ids)
        return 2
      },
      // For each id from 0 on, at its place in a list, the id of its token in another vocabulary; -1 where
      // that lacks it, -2 where no token has the id.
      "ids_in": { call in
        let (own, other) = try (files(call, 1).vocabulary, files(call, 2).vocabulary)
        guard own.end <= largestListed else {
          throw LuaError("ids_in: a vocabulary with the id \(own.end - 1) cannot be listed")
        }
        return try call.result(own.ids(in: other, lacking: -1, gap: -2))
      },
      // Without the tokens of ids that are not below a limit.
      "strip": { call in try push(files(call, 1).stripped(to: call.integer(2)), to: call.lua, context) },
      // With tokens of these texts as added ones.
      "add": { call in
        var tokens: [AddedToken] = []
        try call.table(2)
        try call.lua.forEachElement(at: 2) { element in
          guard let text = call.lua.string(at: -1) else {
            throw call.argumentError(
              2, "element \(element): string expected, got \(call.lua.typeName(at: -1))")
          }
          tokens.append(AddedToken(text))
        }
        return try push(files(call, 1).adding(tokens), to: call.lua, context)
      },
      // With the tokens of others; and the texts of added tokens that have different settings.
      "union": { call in
        var others: [TokenizerFiles] = []
        try call.table(2)
        try call.lua.forEachElement(at: 2) { element in
          guard let other = call.lua.object(at: -1, of: context.vocabularyType) else {
            throw call.argumentError(
              2, "element \(element): vocabulary expected, got \(call.lua.typeName(at: -1))")
          }
          others.append(other)
        }
        let (union, differing) = try files(call, 1).union(with: others)
        _ = try push(union, to: call.lua, context)
        try call.lua.push(differing)
        return 2
      },
      "shared_count": { call in try call.result(files(call, 1).sharedCount(with: files(call, 2))) },
    ]
  }
}
