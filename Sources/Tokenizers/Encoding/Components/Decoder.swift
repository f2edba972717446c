/// The way back: what becomes of tokens before they are one text.
indirect enum Decoder: Sendable {
  case byteLevel
  case wordPiece(prefix: [UInt8], cleansUp: Bool)
  case metaspace(Metaspace)
  case bytePairs(suffix: [UInt8])
  case ctc(padding: [UInt8], delimiter: [UInt8], cleansUp: Bool)
  case byteFallback
  case fuse
  case strip(Unicode.Scalar, start: Int, stop: Int)
  case replace(TextPattern, with: [UInt8])
  case sequence([Decoder])

  static let types = [
    "BPEDecoder", "ByteFallback", "ByteLevel", "CTC", "Fuse", "Metaspace", "Replace", "Sequence", "Strip",
    "WordPiece",
  ]

  init(_ component: Component) throws {
    let type = try component.type()
    switch type {
    case "ByteLevel": self = .byteLevel
    case "WordPiece":
      self = .wordPiece(prefix: try component.bytes("prefix"), cleansUp: try component.bool("cleanup"))
    case "Metaspace": self = .metaspace(try Metaspace(component))
    case "BPEDecoder": self = .bytePairs(suffix: try component.bytes("suffix"))
    case "CTC":
      self = .ctc(
        padding: try component.bytes("pad_token"), delimiter: try component.bytes("word_delimiter_token"),
        cleansUp: try component.bool("cleanup"))
    case "ByteFallback": self = .byteFallback
    case "Fuse": self = .fuse
    case "Strip":
      self = .strip(
        try component.scalar("content"), start: try component.integer("start"),
        stop: try component.integer("stop"))
    case "Replace":
      self = .replace(try component.pattern("pattern"), with: try component.bytes("content"))
    case "Sequence": self = .sequence(try component.elements("decoders").map(Decoder.init))
    default: throw component.unknownType(type, known: Self.types)
    }
  }

  /// The tokens as they stand in the text, one after another.
  func apply(to tokens: [[UInt8]]) throws -> [[UInt8]] {
    switch self {
    case .byteLevel: return [Self.bytes(of: tokens)]
    case .wordPiece(let prefix, let cleansUp):
      return tokens.enumerated().map { index, token in
        var token = token
        if index > 0 {
          token = token.starts(with: prefix) ? Array(token.dropFirst(prefix.count)) : [0x20] + token
        }
        return cleansUp ? Self.cleanUp(token) : token
      }
    case .metaspace(let metaspace):
      return tokens.enumerated().map { index, token in
        token.mappingScalars { scalar, result in
          if scalar != metaspace.replacement {
            result.append(scalar)
          } else if index > 0 || metaspace.prepending == .never {
            result.append(0x20)
          }
        }
      }
    case .bytePairs(let suffix):
      return tokens.enumerated().map { index, token in
        Self.replace(suffix, with: index == tokens.count - 1 ? [] : [0x20], in: token)
      }
    case .ctc(let padding, let delimiter, let cleansUp):
      var previous: [UInt8]?
      return tokens.compactMap { token in
        defer { previous = token }
        if token == previous { return nil }
        var token = Self.replace(padding, with: [], in: token)
        if cleansUp { token = Self.replace(delimiter, with: [0x20], in: Self.cleanUp(token)) }
        return token.isEmpty ? nil : token
      }
    case .byteFallback: return Self.joinBytes(tokens)
    case .fuse: return [Array(tokens.joined())]
    case .strip(let character, let start, let stop):
      let character = Array(UTF8.encode(character)!)
      return tokens.map { Self.strip($0, character, start: start, stop: stop) }
    case .replace(let pattern, let content):
      return try tokens.map { try pattern.replacing(in: $0, with: content).text }
    case .sequence(let decoders): return try decoders.reduce(tokens) { try $1.apply(to: $0) }
    }
  }

  // MARK: Steps

  /// The bytes that byte-level tokens stand for; a token with other characters stands for itself.
  private static func bytes(of tokens: [[UInt8]]) -> [UInt8] {
    var result: [UInt8] = []
    for token in tokens {
      let start = result.count
      let isByteLevel = token.withUnsafeBufferPointer { token in
        var position = 0
        while position < token.count {
          guard let byte = ByteAlphabet.byte(of: token.nextScalar(&position)) else { return false }
          result.append(byte)
        }
        return true
      }
      if !isByteLevel {
        result.removeSubrange(start...)
        result.append(contentsOf: token)
      }
    }
    // Later decoders expect UTF-8.
    return Array(String(decoding: result, as: UTF8.self).utf8)
  }

  /// Tokens such as `<0xE2>` become their bytes; a run of them that is no UTF-8 becomes U+FFFD for each.
  private static func joinBytes(_ tokens: [[UInt8]]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var bytes: [UInt8] = []
    func flush() {
      if String(validating: bytes, as: UTF8.self) != nil {
        if !bytes.isEmpty { result.append(bytes) }
      } else {
        result.append(contentsOf: repeatElement([0xEF, 0xBF, 0xBD], count: bytes.count))
      }
      bytes.removeAll()
    }
    for token in tokens {
      if let byte = byte(of: token) {
        bytes.append(byte)
      } else {
        flush()
        result.append(token)
      }
    }
    flush()
    return result
  }

  /// The byte of a token such as `<0xE2>`.
  private static func byte(of token: [UInt8]) -> UInt8? {
    guard token.count == 6, token.starts(with: Array("<0x".utf8)), token[5] == UInt8(ascii: ">") else {
      return nil
    }
    return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
  }

  private static func strip(_ token: [UInt8], _ character: [UInt8], start: Int, stop: Int) -> [UInt8] {
    var rest = token[...]
    for _ in 0..<start {
      guard rest.starts(with: character) else { break }
      rest = rest.dropFirst(character.count)
    }
    for _ in 0..<stop {
      guard rest.suffix(character.count).elementsEqual(character) else { break }
      rest = rest.dropLast(character.count)
    }
    return Array(rest)
  }

  /// Takes away the spaces that tokens of English leave before signs and endings.
  private static func cleanUp(_ token: [UInt8]) -> [UInt8] {
    guard token.contains(0x20) else { return token }
    return [
      (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
      (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ].reduce(token) { replace(Array($1.0.utf8), with: Array($1.1.utf8), in: $0) }
  }

  private static func replace(_ text: [UInt8], with content: [UInt8], in token: [UInt8]) -> [UInt8] {
    guard !token.isEmpty else { return text.isEmpty ? content : token }
    // A literal text cannot fail to match.
    return (try? TextPattern.literal(text).replacing(in: token, with: content).text) ?? token
  }
}
