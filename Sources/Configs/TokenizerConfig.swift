import Suggestions

/// Tokenizers of a config are read and checked; what they ask for is not made yet.
extension MergeReader {
  /// Checks `tokenizer_source` and `tokenizer`, of which one may be given.
  func tokenizer(_ fields: [String: YAMLNode], base: PlacedModel?) throws(ConfigError) {
    let top = KeyPath()
    if let tokenizer = fields["tokenizer"], fields["tokenizer_source"] != nil {
      throw error(.tokenizerTwice, tokenizer, top.key("tokenizer"))
    }
    if let node = fields["tokenizer_source"] {
      let isBase = try tokenizerSource(node, top.key("tokenizer_source"), base)
      if !isBase { warn(.tokenizerNotApplied(key: "tokenizer_source"), at: node.place) }
    }
    if let node = fields["tokenizer"] {
      let path = top.key("tokenizer")
      _ = try mapping(node, path, "a mapping with source, tokens and pad_to_multiple_of")
      let fields = try known(node, path, keys: ["source", "tokens", "pad_to_multiple_of"])
      var isBase = false
      if let source = fields["source"] { isBase = try tokenizerSource(source, path.key("source"), base) }
      if let tokens = fields["tokens"] {
        for entry in try mapping(tokens, path.key("tokens"), "a mapping of tokens") {
          try token(entry.value, path.key("tokens").key(entry.key))
        }
      }
      if let multiple = fields["pad_to_multiple_of"], (multiple.number?.integer ?? 0) < 1 {
        let path = path.key("pad_to_multiple_of")
        throw error(.expected("a whole number from 1 on", found: multiple.found), multiple, path)
      }
      let isPlain = fields["tokens"]?.mapping?.isEmpty ?? true && fields["pad_to_multiple_of"] == nil
      if !isBase || !isPlain { warn(.tokenizerNotApplied(key: "tokenizer"), at: node.place) }
    }
  }

  /// Reads `union`, `base` or a model; whether it is the base model's tokenizer.
  private func tokenizerSource(
    _ node: YAMLNode, _ path: KeyPath, _ base: PlacedModel?
  ) throws(ConfigError) -> Bool {
    if node.text == "union" { return false }
    if node.text == "base" { return true }
    return try model(node, path).reference == base?.reference
  }

  /// Checks `source` and `force` of one token.
  private func token(_ node: YAMLNode, _ path: KeyPath) throws(ConfigError) {
    if node.isNull {
      throw error(.expected("a mapping with source and force", found: node.found), node, path)
    }
    _ = try mapping(node, path, "a mapping with source and force")
    let fields = try known(node, path, keys: ["source", "force"])
    if let force = fields["force"], force.boolean == nil {
      throw error(.expected("true or false", found: force.found), force, path.key("force"))
    }
    guard let source = fields["source"] else { return }
    let path = path.key("source")
    guard source.mapping?.contains(where: { $0.key == "kind" }) == true else {
      _ = try model(source, path)
      return
    }
    let keys = try known(source, path, keys: ["kind", "model", "token", "token_id"])
    let kinds = ["model_token", "zero"]
    switch keys["kind"]?.text {
    case "zero": return
    case "model_token": break
    default:
      let kind = keys["kind"] ?? source
      let nearest = kind.text.flatMap { nearestName(to: $0, among: kinds) }
      throw error(.badChoice(found: kind.found, choices: kinds, nearest: nearest), kind, path.key("kind"))
    }
    guard let model = keys["model"] else { throw error(.missing("model"), source, path) }
    _ = try self.model(model, path.key("model"))
    if keys["token"] == nil, keys["token_id"] == nil { throw error(.notTokenSource, source, path) }
    if keys["token"] != nil, keys["token_id"] != nil { throw error(.tokenTwice, source, path) }
    if let id = keys["token_id"], (id.number?.integer ?? -1) < 0 {
      throw error(.expected("a whole number from 0 on", found: id.found), id, path.key("token_id"))
    }
    if let token = keys["token"] { _ = try text(token, path.key("token"), "a token") }
  }
}
