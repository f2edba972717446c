import Lua
import Merging
import SystemPackage
import Tokenizers

/// The userdata type `vocabulary`: the tokens of a tokenizer, and the files that go with them.
final class VocabularyBinding: Binding {
  private(set) var type: LuaObjectType<TokenizerFiles>!
  private let models: ModelBinding
  /// Tokenizers that were read, by their directories.
  private var read: [FilePath: TokenizerFiles] = [:]

  init(in setup: BindingSetup) throws {
    models = try setup.binding()
    type = try setup.lua.makeObjectType(
      LuaTypeDefinition(
        name: "vocabulary", methods: methods, getter: { call in try self.field(call) },
        metamethods: metamethods), of: TokenizerFiles.self)
    // The tokens of a model's tokenizer; nil if it has none.
    try setup.lua.addMethods(
      [
        "vocabulary": { call in
          guard let files = try self.files(of: self.models.model(call, 1)) else {
            return try call.result(String?.none)
          }
          return try self.push(files, to: call.lua)
        }
      ], to: models.type)
  }

  var functions: [String: LuaFunction] {
    ["is_vocabulary": { call in try call.result(call.count > 0 && self.files(at: 1, in: call.lua) != nil) }]
  }

  /// The tokenizer of a model, if it has one; its files are read once.
  func files(of model: any LazyModel) throws -> TokenizerFiles? {
    let companions = model.companions
    if let new = companions.tokenizer { return new }
    if let known = read[companions.files.path] { return known }
    let found = try TokenizerFiles(in: companions.files, label: companions.label)
    read[companions.files.path] = found
    return found
  }

  private func push(_ files: TokenizerFiles, to lua: LuaState) throws -> Int {
    try lua.push(object: files, of: type)
    return 1
  }

  /// The vocabulary at a stack index; `nil` for every other value.
  func files(at index: Int, in lua: LuaState) -> TokenizerFiles? { lua.object(at: index, of: type) }

  private func files(_ call: LuaCall, _ argument: Int) throws -> TokenizerFiles {
    try call.object(argument, of: type)
  }

  private func field(_ call: LuaCall) throws -> Int {
    let files = try files(call, 1)
    switch call.fieldName {
    case "name": return try call.result(files.label)
    case "size": return try call.result(files.vocabulary.end)
    case "count": return try call.result(files.vocabulary.count)
    default:
      throw call.unknownField(
        of: "vocabulary", known: call.lua.methodNames(of: type) + ["name", "size", "count"])
    }
  }

  private var metamethods: [String: LuaFunction] {
    [
      "__tostring": { call in
        let files = try self.files(call, 1)
        return try call.result("vocabulary of \(files.vocabulary.count) tokens like '\(files.label)'")
      },
      "__eq": { call in
        let both = [1, 2].map { self.files(at: $0, in: call.lua) }
        return try call.result(both[0] != nil && both[0] === both[1])
      },
    ]
  }

  /// The most ids that a list is made for, far beyond any vocabulary.
  private static let largestListed = 1 << 24

  private var methods: [String: LuaFunction] {
    [
      "token_to_id": { call in try call.result(self.files(call, 1).vocabulary.id(of: call.string(2))) },
      "id_to_token": { call in try call.result(self.files(call, 1).vocabulary.text(of: call.integer(2))) },
      // The tokens by their ids' order, with the ids.
      "tokens": { call in
        let vocabulary = try self.files(call, 1).vocabulary
        try call.lua.push(vocabulary.texts)
        try call.lua.push(vocabulary.ids)
        return 2
      },
      // For each id from 0 on, at its place in a list, the id of its token in another vocabulary; -1 where
      // that lacks it, -2 where no token has the id.
      "ids_in": { call in
        let (own, other) = try (self.files(call, 1).vocabulary, self.files(call, 2).vocabulary)
        guard own.end <= Self.largestListed else {
          throw LuaError("ids_in: a vocabulary with the id \(own.end - 1) cannot be listed")
        }
        return try call.result(own.ids(in: other, lacking: -1, gap: -2))
      },
      // Without the tokens of ids that are not below a limit.
      "strip": { call in try self.push(self.files(call, 1).stripped(to: call.integer(2)), to: call.lua) },
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
        return try self.push(self.files(call, 1).adding(tokens), to: call.lua)
      },
      // With the tokens of others; and the texts of added tokens that have different settings.
      "union": { call in
        var others: [TokenizerFiles] = []
        try call.table(2)
        try call.lua.forEachElement(at: 2) { element in
          guard let other = self.files(at: -1, in: call.lua) else {
            throw call.argumentError(
              2, "element \(element): vocabulary expected, got \(call.lua.typeName(at: -1))")
          }
          others.append(other)
        }
        let (union, differing) = try self.files(call, 1).union(with: others)
        _ = try self.push(union, to: call.lua)
        try call.lua.push(differing)
        return 2
      },
      "shared_count": { call in try call.result(self.files(call, 1).sharedCount(with: self.files(call, 2))) },
    ]
  }
}
