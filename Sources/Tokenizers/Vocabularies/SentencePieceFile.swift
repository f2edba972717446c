import SystemPackage

/// The pieces of a SentencePiece model (`tokenizer.model`), a message of Protocol Buffers:
/// https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
struct SentencePieceFile {
  /// What a piece is for, by its number in the file.
  enum Kind: UInt64 {
    case normal = 1, unknown, control, userDefined, unused, byte
  }

  struct Piece {
    var text: [UInt8]
    var kind: Kind
  }

  /// The pieces; their places are their ids.
  let pieces: [Piece]

  /// Reads a file's pieces. Throws `TokenizerError` for what is no such message.
  init(_ bytes: [UInt8], path: FilePath) throws {
    var reader = ProtocolBufferReader(bytes[...])
    var pieces: [Piece] = []
    while let field = try reader.next(path) {
      guard field.number == Self.piecesField else { continue }
      guard case .bytes(let message) = field.value else {
        throw Self.damaged(path, "a message for piece \(pieces.count)")
      }
      pieces.append(try Self.piece(message, at: pieces.count, path))
    }
    guard !pieces.isEmpty else { throw Self.damaged(path, "pieces") }
    self.pieces = pieces
  }

  private static func piece(_ message: ArraySlice<UInt8>, at place: Int, _ path: FilePath) throws -> Piece {
    var reader = ProtocolBufferReader(message)
    var piece = Piece(text: [], kind: .normal)
    while let field = try reader.next(path) {
      switch (field.number, field.value) {
      case (1, .bytes(let text)): piece.text = Array(text)
      case (3, .integer(let number)):
        guard let kind = Kind(rawValue: number) else { throw damaged(path, "a known type of piece \(place)") }
        piece.kind = kind
      default: break
      }
    }
    return piece
  }

  /// The file without the pieces from an id on; all else stays as it is, byte by byte.
  static func cut(_ bytes: [UInt8], to limit: Int, path: FilePath) throws -> [UInt8] {
    var reader = ProtocolBufferReader(bytes[...])
    var kept: [UInt8] = []
    var count = 0
    var start = reader.position
    while let field = try reader.next(path) {
      let isPiece = field.number == piecesField
      if !isPiece || count < limit { kept += bytes[start..<reader.position] }
      if isPiece { count += 1 }
      start = reader.position
    }
    return kept
  }

  private static let piecesField: UInt64 = 1

  fileprivate static func damaged(_ path: FilePath, _ expected: String) -> TokenizerError {
    .unexpected(path: path, what: "SentencePiece model", expected: expected, found: "something else")
  }
}

/// Reads a message of Protocol Buffers field by field.
private struct ProtocolBufferReader {
  enum Value {
    case integer(UInt64)
    case bytes(ArraySlice<UInt8>)
    /// A number of fixed size.
    case fixed
  }

  struct Field {
    var number: UInt64
    var value: Value
  }

  private let bytes: ArraySlice<UInt8>
  private(set) var position: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  /// The next field; `nil` at the end.
  mutating func next(_ path: FilePath) throws -> Field? {
    guard position < bytes.endIndex else { return nil }
    guard let tag = varint(), tag >> 3 > 0 else { throw damaged(path) }
    let value: Value
    switch tag & 7 {
    case 0:
      guard let number = varint() else { throw damaged(path) }
      value = .integer(number)
    case 1: value = .fixed; try skip(8, path)
    case 2:
      guard let count = varint(), count <= UInt64(bytes.endIndex - position) else { throw damaged(path) }
      let end = position + Int(count)
      value = .bytes(bytes[position..<end])
      position = end
    case 5: value = .fixed; try skip(4, path)
    default: throw damaged(path)
    }
    return Field(number: tag >> 3, value: value)
  }

  private mutating func skip(_ count: Int, _ path: FilePath) throws {
    guard count <= bytes.endIndex - position else { throw damaged(path) }
    position += count
  }

  private mutating func varint() -> UInt64? {
    var number: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      guard position < bytes.endIndex else { return nil }
      let byte = bytes[position]
      position += 1
      number |= UInt64(byte & 0x7f) << UInt64(shift)
      if byte < 0x80 { return number }
    }
    return nil
  }

  private func damaged(_ path: FilePath) -> TokenizerError {
    SentencePieceFile.damaged(path, "fields of Protocol Buffers at byte \(position)")
  }
}
