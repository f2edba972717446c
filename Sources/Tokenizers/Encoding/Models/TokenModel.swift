/// The third stage: the ids of a piece.
enum TokenModel: Sendable {
  case bytePairs(BytePairModel)
  case wordPieces(WordPieceModel)
  case unigrams(UnigramModel)
  case wordLevel(WordLevelModel)

  static let types = ["BPE", "Unigram", "WordLevel", "WordPiece"]

  init(_ component: Component) throws {
    guard component.field("type") != nil else {
      self = try Self.untyped(component)
      return
    }
    let type = try component.type()
    switch type {
    case "BPE": self = .bytePairs(try BytePairModel(component))
    case "WordPiece": self = .wordPieces(try WordPieceModel(component))
    case "Unigram": self = .unigrams(try UnigramModel(component))
    case "WordLevel": self = .wordLevel(try WordLevelModel(component))
    default: throw component.unknownType(type, known: Self.types)
    }
  }

  /// Old files do not say the type; what they have does.
  private static func untyped(_ component: Component) throws -> TokenModel {
    if component.field("merges") != nil { return .bytePairs(try BytePairModel(component)) }
    if component.field("max_input_chars_per_word") != nil {
      return .wordPieces(try WordPieceModel(component))
    }
    if component.field("vocab")?.json.arrayValue != nil { return .unigrams(try UnigramModel(component)) }
    return .wordLevel(try WordLevelModel(component))
  }

  var vocabulary: ModelVocabulary {
    switch self {
    case .bytePairs(let model): model.vocabulary
    case .wordPieces(let model): model.vocabulary
    case .unigrams(let model): model.vocabulary
    case .wordLevel(let model): model.vocabulary
    }
  }

  /// Adds the ids of each piece to `ids`.
  func encode(_ text: PieceText, to ids: inout [Int]) throws {
    switch self {
    case .bytePairs(let model):
      var work = BytePairModel.Work()
      try Self.encode(text, to: &ids) { try model.encode($0, &work, to: &$1) }
    case .wordPieces(let model): try Self.encode(text, to: &ids) { try model.encode($0, to: &$1) }
    case .unigrams(let model):
      var work = UnigramModel.Work()
      try Self.encode(text, to: &ids) { try model.encode($0, &work, to: &$1) }
    case .wordLevel(let model): try Self.encode(text, to: &ids) { try model.encode($0, to: &$1) }
    }
  }

  /// Pieces come again and again, words above all: each is encoded once.
  private static func encode(
    _ text: PieceText, to ids: inout [Int], encode: (UTF8Bytes, inout [Int]) throws -> Void
  ) throws {
    var known = ByteTable(minimumCapacity: min(text.pieces.count, 1 << 12))
    var knownIDs: [Int] = []
    var ranges: [Range<Int>] = []
    try text.bytes.withUnsafeBufferPointer { bytes in
      for piece in text.pieces {
        guard piece.token < 0 else {
          ids.append(Int(piece.token))
          continue
        }
        let piece = bytes[part: piece.start..<piece.end]
        guard piece.count <= longestKept, text.pieces.count > 1 else {
          try encode(piece, &ids)
          continue
        }
        if let place = known[piece] {
          ids.append(contentsOf: knownIDs[ranges[place]])
          continue
        }
        let start = ids.count
        try encode(piece, &ids)
        if known.count < mostKept {
          known.set(piece, ranges.count)
          ranges.append(knownIDs.count..<knownIDs.count + ids.count - start)
          knownIDs.append(contentsOf: ids[start...])
        }
      }
    }
  }

  private static let longestKept = 256
  private static let mostKept = 1 << 16

  /// What a model says of text that it has no token for.
  static func unknown(_ text: UTF8Bytes, token: [UInt8]?) -> TokenizationError {
    .unknownText(
      text: String(decoding: text, as: UTF8.self), token: token.map { String(decoding: $0, as: UTF8.self) })
  }
}
