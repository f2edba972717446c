/// Unigram: of all ways to cut a piece into tokens, the one whose scores add up to most (Viterbi), as
/// SentencePiece's `EncodeOptimized` finds it.
struct UnigramModel: Sendable {
  let vocabulary: ModelVocabulary
  private let scores: [Double]
  private let unknownID: Int?
  /// What a character costs that no token covers alone.
  private let unknownScore: Double
  private let byteIDs: [Int32]
  /// A trie over the tokens' bytes: by a node and a byte, the next node.
  private let edges: IntegerTable
  /// The token that ends at each node, -1 for none.
  private let ends: [Int32]

  init(_ component: Component) throws {
    let list = try component.required("vocab", "an array of tokens with scores")
    guard let entries = list.json.arrayValue else { throw list.bad("an array of tokens with scores") }
    var tokens: [String] = []
    var scores: [Double] = []
    tokens.reserveCapacity(entries.count)
    scores.reserveCapacity(entries.count)
    for (index, entry) in entries.enumerated() {
      guard let pair = entry.arrayValue, pair.count == 2, let token = pair[0].stringValue,
        case .number(let literal) = pair[1], let score = SerdeNumber.value(of: literal)
      else {
        throw TokenizationError.badValue(
          file: list.file, place: "\(list.place)[\(index)]", expected: "a token and its score",
          found: entry.text(.compact))
      }
      tokens.append(token)
      scores.append(score)
    }
    if let unknown = component.field("unk_id") {
      let id = try unknown.integer()
      guard id < tokens.count else {
        throw unknown.unusable("the id \(id) is beyond the \(tokens.count) tokens of the vocabulary")
      }
      unknownID = id
    } else {
      unknownID = nil
    }
    vocabulary = ModelVocabulary(listed: tokens)
    self.scores = scores
    unknownScore = (scores.min() ?? 0) - 10
    byteIDs = try component.bool("byte_fallback", default: false) ? vocabulary.byteIDs : []

    var edges = IntegerTable(minimumCapacity: tokens.reduce(0) { $0 + $1.utf8.count } / 2)
    var ends: [Int32] = [-1]
    for (id, token) in tokens.enumerated() {
      var node: UInt64 = 0
      for byte in token.utf8 {
        let edge = node << 8 | UInt64(byte)
        if let next = edges[edge] {
          node = next
        } else {
          node = UInt64(ends.count)
          edges.set(edge, node)
          ends.append(-1)
        }
      }
      if node > 0 { ends[Int(node)] = Int32(id) }
    }
    self.edges = edges
    self.ends = ends
  }

  /// Memory that pieces use one after another: the best path to each byte.
  struct Work {
    fileprivate var paths: [Path] = []
    fileprivate var parts: [(range: Range<Int>, id: Int)] = []
  }

  fileprivate struct Path {
    var score = 0.0
    /// Where the last token of the path begins, -1 where no path ends.
    var start: Int32 = -1
    var id: Int32 = -1
  }

  func encode(_ piece: UTF8Bytes, _ work: inout Work, to ids: inout [Int]) throws {
    work.paths.removeAll(keepingCapacity: true)
    work.paths.append(contentsOf: repeatElement(Path(), count: piece.count + 1))
    var start = 0
    while start < piece.count {
      var next = start
      _ = piece.nextScalar(&next)
      let score = work.paths[start].score
      var coversOne = false
      var node: UInt64 = 0
      for end in start..<piece.count {
        guard let found = edges[node << 8 | UInt64(piece[end])] else { break }
        node = found
        let id = ends[Int(node)]
        guard id >= 0 else { continue }
        work.consider(Path(score: scores[Int(id)] + score, start: Int32(start), id: id), at: end + 1)
        if end + 1 == next { coversOne = true }
      }
      if !coversOne {
        guard let unknownID else { throw TokenModel.unknown(piece[part: start..<next], token: nil) }
        work.consider(
          Path(score: unknownScore + score, start: Int32(start), id: Int32(unknownID)), at: next)
      }
      start = next
    }

    work.parts.removeAll(keepingCapacity: true)
    var end = piece.count
    while end > 0 {
      let path = work.paths[end]
      let start = Int(path.start)
      let id = Int(path.id)
      // Unknown neighbours are one.
      if let last = work.parts.last, id == unknownID, last.id == id {
        work.parts[work.parts.count - 1].range = start..<last.range.upperBound
      } else {
        work.parts.append((start..<end, id))
      }
      end = start
    }
    for part in work.parts.reversed() {
      guard part.id == unknownID else {
        ids.append(part.id)
        continue
      }
      let text = piece[part: part.range]
      if let id = vocabulary[text] {
        ids.append(id)
      } else if !byteIDs.isEmpty, text.allSatisfy({ byteIDs[Int($0)] >= 0 }) {
        ids.append(contentsOf: text.map { Int(byteIDs[Int($0)]) })
      } else {
        ids.append(part.id)
      }
    }
  }
}

extension UnigramModel.Work {
  /// Takes a path to a place if it is better than the one there.
  @inline(__always)
  fileprivate mutating func consider(_ path: UnigramModel.Path, at place: Int) {
    if paths[place].start < 0 || path.score > paths[place].score { paths[place] = path }
  }
}
