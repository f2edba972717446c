/// WordLevel: a piece is a token or unknown.
struct WordLevelModel: Sendable {
  let vocabulary: ModelVocabulary
  private let unknownToken: [UInt8]

  init(_ component: Component) throws {
    vocabulary = try ModelVocabulary(component.required("vocab", "an object of ids"))
    unknownToken = try component.bytes("unk_token")
  }

  func encode(_ piece: UTF8Bytes, to ids: inout [Int]) throws {
    guard let id = vocabulary[piece] ?? vocabulary[unknownToken] else {
      throw TokenModel.unknown(piece, token: unknownToken)
    }
    ids.append(id)
  }
}

/// WordPiece: the longest token that a word begins with, then the longest of those that continue a word, and so
/// on; a word that does not come out even is unknown as a whole.
struct WordPieceModel: Sendable {
  let vocabulary: ModelVocabulary
  private let unknownToken: [UInt8]
  private let prefix: [UInt8]
  private let longestWord: Int

  init(_ component: Component) throws {
    vocabulary = try ModelVocabulary(component.required("vocab", "an object of ids"))
    unknownToken = try component.bytes("unk_token")
    prefix = try component.bytes("continuing_subword_prefix")
    longestWord = try component.integer("max_input_chars_per_word")
  }

  func encode(_ piece: UTF8Bytes, to ids: inout [Int]) throws {
    let first = ids.count
    guard piece.scalarCount <= longestWord, tokens(of: piece, &ids) else {
      ids.removeSubrange(first...)
      guard let id = vocabulary[unknownToken] else { throw TokenModel.unknown(piece, token: unknownToken) }
      ids.append(id)
      return
    }
  }

  private func tokens(of piece: UTF8Bytes, _ ids: inout [Int]) -> Bool {
    // The prefix before each rest of the word, so that a look-up needs no text of its own.
    var continued = prefix + Array(piece)
    var start = 0
    while start < piece.count {
      var end = piece.count
      var found: Int?
      if start > 0 { for (offset, byte) in prefix.enumerated() { continued[start + offset] = byte } }
      while start < end {
        found =
          start == 0
          ? vocabulary[piece[part: 0..<end]]
          : continued.withUnsafeBufferPointer { vocabulary[$0[part: start..<prefix.count + end]] }
        if found != nil { break }
        repeat { end -= 1 } while end > start && piece[end] & 0xC0 == 0x80
      }
      guard let found else { return false }
      ids.append(found)
      start = end
    }
    return true
  }
}
