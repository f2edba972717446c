import Basics
import Checkpoints
import Lua
import Merging
import Tokenizers

/// What the Lua half needs to make a model of Hugging Face's kind of a GGUF file: its metadata, and files made of it.
final class GGUFBinding: Binding {
  /// Files that are made of metadata.
  private(set) var files: LuaObjectType<GeneratedFiles>!
  private let models: ModelBinding
  /// Vocabularies that were read, by the models' labels.
  private var vocabularies: [String: TokenList] = [:]

  init(in setup: BindingSetup) throws {
    models = try setup.binding()
    files = try setup.lua.makeObjectType(
      LuaTypeDefinition(name: "model files", methods: [:], metamethods: [:]), of: GeneratedFiles.self)
    let models = models
    models.addField("is_gguf") { call in
      try call.result(models.model(call, 1).provenance.original?.checkpoint.gguf != nil)
    }
  }

  var functions: [String: LuaFunction] {
    [
      // A value of a file's metadata; nil if there is none.
      "gguf_value": { call in try call.result(self.metadata(call).json(call.string(2))) },
      // How many elements the list of a key has; nil if it is none.
      "gguf_count": { call in try call.result(self.metadata(call).count(of: call.string(2))) },
      // The text of a token, nil if there is none.
      "gguf_token": { call in
        let tokens = try self.vocabulary(call).tokens
        guard let id = call.lua.integer(at: 2), tokens.indices.contains(id) else {
          return try call.result(String?.none)
        }
        return try call.result(tokens[id])
      },
      "gguf_files": { call in try self.makeFiles(call) },
    ]
  }

  private func metadata(_ call: LuaCall) throws -> GGUFMetadata {
    guard let metadata = try models.model(call, 1).provenance.original?.checkpoint.gguf else {
      throw call.argumentError(1, "expected a model of a GGUF file")
    }
    return metadata
  }

  private func vocabulary(_ call: LuaCall) throws -> TokenList {
    let (label, metadata) = (try models.model(call, 1).label, try metadata(call))
    if let known = vocabularies[label] { return known }
    let list = try Self.tokens(of: metadata)
    vocabularies[label] = list
    return list
  }

  /// Tokens, types, scores and merges by the keys of docs/gguf.md.
  private static func tokens(of metadata: GGUFMetadata) throws -> TokenList {
    func numbers(_ key: String) throws -> [Double]? {
      try metadata.count(of: key).map { _ in try metadata.numbers(key) }
    }
    let tokens = try metadata.texts("tokenizer.ggml.tokens")
    let merges = try metadata.count(of: "tokenizer.ggml.merges").map { _ in
      try metadata.texts("tokenizer.ggml.merges")
    }
    return try TokenList(
      tokens: tokens, kinds: numbers("tokenizer.ggml.token_type"), scores: numbers("tokenizer.ggml.scores"),
      merges: merges)
  }

  /// `gguf_files(model, { tokenizer = …, ["generation_config.json"] = …, … })`: a file for each name, with the value as
  /// JSON; `tokenizer` is what tokenizer.json has beside its vocabulary, merges and added tokens.
  private func makeFiles(_ call: LuaCall) throws -> Int {
    let checkpoint = try models.model(call, 1).provenance.original?.checkpoint
    try call.table(2)
    let lua = call.lua
    var makers: [String: @Sendable () throws -> [UInt8]] = [:]
    var frame: JSON?
    try lua.forEachPair(at: 2) {
      guard let name = lua.string(at: -2) else { throw LuaError("gguf_files: names as keys expected") }
      let json = try lua.json(at: -1, name)
      if name == "tokenizer" {
        frame = json
      } else if let text = json.stringValue {
        makers[name] = { Array(text.utf8) }
      } else {
        makers[name] = { json.utf8(.pretty, trailingNewline: true) }
      }
    }
    if let frame {
      let list = try vocabulary(call)
      makers["tokenizer.json"] = { TokenizerDefinition(frame, list).text }
    }
    let files = GeneratedFiles(path: checkpoint?.files.first?.path ?? "", makers)
    return try call.result(object: files, of: self.files)
  }
}
