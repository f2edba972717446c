/// What tensors are by their names.
enum TensorKind {
  /// The kind of a tensor.
  ///
  /// - Parameters:
  ///   - inLayer: Whether it belongs to a layer, where there are neither embeddings nor heads.
  ///   - shape: Its dimensions, if known.
  ///   - vocabularySize: The rows of an embedding, if known.
  static func of(
    _ name: String, inLayer: Bool, shape: [Int]?, vocabularySize: Int?
  ) -> Architecture.Kind {
    var (rest, last) = Self.popComponent(name[...])
    if last == "bias" || last == "beta" || last.hasSuffix("_bias") { return .bias }
    // The module that a parameter called `weight` belongs to.
    let isParameter = last == "weight" || last == "gamma" || last == "scale"
    if isParameter, !rest.isEmpty { (rest, last) = Self.popComponent(rest) }
    let owner = last
    if isNorm(owner), shape.map({ $0.count <= 1 }) ?? true { return .norm }
    if inLayer || shape.map({ $0.count < 2 }) ?? false { return .weight }
    let parent = rest.isEmpty ? nil : Self.popComponent(rest).last
    if embeddingNames.contains(owner) { return .embedding }
    if headNames.contains(owner) || isHead(owner, of: parent) { return .head }
    if let shape, let vocabularySize, vocabularySize > 1, shape[0] == vocabularySize, isParameter {
      return owner.contains("emb") ? .embedding : .head
    }
    return .weight
  }

  /// The last component of a name, and what stands before it, without the dot.
  private static func popComponent(_ name: Substring) -> (rest: Substring, last: Substring) {
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return ("", name) }
    return (name[..<dot], name[name.utf8.index(after: dot)...])
  }

  private static let embeddingNames: Set<Substring> = [
    "embed_tokens", "wte", "word_embeddings", "word_embedding", "embed_in", "tok_embeddings",
    "token_embedding", "embeddings", "embedding", "shared", "embed_tokens_per_layer", "emb",
  ]

  private static let headNames: Set<Substring> = [
    "lm_head", "embed_out", "output_layer", "vocab_projector", "proj_out", "generator_lm_head",
    "score", "classifier", "qa_outputs",
  ]

  /// Names that mean a head at a certain place alone: the `output` of InternLM2 and Llama's own
  /// format, the `decoder` of BERT's and RoBERTa's masked-language heads, and classifiers' last layer.
  private static func isHead(_ owner: Substring, of parent: Substring?) -> Bool {
    switch owner {
    case "output", "head": parent == nil || parent == "model"
    case "decoder": parent == "predictions" || parent == "lm_head"
    case "out_proj": parent == "classifier" || parent == "classification_head"
    default: false
    }
  }

  /// `norm`, `input_layernorm`, `LayerNorm`, `q_norm`, `norm_f`; `ln`, `ln_1`, `ln_f`, `ln2`.
  private static func isNorm(_ owner: Substring) -> Bool {
    var rest = owner.utf8[...]
    while let start = rest.firstIndex(where: { $0 | 0x20 == UInt8(ascii: "n") }) {
      rest = rest[start...]
      if hasPrefix(rest, "norm") { return true }
      rest.removeFirst()
    }
    guard hasPrefix(owner.utf8[...], "ln") else { return false }
    return owner.dropFirst(2).first.map { $0 == "_" || $0.isNumber } ?? true
  }

  /// Whether a name begins with a word, in any case.
  private static func hasPrefix(_ name: Substring.UTF8View.SubSequence, _ word: StaticString) -> Bool {
    var position = name.startIndex
    for index in 0..<word.utf8CodeUnitCount {
      guard position < name.endIndex, name[position] | 0x20 == word.utf8Start[index] else { return false }
      position = name.index(after: position)
    }
    return true
  }
}
