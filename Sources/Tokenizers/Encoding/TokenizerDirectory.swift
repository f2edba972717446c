import Basics
import SystemPackage

/// The tokenizer among a model's files, or a tokenizer.json by itself.
struct TokenizerDirectory {
  private let files: any ModelFiles
  /// The name of the file that describes the tokenizer.
  private let definitionName: String
  /// Files that are to be otherwise: their texts, or `nil` for those that count as missing.
  private var changes: [String: [UInt8]?] = [:]

  /// `path` is a directory or a tokenizer.json.
  init(_ path: FilePath) {
    if (try? path.stat())?.type == .directory {
      self.init(ModelDirectory(path))
    } else {
      self.init(ModelDirectory(of: path), definitionName: path.lastComponent?.string ?? "")
    }
  }

  init(_ files: any ModelFiles, definitionName: String = "tokenizer.json") {
    self.files = files
    self.definitionName = definitionName
  }

  /// Where the file is that describes the tokenizer.
  var definitionFile: FilePath { files.path(of: definitionName) }

  /// The files that a model with this tokenizer would be written with.
  init(_ files: TokenizerFiles) throws {
    self.init(files.files)
    for file in try files.changedFiles() { changes[file.name] = .some(file.text) }
  }

  /// The tokenizer's description, in the form of tokenizer.json.
  func definition() throws -> JSON {
    let name = definitionName
    if name != "tokenizer.json" || isThere(name) { return try json(name) }
    if isThere("vocab.json"), isThere("merges.txt") { return try bytePairs() }
    if isThere("vocab.txt") { return try wordPieces() }
    if isThere("tokenizer.model") { throw TokenizationError.sentencePieceOnly(directory: files.path) }
    throw TokenizationError.noTokenizer(directory: files.path)
  }

  /// The normalizer of a model's tokenizer; `nil` if it has none, or one that is not known.
  static func normalizer(of modelFiles: any ModelFiles) -> Normalizer? {
    let files = TokenizerDirectory(modelFiles)
    let file = files.definitionFile.string
    func normalizer(_ json: JSON?) -> Normalizer? {
      json.flatMap { try? Normalizer(Component(json: $0, file: file, place: "normalizer")) }
    }
    guard files.isThere("tokenizer.json") else { return normalizer((try? files.definition())?["normalizer"]) }
    // The rest of the file, which may be many millions of bytes, is not read.
    guard let text = try? files.contents("tokenizer.json"),
      let range = JSONSplice.range(ofValueFor: "normalizer", in: text)
    else { return nil }
    return normalizer(try? JSON(parsing: Array(text[range])))
  }

  /// The special tokens that tokenizer_config.json names, else special_tokens_map.json.
  func specialTokens() throws -> SpecialTokens {
    var result = SpecialTokens()
    for name in ["tokenizer_config.json", "special_tokens_map.json"] where isThere(name) {
      let json = try json(name)
      for role in SpecialTokens.Role.allCases where result[role] == nil {
        let value = json["\(role.rawValue)_token"]
        result[role] = value?.stringValue ?? value?["content"]?.stringValue
      }
    }
    return result
  }

  // MARK: Vocabulary files alone

  /// The classes of transformers whose vocab.json and merges.txt are read, without `Fast` at the end.
  private static let bytePairClasses = ["GPT2Tokenizer", "Qwen2Tokenizer", "RobertaTokenizer"]
  private static let wordPieceClasses = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"]

  private func bytePairs() throws -> JSON {
    let config = try configuration()
    let className = try className(config, among: Self.bytePairClasses, files: "vocab.json and merges.txt")
    let vocabulary = try json("vocab.json")
    let lines = try String(decoding: contents("merges.txt"), as: UTF8.self)
      .split(separator: "\n")
    let merges = lines.filter { !$0.hasPrefix("#version") && !$0.allSatisfy(\.isWhitespace) }
      .map { JSON.string($0.hasSuffix("\r") ? String($0.dropLast()) : String($0)) }
    var definition: JSONObject = [
      "model": .object([
        "type": "BPE", "vocab": vocabulary, "merges": .array(merges), "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": .bool(false),
      ]),
      "decoder": .object(["type": "ByteLevel"]),
    ]
    let addsSpace = JSON.bool(config["add_prefix_space"]?.boolValue ?? false)
    let byteLevel = JSON.object([
      "type": "ByteLevel", "add_prefix_space": addsSpace, "use_regex": .bool(true),
    ])
    switch className {
    case "Qwen2Tokenizer":
      definition["normalizer"] = .object(["type": "NFC"])
      definition["pre_tokenizer"] = .object([
        "type": "Sequence",
        "pretokenizers": .array([
          .object([
            "type": "Split", "pattern": .object(["Regex": .string(Self.qwenPattern)]), "behavior": "Isolated",
            "invert": .bool(false),
          ]),
          .object(["type": "ByteLevel", "add_prefix_space": addsSpace, "use_regex": .bool(false)]),
        ]),
      ])
    case "RobertaTokenizer":
      definition["pre_tokenizer"] = byteLevel
      definition["post_processor"] = try around(
        "RobertaProcessing", cls: config.token("cls", default: "<s>"),
        sep: config.token("sep", default: "</s>"),
        vocabulary)
    default: definition["pre_tokenizer"] = byteLevel
    }
    let defaults = className == "RobertaTokenizer" ? Self.robertaTokens : ["unk": "<|endoftext|>"]
    definition["added_tokens"] = try addedTokens(config, vocabulary, defaults: defaults)
    return .object(definition)
  }

  private func wordPieces() throws -> JSON {
    let config = try configuration()
    _ = try className(config, among: Self.wordPieceClasses, files: "vocab.txt")
    var vocabulary = JSONObject()
    let lines = try String(decoding: contents("vocab.txt"), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    for (id, line) in lines.enumerated() where id < lines.count - 1 || !line.isEmpty {
      var token = line.unicodeScalars
      while let last = token.last, ScalarClass.isWhitespace(last) { token.removeLast() }
      vocabulary[String(token)] = JSON(id)
    }
    var normalizer: JSONObject = [
      "type": "BertNormalizer", "clean_text": .bool(true),
      "handle_chinese_chars": .bool(config["tokenize_chinese_chars"]?.boolValue ?? true),
      "lowercase": .bool(config["do_lower_case"]?.boolValue ?? true),
    ]
    normalizer["strip_accents"] = config["strip_accents"]
    return .object([
      "normalizer": .object(normalizer), "pre_tokenizer": .object(["type": "BertPreTokenizer"]),
      "model": .object([
        "type": "WordPiece", "vocab": .object(vocabulary),
        "unk_token": .string(config.token("unk", default: "[UNK]")), "continuing_subword_prefix": "##",
        "max_input_chars_per_word": JSON(100),
      ]),
      "post_processor": try around(
        "BertProcessing", cls: config.token("cls", default: "[CLS]"),
        sep: config.token("sep", default: "[SEP]"),
        .object(vocabulary)),
      "decoder": .object(["type": "WordPiece", "prefix": "##", "cleanup": .bool(true)]),
      "added_tokens": try addedTokens(config, .object(vocabulary), defaults: Self.bertTokens),
    ])
  }

  private static let bertTokens = [
    "unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]",
  ]
  private static let robertaTokens = [
    "bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "</s>", "pad": "<pad>", "cls": "<s>",
    "mask": "<mask>",
  ]

  /// How Qwen2 splits a text.
  private static let qwenPattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
    + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// Which of the known classes tokenizer_config.json names.
  private func className(_ config: Configuration, among known: [String], files: String) throws -> String {
    let name = config["tokenizer_class"]?.stringValue
    let plain = name.map { $0.hasSuffix("Fast") ? String($0.dropLast(4)) : $0 }
    guard let plain, known.contains(plain) else {
      throw TokenizationError.unknownClass(
        directory: self.files.path, files: files, className: name, known: known)
    }
    return plain
  }

  private func around(_ type: JSON, cls: String, sep: String, _ vocabulary: JSON) throws -> JSON {
    var object: JSONObject = ["type": type]
    for (key, token) in [("cls", cls), ("sep", sep)] {
      guard let id = vocabulary[token] else {
        throw TokenizationError.unusable(
          file: files.path.string, place: "\(key)_token", reason: "'\(token)' is not in the vocabulary")
      }
      object[key] = .array([.string(token), id])
    }
    return .object(object)
  }

  /// The special tokens and those of added_tokens.json and `added_tokens_decoder`, in the order of their ids.
  private func addedTokens(_ config: Configuration, _ vocabulary: JSON, defaults: [String: String]) throws
    -> JSON
  {
    var tokens: [(id: Int, token: JSON)] = []
    var next = vocabulary.objectValue?.count ?? 0
    var seen: Set<String> = []
    func add(_ content: String, _ id: Int, _ fields: JSON?, isSpecial: Bool) {
      guard seen.insert(content).inserted else { return }
      var token: JSONObject = ["id": JSON(id), "content": .string(content)]
      for key in ["single_word", "lstrip", "rstrip"] { token[key] = .bool(fields?[key]?.boolValue ?? false) }
      let isSpecial = fields?["special"]?.boolValue ?? isSpecial
      token["normalized"] = .bool(fields?["normalized"]?.boolValue ?? !isSpecial)
      token["special"] = .bool(isSpecial)
      tokens.append((id, .object(token)))
      next = max(next, id + 1)
    }
    for (key, fields) in config["added_tokens_decoder"]?.objectValue ?? [:] {
      if let id = Int(key), let content = fields["content"]?.stringValue {
        add(content, id, fields, isSpecial: false)
      }
    }
    if isThere("added_tokens.json") {
      let extra = try json("added_tokens.json")
      for (content, id) in extra.objectValue ?? [:] {
        if let id = id.intValue { add(content, id, nil, isSpecial: false) }
      }
    }
    for role in SpecialTokens.Role.allCases {
      let value = config["\(role.rawValue)_token"]
      guard let content = value?.stringValue ?? value?["content"]?.stringValue ?? defaults[role.rawValue]
      else {
        continue
      }
      let fields = value?.objectValue == nil ? nil : value
      add(content, vocabulary[content]?.intValue ?? next, fields, isSpecial: true)
    }
    return .array(tokens.sorted { $0.id < $1.id }.map(\.token))
  }

  // MARK: Files

  private func isThere(_ name: String) -> Bool {
    if let change = changes[name] { return change != nil }
    return files.has(name)
  }

  private func contents(_ name: String) throws -> [UInt8] {
    if let change = changes[name], let text = change { return text }
    return try files.contents(name)
  }

  private func json(_ name: String) throws -> JSON {
    if let change = changes[name], let text = change { return try JSON(parsing: text) }
    return try files.json(name)
  }

  private func configuration() throws -> Configuration {
    var files: [JSON] = []
    for name in ["tokenizer_config.json", "special_tokens_map.json"] where isThere(name) {
      files.append(try json(name))
    }
    return Configuration(files: files)
  }

  /// tokenizer_config.json, and special_tokens_map.json for what that lacks.
  private struct Configuration {
    let files: [JSON]

    subscript(key: String) -> JSON? {
      files.lazy.compactMap { $0[key] }.first { !$0.isNull }
    }

    /// The text of a special token.
    func token(_ role: String, default fallback: String) -> String {
      let value = self["\(role)_token"]
      return value?.stringValue ?? value?["content"]?.stringValue ?? fallback
    }
  }
}
