import Basics

/// The tokenizer that a config asks for.
struct TokenizerConfig: Sendable {
  /// Whose tokenizer the result has.
  enum Source {
    case union
    case base
    case model(PlacedModel)
  }

  /// Where the embedding of a token comes from.
  enum TokenSource {
    case zero
    case model(PlacedModel)
    case token(PlacedModel, String)
    case tokenID(PlacedModel, Int)

    var model: PlacedModel? {
      switch self {
      case .zero: nil
      case .model(let model), .token(let model, _), .tokenID(let model, _): model
      }
    }
  }

  struct Token {
    var name: String
    var place: Place
    var source: (value: TokenSource, place: Place)?
    var force: (value: Bool, place: Place)?
  }

  var place: Place
  var source: Source
  var sourcePlace: Place
  /// Whether it was written as `tokenizer_source`, which has nothing but the source.
  var isSourceAlone: Bool
  var tokens: [Token] = []
  var tokensPlace: Place?
  var padToMultipleOf: (value: Int, place: Place)?

  /// Every model that is named, in order.
  var models: [PlacedModel] {
    var result: [PlacedModel] = []
    if case .model(let model) = source { result.append(model) }
    return result + tokens.compactMap { $0.source?.value.model }
  }
}

extension MergeReader {
  /// Reads `tokenizer_source` and `tokenizer`, of which one may be given.
  func tokenizer(_ fields: [String: YAMLNode]) throws(ConfigError) -> TokenizerConfig? {
    let top = KeyPath()
    if let node = fields["tokenizer_source"] {
      if let tokenizer = fields["tokenizer"] {
        throw error(.tokenizerTwice, tokenizer, top.key("tokenizer"))
      }
      return TokenizerConfig(
        place: node.place, source: try tokenizerSource(node, top.key("tokenizer_source")),
        sourcePlace: node.place, isSourceAlone: true)
    }
    guard let node = fields["tokenizer"] else { return nil }
    let path = top.key("tokenizer")
    _ = try mapping(node, path, "a mapping with source, tokens and pad_to_multiple_of")
    let fields = try known(node, path, keys: ["source", "tokens", "pad_to_multiple_of"])
    // Without a source, it is the union of all, as in mergekit.
    var result = TokenizerConfig(
      place: node.place, source: .union, sourcePlace: node.place, isSourceAlone: false)
    if let source = fields["source"] {
      result.source = try tokenizerSource(source, path.key("source"))
      result.sourcePlace = source.place
    }
    if let tokens = fields["tokens"] {
      let path = path.key("tokens")
      result.tokensPlace = tokens.place
      for entry in try mapping(tokens, path, "a mapping of tokens") {
        result.tokens.append(try token(entry, path.key(entry.key)))
      }
    }
    if let multiple = fields["pad_to_multiple_of"] {
      guard let number = multiple.number?.integer, number >= 1 else {
        let path = path.key("pad_to_multiple_of")
        throw error(.expected("a whole number from 1 on", found: multiple.found), multiple, path)
      }
      result.padToMultipleOf = (number, multiple.place)
    }
    return result
  }

  /// Reads `union`, `base` or a model.
  private func tokenizerSource(
    _ node: YAMLNode, _ path: KeyPath
  ) throws(ConfigError) -> TokenizerConfig.Source {
    switch node.text {
    case "union": return .union
    case "base": return .base
    default: return .model(try model(node, path))
    }
  }

  /// Reads `source` and `force` of one token.
  private func token(_ entry: YAMLNode.Entry, _ path: KeyPath) throws(ConfigError) -> TokenizerConfig.Token {
    let node = entry.value
    _ = try mapping(node, path, "a mapping with source and force")
    let fields = try known(node, path, keys: ["source", "force"])
    var token = TokenizerConfig.Token(name: entry.key, place: node.place)
    if let source = fields["source"] {
      token.source = (try tokenSource(source, path.key("source")), source.place)
    }
    if let force = fields["force"] {
      guard let value = force.boolean else {
        throw error(.expected("true or false", found: force.found), force, path.key("force"))
      }
      token.force = (value, force.place)
    }
    return token
  }

  /// Reads a model, or a mapping of `kind` and what belongs to it.
  private func tokenSource(
    _ node: YAMLNode, _ path: KeyPath
  ) throws(ConfigError) -> TokenizerConfig.TokenSource {
    guard node.mapping?.contains(where: { $0.key == "kind" }) == true else {
      return .model(try model(node, path))
    }
    let names = ["kind", "model", "token", "token_id"]
    let keys = try known(node, path, keys: names)
    let kinds = ["model_token", "zero"]
    switch keys["kind"]?.text {
    case "zero": return .zero
    case "model_token": break
    default:
      let kind = keys["kind"] ?? node
      let nearest = kind.text.flatMap { nearestName(to: $0, among: kinds) }
      throw error(.badChoice(found: kind.found, choices: kinds, nearest: nearest), kind, path.key("kind"))
    }
    guard let modelNode = keys["model"] else { throw missing("model", in: node, path, keys: names) }
    let model = try model(modelNode, path.key("model"))
    switch (keys["token"], keys["token_id"]) {
    case (nil, nil): throw error(.notTokenSource, node, path)
    case (_?, _?): throw error(.tokenTwice, node, path)
    case (let token?, nil): return .token(model, try text(token, path.key("token"), "a token"))
    case (nil, let id?):
      guard let number = id.number?.integer, number >= 0 else {
        throw error(.expected("a whole number from 0 on", found: id.found), id, path.key("token_id"))
      }
      return .tokenID(model, number)
    }
  }
}
