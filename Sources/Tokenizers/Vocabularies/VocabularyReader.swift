import Basics
import SystemPackage

/// Reads the vocabulary that transformers' AutoTokenizer finds in a model's files.
struct VocabularyReader {
  /// The file that has the tokens that are not added.
  enum Form: Sendable {
    case tokenizerJSON
    /// vocab.json, with merges.txt.
    case vocabJSON
    /// vocab.txt, a token a line.
    case vocabText
    /// SentencePiece's tokenizer.model, whose places are the tokenizer's ids.
    case sentencePiece

    var fileName: String {
      switch self {
      case .tokenizerJSON: "tokenizer.json"
      case .vocabJSON: "vocab.json"
      case .vocabText: "vocab.txt"
      case .sentencePiece: "tokenizer.model"
      }
    }
  }

  let files: any ModelFiles
  let form: Form
  private var tokens = ByteTable(minimumCapacity: 0)
  private var added: [AddedToken] = []

  /// Looks for the tokenizer's main file; `nil` if there is none, an error if it is of a form that is not
  /// read.
  init?(in files: any ModelFiles) throws {
    self.files = files
    if let form = try [Form.tokenizerJSON, .vocabJSON, .vocabText].first(where: {
      try files.holds($0.fileName)
    }) {
      self.form = form
      return
    }
    if try files.holds(Form.sentencePiece.fileName), Self.keepsSentencePieceIDs(files) {
      form = .sentencePiece
      return
    }
    let other = try files.names.first {
      try $0 == "tekken.json" || $0.hasSuffix(".tiktoken") || ($0.hasSuffix(".model") && files.holds($0))
    }
    guard let other else { return nil }
    throw TokenizerError.unreadForm(directory: files.path, fileName: other)
  }

  /// The main file of a tokenizer that is of a form that is not read; `nil` if there is none, or one that is read.
  static func unreadFile(in files: any ModelFiles) -> String? {
    do {
      _ = try VocabularyReader(in: files)
      return nil
    } catch TokenizerError.unreadForm(_, let name) { return name } catch { return nil }
  }

  /// The vocabulary, and those of its added tokens that the main file lacks.
  mutating func read() throws -> (vocabulary: Vocabulary, implied: [AddedToken]) {
    let path = files.path(of: form.fileName)
    switch form {
    case .tokenizerJSON: try readTokenizer(path)
    case .vocabJSON: try readVocabulary(path)
    case .vocabText: try readLines(path)
    case .sentencePiece: try readPieces(path)
    }
    var vocabulary = try Vocabulary(tokens) { first, second, id in
      .sameID(path: path, first: first, second: second, id: id)
    }
    for token in added { vocabulary.add(token) }
    var implied: [AddedToken] = []
    for token in try tokensOfConfigs() where vocabulary.addedToken(token.content) == nil {
      vocabulary.add(token)
      implied.append(token)
    }
    return (vocabulary, implied)
  }

  // MARK: Main files

  private mutating func readTokenizer(_ path: FilePath) throws {
    let place = ["model", "vocab"]
    let json = try readEntries(at: place, skipping: ["model", "merges"])
    guard let model = json["model"], model.objectValue != nil else {
      throw unexpected(path, "model", "an object", json["model"])
    }
    guard let vocabulary = model["vocab"] else { throw unexpected(path, "model.vocab", "a vocabulary", nil) }
    if let list = vocabulary.arrayValue {
      // Unigram: places are ids.
      for (id, entry) in list.enumerated() {
        guard let text = entry[0]?.stringValue else {
          throw unexpected(path, "model.vocab[\(id)]", "a token and its score", entry)
        }
        try add(text, id, path)
      }
    } else if vocabulary.objectValue == nil {
      throw unexpected(path, "model.vocab", "an object of tokens and ids", vocabulary)
    }
    for (index, entry) in (json["added_tokens"]?.arrayValue ?? []).enumerated() {
      guard let token = AddedToken(entry), let id = entry["id"]?.intValue, Self.allowed.contains(id) else {
        throw unexpected(path, "added_tokens[\(index)]", "an object with content and id", entry)
      }
      if tokens[token.content] != id { try add(token.content, id, path) }
      added.append(token)
    }
  }

  private mutating func readVocabulary(_ path: FilePath) throws {
    let json = try readEntries(at: [], skipping: nil)
    if json.objectValue == nil { throw unexpected(path, "vocabulary", "an object of tokens and ids", json) }
  }

  /// Reads a file with an object of tokens and ids, whose entries become tokens; of equal ones the last counts.
  ///
  /// - Returns: The rest.
  private mutating func readEntries(at place: [String], skipping skipped: [String]?) throws -> JSON {
    var tokens = ByteTable(minimumCapacity: 0)
    var wrong: (text: String, value: JSON)?
    let json = try files.json(form.fileName, skipping: skipped, streaming: place) { text, value in
      if let id = value.intValue, Self.allowed.contains(id) {
        tokens.set(text, id)
      } else if wrong == nil {
        wrong = (text, value)
      }
    }
    if let wrong {
      let what = place.isEmpty ? "vocabulary" : place.joined(separator: ".")
      throw unexpected(
        files.path(of: form.fileName), "\(what): token '\(wrong.text)'", "an id from 0 on", wrong.value)
    }
    self.tokens = tokens
    return json
  }

  private mutating func readLines(_ path: FilePath) throws {
    let lines = try files.contents(form.fileName)
      .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (id, line) in lines.enumerated() {
      let text = String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
      if !text.isEmpty || id < lines.count - 1 { try add(text, id, path) }
    }
  }

  private mutating func readPieces(_ path: FilePath) throws {
    let file = try SentencePieceFile(files.contents(form.fileName), path: path)
    for (id, piece) in file.pieces.enumerated() {
      let text = String(decoding: piece.text, as: UTF8.self)
      try add(text, id, path)
      // As transformers makes added tokens of them.
      guard piece.kind == .control || piece.kind == .userDefined else { continue }
      var token = AddedToken(text, isSpecial: piece.kind == .control)
      token.isNormalized = false
      added.append(token)
    }
  }

  /// Classes of tokenizers whose ids are the places of SentencePiece's pieces. Others add an offset, or tokens in
  /// between (XLM-RoBERTa, mBART, NLLB, Pegasus, T5).
  private static let plainClasses: Set = [
    "LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "InternLMTokenizer", "InternLM2Tokenizer",
    "BaichuanTokenizer", "OrionTokenizer", "YiTokenizer",
  ]
  private static let plainModelTypes: Set = ["llama", "mistral", "mixtral", "gemma", "gemma2", "phi3"]

  private static func keepsSentencePieceIDs(_ files: any ModelFiles) -> Bool {
    func json(_ name: String) -> JSON? { (try? files.optionalJSON(name)) ?? nil }
    if let name = json("tokenizer_config.json")?["tokenizer_class"]?.stringValue {
      return plainClasses.contains(name.hasSuffix("Fast") ? String(name.dropLast(4)) : name)
    }
    return json("config.json")?["model_type"]?.stringValue.map(plainModelTypes.contains) ?? false
  }

  /// Adds a token that must not have another id.
  private mutating func add(_ text: String, _ id: Int, _ path: FilePath) throws {
    if let other = tokens[text] {
      throw TokenizerError.twoIDs(path: path, token: text, first: other, second: id)
    }
    tokens.set(text, id)
  }

  /// Ids that any embedding can have rows for.
  private static let allowed = 0..<(1 << 31)

  // MARK: Other files

  /// The tokens that tokenizer_config.json and its older companions name, in the order in which transformers
  /// adds those that are not there.
  private func tokensOfConfigs() throws -> [AddedToken] {
    let config = try files.optionalJSON("tokenizer_config.json")
    var found: [AddedToken] = []
    var named = Self.specialTokens(of: config)
    if let decoder = config?["added_tokens_decoder"]?.objectValue {
      let tokens = decoder.compactMap { key, value in
        Int(key).flatMap { id in AddedToken(value).map { (id, $0) } }
      }
      found += tokens.sorted { $0.0 < $1.0 }.map(\.1)
    } else {
      named += Self.specialTokens(of: try files.optionalJSON("special_tokens_map.json"))
      let ids = (try files.optionalJSON("added_tokens.json"))?.objectValue ?? JSONObject()
      let tokens = ids.compactMap { text, id in id.intValue.map { (text, $0) } }
      let special = Set(named.map { ByteKey(string: $0.content) })
      found += tokens.sorted { $0.1 < $1.1 }.map {
        AddedToken($0.0, isSpecial: special.contains(ByteKey(string: $0.0)))
      }
    }
    return found + named
  }

  /// The keys of the special tokens, in transformers' order.
  static let specialKeys = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]
  /// Those of lists of further ones.
  static let specialListKeys = ["extra_special_tokens", "additional_special_tokens"]

  private static func specialTokens(of json: JSON?) -> [AddedToken] {
    let values =
      specialKeys.compactMap { json?[$0] } + specialListKeys.flatMap { json?[$0]?.arrayValue ?? [] }
    return values.compactMap { value in
      guard let text = specialText(value) else { return nil }
      var token = AddedToken(value) ?? AddedToken(text, isSpecial: true)
      token.isSpecial = true
      if value["normalized"] == nil { token.isNormalized = false }
      return token
    }
  }

  /// The text of a special token, which is one or an object with one.
  static func specialText(_ json: JSON) -> String? { json.stringValue ?? json["content"]?.stringValue }

  private func unexpected(_ path: FilePath, _ what: String, _ expected: String, _ json: JSON?)
    -> TokenizerError
  {
    let found = json.map { $0.stringValue.map { "'\($0)'" } ?? number($0) ?? $0.kind } ?? "nothing"
    return .unexpected(path: path, what: what, expected: expected, found: found)
  }

  private func number(_ json: JSON) -> String? {
    if case .number(let literal) = json { literal } else { nil }
  }
}
