/// A text on its way through the normalizers.
struct NormalizedText {
  var bytes: [UInt8]
  /// Whether it begins with what the whole text began with: what Metaspace's prepend scheme `first` asks.
  var keepsStart: Bool
}

/// The first stage: what becomes of a text before it is split.
indirect enum Normalizer: Sendable {
  case form(NormalForm)
  case lowercase
  case stripAccents
  case bert(cleansText: Bool, separatesIdeographs: Bool, stripsAccents: Bool, lowercases: Bool)
  case replace(TextPattern, with: [UInt8])
  case prepend([UInt8])
  case strip(left: Bool, right: Bool)
  case nmt
  case byteLevel
  case precompiled(CharacterMap)
  case sequence([Normalizer])

  static let types = [
    "BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Prepend",
    "Replace", "Sequence", "Strip", "StripAccents",
  ]

  init(_ component: Component) throws {
    let type = try component.type()
    if let form = NormalForm(rawValue: type) {
      self = .form(form)
      return
    }
    switch type {
    case "Lowercase": self = .lowercase
    case "StripAccents": self = .stripAccents
    case "BertNormalizer":
      let lowercases = try component.bool("lowercase")
      self = .bert(
        cleansText: try component.bool("clean_text"),
        separatesIdeographs: try component.bool("handle_chinese_chars"),
        stripsAccents: try component.bool("strip_accents", default: lowercases), lowercases: lowercases)
    case "Replace":
      self = .replace(try component.pattern("pattern"), with: try component.bytes("content"))
    case "Prepend": self = .prepend(try component.bytes("prepend"))
    case "Strip":
      self = .strip(left: try component.bool("strip_left"), right: try component.bool("strip_right"))
    case "Nmt": self = .nmt
    case "ByteLevel": self = .byteLevel
    case "Precompiled": self = .precompiled(try CharacterMap(component))
    case "Sequence": self = .sequence(try component.elements("normalizers").map(Normalizer.init))
    default: throw component.unknownType(type, known: Self.types)
    }
  }

  /// The text after this normalizer.
  func apply(to text: inout NormalizedText) throws {
    switch self {
    case .form(let form): text.bytes = form.normalize(text.bytes)
    case .lowercase: Self.lowercase(&text)
    case .stripAccents: Self.keep(&text) { !ScalarClass.isCombiningMark($0) }
    case .bert(let cleansText, let separatesIdeographs, let stripsAccents, let lowercases):
      if cleansText { Self.clean(&text) }
      if separatesIdeographs { Self.separateIdeographs(&text) }
      if stripsAccents {
        text.bytes = NormalForm.nfd.normalize(text.bytes)
        Self.keep(&text) { !ScalarClass.isNonspacingMark($0) }
      }
      if lowercases { Self.lowercase(&text) }
    case .replace(let pattern, let content):
      let replaced = try pattern.replacing(in: text.bytes, with: content)
      text = NormalizedText(bytes: replaced.text, keepsStart: text.keepsStart && replaced.keepsStart)
    case .prepend(let prefix): if !text.bytes.isEmpty { text.bytes = prefix + text.bytes }
    case .strip(let left, let right): Self.strip(&text, left: left, right: right)
    case .nmt: Self.applyNmt(&text)
    case .byteLevel:
      var encoded: [UInt8] = []
      text.bytes.withUnsafeBufferPointer { ByteAlphabet.encode($0, to: &encoded) }
      text.bytes = encoded
    case .precompiled(let map): text.bytes = map.apply(to: text.bytes)
    case .sequence(let normalizers): for normalizer in normalizers { try normalizer.apply(to: &text) }
    }
  }

  /// Whether a text is still there after this normalizer, with something before or behind it maybe.
  func keeps(_ text: [UInt8]) -> Bool {
    var normalized = NormalizedText(bytes: text, keepsStart: true)
    // What cannot be normalized is not found in normalized text either.
    guard (try? apply(to: &normalized)) != nil else { return false }
    return normalized.bytes.count >= text.count
      && (normalized.bytes.starts(with: text) || normalized.bytes.suffix(text.count).elementsEqual(text))
  }

  // MARK: Steps

  private static func lowercase(_ text: inout NormalizedText) {
    text.bytes = text.bytes.mappingScalars { scalar, result in
      if scalar.isASCII {
        result.append(UInt8(0x41...0x5A ~= scalar.value ? scalar.value | 0x20 : scalar.value))
      } else {
        result.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
      }
    }
  }

  /// Drops the characters that `isKept` refuses.
  private static func keep(_ text: inout NormalizedText, _ isKept: (Unicode.Scalar) -> Bool) {
    guard !text.bytes.isEmpty else { return }
    let keepsFirst = text.bytes.withUnsafeBufferPointer { bytes in
      var position = 0
      return isKept(bytes.nextScalar(&position))
    }
    text.bytes = text.bytes.mappingScalars { scalar, result in if isKept(scalar) { result.append(scalar) } }
    text.keepsStart = text.keepsStart && keepsFirst
  }

  private static func clean(_ text: inout NormalizedText) {
    func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar == "\t" || scalar == "\n" || scalar == "\r" }
    keep(&text) { isSpace($0) || !($0.value == 0xFFFD || ScalarClass.isControl($0)) }
    text.bytes = text.bytes.mappingScalars { scalar, result in
      if ScalarClass.isWhitespace(scalar) { result.append(0x20) } else { result.append(scalar) }
    }
  }

  private static func separateIdeographs(_ text: inout NormalizedText) {
    text.bytes = text.bytes.mappingScalars { scalar, result in
      if ScalarClass.isIdeograph(scalar) {
        result.append(0x20)
        result.append(scalar)
        result.append(0x20)
      } else {
        result.append(scalar)
      }
    }
  }

  private static func strip(_ text: inout NormalizedText, left: Bool, right: Bool) {
    let range = text.bytes.withUnsafeBufferPointer { bytes in
      var start = 0
      var end = bytes.count
      while left, start < end {
        var next = start
        guard ScalarClass.isWhitespace(bytes.nextScalar(&next)) else { break }
        start = next
      }
      while right, start < end {
        let last = bytes.scalar(before: end)
        guard ScalarClass.isWhitespace(last) else { break }
        end -= UTF8.width(last)
      }
      return start..<end
    }
    if range.lowerBound > 0 { text.keepsStart = false }
    if range.count < text.bytes.count { text.bytes = Array(text.bytes[range]) }
  }

  /// What SentencePiece's `nmt` rules do: control characters go, and odd spaces become plain ones.
  private static func applyNmt(_ text: inout NormalizedText) {
    keep(&text) { scalar in
      switch scalar.value {
      case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: false
      default: true
      }
    }
    text.bytes = text.bytes.mappingScalars { scalar, result in
      switch scalar.value {
      case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD:
        result.append(0x20)
      default: result.append(scalar)
      }
    }
  }
}
