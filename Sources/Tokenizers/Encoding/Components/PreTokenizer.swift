/// The second stage: the pieces that the model encodes one by one.
indirect enum PreTokenizer: Sendable {
  case byteLevel(addsSpace: Bool, expression: RegularExpression?)
  case split(TextPattern, SplitBehavior, isInverted: Bool)
  case metaspace(Metaspace)
  case whitespace
  case whitespaceSplit
  case digits(SplitBehavior)
  case punctuation(SplitBehavior)
  case bert
  case delimiter(Unicode.Scalar)
  case fixedLength(Int)
  case scripts(UnicodeScripts)
  case sequence([PreTokenizer])

  static let types = [
    "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "FixedLength", "Metaspace",
    "Punctuation", "Sequence", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit",
  ]

  /// How GPT-2 splits: contractions, words, numbers and signs with the space before them, and other spaces.
  private static let wordPattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  init(_ component: Component) throws {
    let type = try component.type()
    switch type {
    case "ByteLevel":
      self = .byteLevel(
        addsSpace: try component.bool("add_prefix_space"),
        expression: try component.bool("use_regex", default: true)
          ? RegularExpression(Self.wordPattern) : nil)
    case "Split":
      self = .split(
        try component.pattern("pattern"), try SplitBehavior(component),
        isInverted: try component.bool("invert"))
    case "Metaspace": self = .metaspace(try Metaspace(component))
    case "Whitespace": self = .whitespace
    case "WhitespaceSplit": self = .whitespaceSplit
    case "Digits": self = .digits(try component.bool("individual_digits") ? .isolated : .contiguous)
    case "Punctuation": self = .punctuation(try SplitBehavior(component, default: .isolated))
    case "BertPreTokenizer": self = .bert
    case "CharDelimiterSplit": self = .delimiter(try component.scalar("delimiter"))
    case "FixedLength":
      let length = try component.integer("length", default: 5)
      guard length > 0 else { throw component.unusable("length is 0") }
      self = .fixedLength(length)
    case "UnicodeScripts": self = .scripts(try UnicodeScripts())
    case "Sequence": self = .sequence(try component.elements("pretokenizers").map(PreTokenizer.init))
    default: throw component.unknownType(type, known: Self.types)
    }
  }

  /// Splits the pieces of a text further.
  func apply(to text: inout PieceText) throws {
    switch self {
    case .byteLevel(let addsSpace, let expression):
      if addsSpace {
        text.transform { piece, _, result in
          if piece.first != 0x20 { result.append(0x20) }
          result.append(contentsOf: piece)
        }
      }
      if let expression { try text.split(.isolated, find: expression.forEachMatch) }
      text.transform { piece, _, result in ByteAlphabet.encode(piece, to: &result) }
    case .split(let pattern, let behavior, let isInverted):
      try text.split(behavior, isInverted: isInverted, find: pattern.forEachMatch)
    case .metaspace(let metaspace): metaspace.apply(to: &text)
    case .whitespace:
      // What lies between the runs is white space, and dropped.
      text.split(.removed, isInverted: true, find: Self.forEachRun)
    case .whitespaceSplit: text.split(.removed, where: ScalarClass.isWhitespace)
    case .digits(let behavior): text.split(behavior, where: ScalarClass.isNumeric)
    case .punctuation(let behavior): text.split(behavior, where: ScalarClass.isPunctuation)
    case .bert:
      text.split(.removed, where: ScalarClass.isWhitespace)
      text.split(.isolated, where: ScalarClass.isPunctuation)
    case .delimiter(let delimiter): text.split(.removed) { $0 == delimiter }
    case .fixedLength(let length):
      text.split(.isolated) { text, body in
        var position = 0
        while position < text.count {
          let start = position
          for _ in 0..<length where position < text.count { _ = text.nextScalar(&position) }
          body(start..<position)
        }
      }
    case .scripts(let scripts): try text.split(.removed, isInverted: true, find: scripts.forEachPiece)
    case .sequence(let preTokenizers): for each in preTokenizers { try each.apply(to: &text) }
    }
  }

  /// Runs of word characters, and runs of what is neither a word's nor white space: `\w+|[^\w\s]+`.
  private static func forEachRun(in text: UTF8Bytes, _ body: (Range<Int>) -> Void) {
    enum Kind { case word, space, other }
    var position = 0
    var start = 0
    var current = Kind.space
    while position < text.count {
      let begin = position
      let scalar = text.nextScalar(&position)
      let kind: Kind =
        ScalarClass.isWord(scalar) ? .word : ScalarClass.isWhitespace(scalar) ? .space : .other
      if kind != current {
        if current != .space { body(start..<begin) }
        (start, current) = (begin, kind)
      }
    }
    if current != .space { body(start..<text.count) }
  }
}
