import Basics

extension TokenizerFiles {
  /// The special tokens that the directory's tokenizer puts around texts, and that are taken away here, so that
  /// it puts them there no more.
  package func tokensLostAroundTexts() -> [String] {
    guard limit != nil, form == .tokenizerJSON, let text = try? files.contents("tokenizer.json"),
      let range = JSONSplice.range(ofValueFor: "post_processor", in: text),
      let processor = try? JSON(parsing: Array(text[range]))
    else { return [] }
    var lost: [String] = []
    _ = cut(postProcessor: processor, &lost)
    return lost
  }

  /// A post-processor of tokenizer.json without the tokens that are taken away, which are added to `lost`;
  /// `nil` where there is none without them.
  func cut(postProcessor json: JSON, _ lost: inout [String]) -> JSON? {
    guard case .object(var object) = json else { return json }
    switch object["type"]?.stringValue {
    case "Sequence":
      let processors = object["processors"]?.arrayValue ?? []
      object["processors"] = .array(processors.compactMap { cut(postProcessor: $0, &lost) })
    case "BertProcessing", "RobertaProcessing":
      let pairs = ["cls", "sep"].compactMap { object[$0]?.arrayValue }
      let gone = pairs.filter { isGone($0.last) }
      for pair in gone { note(pair.first?.stringValue, &lost) }
      if !gone.isEmpty { return nil }
    case "TemplateProcessing":
      var tokens = object["special_tokens"]?.objectValue ?? JSONObject()
      for (name, token) in tokens where token["ids"]?.arrayValue?.contains(where: isGone) == true {
        tokens.removeValue(forKey: name)
        note(name, &lost)
      }
      object["special_tokens"] = .object(tokens)
      for key in ["single", "pair"] {
        guard let parts = object[key]?.arrayValue else { continue }
        object[key] = .array(
          parts.filter { part in
            part["SpecialToken"]?["id"]?.stringValue.map { tokens[$0] != nil } ?? true
          })
      }
    default: break
    }
    return .object(object)
  }

  private func isGone(_ id: JSON?) -> Bool {
    guard let id = id?.intValue, let limit else { return false }
    return id >= limit
  }

  private func note(_ token: String?, _ lost: inout [String]) {
    if let token, !lost.contains(token) { lost.append(token) }
  }
}
