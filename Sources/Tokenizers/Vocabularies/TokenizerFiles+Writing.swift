import Basics
import SystemPackage

extension TokenizerFiles {
  /// A file of an output's tokenizer.
  package struct File {
    package let name: String
    /// `nil` if the output must not have the file.
    package let text: [UInt8]?
  }

  /// The files that are not as the directory has them. All of the others are to be copied.
  package func changedFiles() throws -> [File] {
    guard isChanged else { return [] }
    var files: [File] = []
    let spliced = try splicedTokenizer()
    if let spliced { files.append(File(name: "tokenizer.json", text: spliced)) }
    for name in Self.editable where limit != nil || !Self.onlyCut.contains(name) {
      if name == "tokenizer.json", spliced != nil { continue }
      guard var json = try self.files.optionalJSON(name) else { continue }
      edit(&json, name)
      files.append(File(name: name, text: json.utf8(.pretty, trailingNewline: true)))
    }
    if writesDecoder, !files.contains(where: { $0.name == "added_tokens.json" }) {
      var json = JSON.object([:])
      edit(&json, "added_tokens.json")
      files.append(File(name: "added_tokens.json", text: json.utf8(.pretty, trailingNewline: true)))
    }
    if limit != nil {
      for name in ["merges.txt", "vocab.txt"] {
        if let lines = try lines(name) { files.append(File(name: name, text: kept(lines, of: name))) }
      }
      files += try sentencePieceNames.map { File(name: $0, text: try cutPieces(of: $0)) }
    }
    return files
  }

  /// Whether added tokens are written beside the main file: it is none that has them, or SentencePiece's file lies
  /// beside it, which other tools read with these tables and without tokenizer.json (llama.cpp's converter).
  private var writesDecoder: Bool { form != .tokenizerJSON || limit == nil && !sentencePieceNames.isEmpty }

  private var sentencePieceNames: [String] {
    ((try? files.names) ?? []).filter { $0.hasSuffix(".model") }
  }

  /// SentencePiece's file without the tokens that are gone; `nil` where its places are not known to be the ids.
  private func cutPieces(of name: String) throws -> [UInt8]? {
    guard form == .sentencePiece, name == form.fileName, let limit else { return nil }
    return try SentencePieceFile.cut(files.contents(name), to: limit, path: files.path(of: name))
  }

  private static let editable = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
  ]

  /// Those of `editable` that stay as they are if no token is taken away.
  private static let onlyCut: Set = ["special_tokens_map.json", "vocab.json"]

  /// tokenizer.json where nothing but the list of added tokens is another one: the rest of its bytes, which
  /// may be many millions, stays as it is. `nil` where more is to be done.
  private func splicedTokenizer() throws -> [UInt8]? {
    guard limit == nil, form == .tokenizerJSON else { return nil }
    var text = try files.contents("tokenizer.json")
    guard let range = JSONSplice.range(ofValueFor: "added_tokens", in: text),
      let old = (try? JSON(parsing: Array(text[range])))?.arrayValue
    else { return nil }
    text.replaceSubrange(range, with: addedTokensText(old))
    return text
  }

  /// The list of added tokens with the additions as text, an entry of the outermost object.
  private func addedTokensText(_ old: [JSON]) -> [UInt8] {
    let changed = additionIDs
    let isChanged = Set(changed)
    var entries = old.compactMap { entry in
      entry["id"]?.intValue.map { ($0, isChanged.contains($0) ? nil : entry) }
    }.filter { $0.1 != nil }
    entries += changed.map { ($0, nil) }
    entries.sort { $0.0 < $1.0 }
    var text: [UInt8] = [UInt8(ascii: "[")]
    func line(_ words: String) { text.append(contentsOf: words.utf8) }
    for (index, (id, entry)) in entries.enumerated() {
      line(index == 0 ? "\n    " : ",\n    ")
      if let entry {
        for byte in entry.utf8(.pretty) {
          text.append(byte)
          if byte == 0x0A { line("    ") }
        }
      } else {
        vocabulary.added[id]!.appendText(id: id, to: &text)
      }
    }
    line(entries.isEmpty ? "]" : "\n  ]")
    return text
  }

  /// The ids of the additions, ascending.
  private var additionIDs: [Int] { Set(additions.compactMap { vocabulary.id(of: $0) }).sorted() }

  private func edit(_ json: inout JSON, _ name: String) {
    guard case .object(var object) = json else { return }
    json = .null
    switch name {
    case "tokenizer.json":
      if limit != nil, var model = object["model"] {
        object["model"] = .null
        cut(&model)
        object["model"] = model
        var lost: [String] = []
        if let old = object["post_processor"] {
          object["post_processor"] = cut(postProcessor: old, &lost) ?? .null
        }
      }
      let old = (object["added_tokens"]?.arrayValue ?? []).filter { $0["id"]?.intValue.map(isKept) ?? true }
      object["added_tokens"] = .array(merged(old))
    case "tokenizer_config.json":
      editConfig(&object)
    case "special_tokens_map.json":
      dropSpecialTokens(&object)
    case "added_tokens.json":
      object = object.filtered { text, _ in vocabulary.id(of: text) != nil }
      for id in addedOutsideMainFile { object[vocabulary.added[id]!.content] = JSON(id) }
    default:
      object = object.filtered { _, id in id.intValue.map(isKept) ?? true }
    }
    json = .object(object)
  }

  /// tokenizer.json's list of added tokens with the additions, by id.
  private func merged(_ old: [JSON]) -> [JSON] {
    let changed = Set(additionIDs)
    var entries = old.compactMap { entry in entry["id"]?.intValue.map { ($0, entry) } }
    entries.removeAll { changed.contains($0.0) }
    entries += changed.map { ($0, vocabulary.added[$0]!.json(id: $0)) }
    return entries.sorted { $0.0 < $1.0 }.map(\.1)
  }

  private func editConfig(_ config: inout JSONObject) {
    dropSpecialTokens(&config)
    if let old = config["added_tokens_decoder"]?.objectValue {
      var decoder = old.filtered { id, _ in Int(id).map(isKept) ?? false }
      for id in additionIDs { decoder[String(id)] = vocabulary.added[id]!.decoderJSON }
      config["added_tokens_decoder"] = .object(decoder)
    } else if writesDecoder {
      // added_tokens.json has no settings. With this table transformers no longer reads the older map.
      let map = (try? files.optionalJSON("special_tokens_map.json")) ?? nil
      for (key, value) in map?.objectValue ?? [:] where config[key] == nil {
        config[key] = VocabularyReader.specialText(value).map { .string($0) } ?? value
      }
      dropSpecialTokens(&config)
      var decoder = JSONObject()
      for id in vocabulary.added.keys.sorted() { decoder[String(id)] = vocabulary.added[id]!.decoderJSON }
      config["added_tokens_decoder"] = .object(decoder)
    }
  }

  /// Special tokens without an id are added when a tokenizer is loaded: those that were cut must not come
  /// back.
  private func dropSpecialTokens(_ object: inout JSONObject) {
    guard limit != nil else { return }
    func isKept(_ value: JSON) -> Bool {
      VocabularyReader.specialText(value).map { vocabulary.id(of: $0) != nil } ?? true
    }
    for key in VocabularyReader.specialKeys where object[key].map(isKept) == false {
      object.removeValue(forKey: key)
    }
    for key in VocabularyReader.specialListKeys {
      if let list = object[key]?.arrayValue { object[key] = .array(list.filter(isKept)) }
    }
  }

  private func isKept(_ id: Int) -> Bool { limit.map { id < $0 } ?? true }

  /// The added tokens that vocab.json or vocab.txt lacks, and of tokenizer.json all, as transformers 4 wrote
  /// them.
  private var addedOutsideMainFile: [Int] {
    let all = vocabulary.added.keys.sorted()
    guard form != .tokenizerJSON else { return all }
    let own = mainFileIDs
    return all.filter { !(isKept($0) && own.contains($0)) }
  }

  /// The ids that the directory's vocab.json or vocab.txt gives.
  private var mainFileIDs: Set<Int> {
    switch form {
    case .tokenizerJSON: []
    case .vocabJSON: Set(mainVocabulary.compactMap(\.value.intValue))
    case .vocabText: Set(0..<(((try? lines("vocab.txt")) ?? nil)?.count ?? 0))
    case .sentencePiece: Set(0..<pieceCount)
    }
  }

  private var pieceCount: Int {
    let name = form.fileName
    return (try? SentencePieceFile(files.contents(name), path: files.path(of: name)).pieces.count) ?? 0
  }

  /// The directory's vocab.json.
  private var mainVocabulary: JSONObject {
    ((try? files.optionalJSON("vocab.json")) ?? nil)?.objectValue ?? [:]
  }

  // MARK: Cutting

  /// Takes the tokens that are gone out of a model of tokenizer.json.
  private func cut(_ model: inout JSON) {
    guard case .object(var object) = model else { return }
    model = .null
    var left = ByteTable(minimumCapacity: 0)
    if let list = object["vocab"]?.arrayValue {
      object["vocab"] = .array(Array(list.prefix(limit ?? list.count)))
    } else if case .object(let vocabulary)? = object["vocab"] {
      object["vocab"] = .null
      let kept = vocabulary.filtered { _, id in id.intValue.map(isKept) ?? true }
      left = Self.table(kept)
      object["vocab"] = .object(kept)
    }
    if let merges = object["merges"]?.arrayValue {
      let prefix = object["continuing_subword_prefix"]?.stringValue ?? ""
      object["merges"] = .array(merges.filter { Self.hasTokens($0, in: left, prefix: prefix) })
    }
    model = .object(object)
  }

  private static func table(_ vocabulary: JSONObject) -> ByteTable {
    var table = ByteTable(minimumCapacity: vocabulary.count)
    for (text, id) in vocabulary { table.set(text, id.intValue ?? 0) }
    return table
  }

  /// Whether a model's tokens have a merge's parts and its result. Added tokens are none of them: one that was
  /// cut may have come back as such.
  private static func hasTokens(_ merge: JSON, in tokens: ByteTable, prefix: String) -> Bool {
    let parts: [String]
    if let text = merge.stringValue {
      parts = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    } else {
      parts = merge.arrayValue?.compactMap(\.stringValue) ?? []
    }
    return hasTokens(parts, in: tokens, prefix: prefix)
  }

  private static func hasTokens(_ parts: [String], in tokens: ByteTable, prefix: String) -> Bool {
    guard parts.count == 2 else { return true }
    let end = parts[1].utf8.starts(with: prefix.utf8) ? String(parts[1].dropFirst(prefix.count)) : parts[1]
    return [parts[0], parts[1], parts[0] + end].allSatisfy { tokens[$0] != nil }
  }

  /// vocab.txt, or merges.txt of what is left of vocab.json.
  private func kept(_ lines: [String], of name: String) -> [UInt8] {
    let kept: [String]
    if name == "vocab.txt" {
      kept = Array(lines.prefix(limit ?? lines.count))
    } else {
      let left = Self.table(mainVocabulary.filtered { _, id in id.intValue.map(isKept) ?? true })
      kept = lines.filter { line in
        line.utf8.starts(with: "#version".utf8)
          || Self.hasTokens(line.split(separator: " ").map(String.init), in: left, prefix: "")
      }
    }
    return Array(kept.map { $0 + "\n" }.joined().utf8)
  }

  // MARK: Reading

  private func lines(_ name: String) throws -> [String]? {
    guard files.has(name) else { return nil }
    var lines = try files.contents(name).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
    ).map {
      String(decoding: $0.last == 0x0D ? $0.dropLast() : $0, as: UTF8.self)
    }
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}

extension JSONObject {
  /// The entries for which `isKept` holds, in their order.
  fileprivate func filtered(_ isKept: (String, JSON) -> Bool) -> JSONObject {
    var result = JSONObject()
    for (key, value) in self where isKept(key, value) { result[key] = value }
    return result
  }
}
