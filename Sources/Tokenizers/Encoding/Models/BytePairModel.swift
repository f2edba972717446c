/// Byte-pair encoding: a piece begins as its characters, and the pair of neighbours whose merge was learnt
/// first is merged, until no pair has one.
struct BytePairModel: Sendable {
  let vocabulary: ModelVocabulary
  /// By the two ids of a pair: the merge's rank and the id that it makes.
  private let merges: IntegerTable
  private let unknownToken: [UInt8]?
  private let fusesUnknown: Bool
  private let ignoresMerges: Bool
  /// What tokens within and at the end of a word carry.
  private let prefix: [UInt8]
  private let suffix: [UInt8]
  /// The tokens of bytes, for characters without one; empty without byte fallback.
  private let byteIDs: [Int32]

  init(_ component: Component) throws {
    if let dropout = component.field("dropout"), dropout.json.doubleValue != 0 {
      throw dropout.unusable("dropout gives other ids each time; 0 or null was expected")
    }
    let vocabulary = try ModelVocabulary(component.required("vocab", "an object of ids"))
    self.vocabulary = vocabulary
    unknownToken = try component.optionalString("unk_token").map { Array($0.utf8) }
    fusesUnknown = try component.bool("fuse_unk", default: false)
    ignoresMerges = try component.bool("ignore_merges", default: false)
    prefix = try component.optionalBytes("continuing_subword_prefix")
    suffix = try component.optionalBytes("end_of_word_suffix")
    byteIDs = try component.bool("byte_fallback", default: false) ? vocabulary.byteIDs : []
    merges = try Self.merges(component.required("merges", "an array"), vocabulary, prefix: prefix)
  }

  /// Reads merges, which are texts such as `a b`, or lists of two tokens.
  private static func merges(_ component: Component, _ vocabulary: ModelVocabulary, prefix: [UInt8]) throws
    -> IntegerTable
  {
    guard let list = component.json.arrayValue else { throw component.bad("an array") }
    var table = IntegerTable(minimumCapacity: list.count)
    var buffer: [UInt8] = []
    var rank: UInt64 = 0
    for (index, entry) in list.enumerated() {
      func bad() -> TokenizationError {
        .badValue(
          file: component.file, place: "\(component.place)[\(index)]",
          expected: "two tokens, in an array or with a space between", found: entry.text(.compact))
      }
      func id(_ token: UTF8Bytes) throws -> UInt64 {
        if let id = vocabulary[token] { return UInt64(id) }
        throw TokenizationError.unusable(
          file: component.file, place: "\(component.place)[\(index)]",
          reason: "'\(String(decoding: token, as: UTF8.self))' is not in the vocabulary")
      }
      buffer.removeAll(keepingCapacity: true)
      let middle: (end: Int, next: Int)
      switch entry {
      case .string(let text):
        if index == 0, text.hasPrefix("#version") { continue }
        buffer.append(contentsOf: text.utf8)
        guard let space = buffer.firstIndex(of: 0x20), buffer.lastIndex(of: 0x20) == space else {
          throw bad()
        }
        middle = (space, space + 1)
      case .array(let pair):
        guard pair.count == 2, case .string(let left) = pair[0], case .string(let right) = pair[1] else {
          throw bad()
        }
        buffer.append(contentsOf: left.utf8)
        middle = (buffer.count, buffer.count)
        buffer.append(contentsOf: right.utf8)
      default: throw bad()
      }
      guard buffer.count - middle.next >= prefix.count else { throw bad() }
      let pair = try buffer.withUnsafeBufferPointer {
        try id($0[part: 0..<middle.end]) << 32 | id($0[part: middle.next..<$0.count])
      }
      buffer.removeSubrange(middle.end..<middle.next + prefix.count)
      table.set(pair, rank << 32 | (try buffer.withUnsafeBufferPointer { try id($0) }))
      rank += 1
    }
    return table
  }

  // MARK: Encoding

  /// Memory that pieces use one after another.
  struct Work {
    fileprivate var symbols: [Symbol] = []
    fileprivate var queue = MergeQueue()
    fileprivate var text: [UInt8] = []
  }

  fileprivate struct Symbol {
    /// The token, or -1 where the symbol was merged into one before it.
    var id: Int32
    var previous: Int32
    var next: Int32
  }

  func encode(_ piece: UTF8Bytes, _ work: inout Work, to ids: inout [Int]) throws {
    if ignoresMerges, let id = vocabulary[piece] {
      ids.append(id)
      return
    }
    work.symbols.removeAll(keepingCapacity: true)
    try addSymbols(of: piece, &work)
    merge(&work)
    for symbol in work.symbols where symbol.id >= 0 { ids.append(Int(symbol.id)) }
  }

  /// The tokens of a piece's characters. One without a token becomes those of its bytes, else unknown;
  /// without an unk_token it is left out.
  private func addSymbols(of piece: UTF8Bytes, _ work: inout Work) throws {
    /// The unknown that is not added yet, since others may join it.
    var unknown: Int?
    var position = 0
    while position < piece.count {
      let start = position
      _ = piece.nextScalar(&position)
      var id: Int?
      if prefix.isEmpty && suffix.isEmpty {
        id = vocabulary[piece[part: start..<position]]
      } else {
        work.text.removeAll(keepingCapacity: true)
        if start > 0 { work.text.append(contentsOf: prefix) }
        work.text.append(contentsOf: piece[start..<position])
        if position == piece.count { work.text.append(contentsOf: suffix) }
        id = vocabulary[work.text]
      }
      if let id {
        if let pending = unknown { work.add(pending) }
        unknown = nil
        work.add(id)
        continue
      }
      if !byteIDs.isEmpty {
        let bytes = prefix.isEmpty && suffix.isEmpty ? Array(piece[start..<position]) : work.text
        if bytes.allSatisfy({ byteIDs[Int($0)] >= 0 }) {
          // An unknown from before stays pending, and comes behind these: so does the reference.
          for byte in bytes { work.add(Int(byteIDs[Int(byte)])) }
          continue
        }
      }
      guard let unknownToken else { continue }
      guard let id = vocabulary[unknownToken] else {
        throw TokenModel.unknown(piece[part: start..<position], token: unknownToken)
      }
      if let pending = unknown, !fusesUnknown { work.add(pending) }
      unknown = id
    }
    if let unknown { work.add(unknown) }
  }

  private func merge(_ work: inout Work) {
    guard work.symbols.count > 1 else { return }
    let count = work.symbols.count
    work.symbols[count - 1].next = -1
    work.queue.removeAll()
    work.symbols.withUnsafeMutableBufferPointer { symbols in
      func find(_ left: Int) -> UInt64? {
        let right = symbols[left].next
        guard right >= 0 else { return nil }
        return merges[UInt64(UInt32(symbols[left].id)) << 32 | UInt64(UInt32(symbols[Int(right)].id))]
      }
      for left in 0..<count - 1 { if let merge = find(left) { work.queue.push(merge, at: left) } }
      while let (place, made) = work.queue.pop() {
        guard symbols[place].id >= 0, let merge = find(place), merge & 0xFFFF_FFFF == made else { continue }
        let right = Int(symbols[place].next)
        symbols[place].id = Int32(truncatingIfNeeded: made)
        symbols[place].next = symbols[right].next
        symbols[right].id = -1
        if symbols[right].next >= 0 { symbols[Int(symbols[right].next)].previous = Int32(place) }
        let before = Int(symbols[place].previous)
        if before >= 0, let merge = find(before) { work.queue.push(merge, at: before) }
        if let merge = find(place) { work.queue.push(merge, at: place) }
      }
    }
  }
}

extension BytePairModel.Work {
  @inline(__always)
  fileprivate mutating func add(_ id: Int) {
    let place = Int32(symbols.count)
    symbols.append(.init(id: Int32(id), previous: place - 1, next: place + 1))
  }
}

/// Merges that wait, the lowest rank first, and of equal ranks the leftmost: a binary heap.
private struct MergeQueue {
  /// Rank and place, of which the least comes first, and the id that the merge makes.
  private var heap: [(order: UInt64, made: UInt32)] = []

  mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

  @inline(__always)
  mutating func push(_ merge: UInt64, at place: Int) {
    let entry = (order: merge & ~0xFFFF_FFFF | UInt64(place), made: UInt32(truncatingIfNeeded: merge))
    heap.append(entry)
    heap.withUnsafeMutableBufferPointer { heap in
      var child = heap.count - 1
      while child > 0 {
        let parent = (child - 1) / 2
        guard entry.order < heap[parent].order else { break }
        heap[child] = heap[parent]
        child = parent
      }
      heap[child] = entry
    }
  }

  @inline(__always)
  mutating func pop() -> (place: Int, made: UInt64)? {
    guard let last = heap.popLast() else { return nil }
    guard let top = heap.first else { return (Int(last.order & 0xFFFF_FFFF), UInt64(last.made)) }
    heap.withUnsafeMutableBufferPointer { heap in
      var parent = 0
      while true {
        var child = 2 * parent + 1
        guard child < heap.count else { break }
        if child + 1 < heap.count, heap[child + 1].order < heap[child].order { child += 1 }
        guard heap[child].order < last.order else { break }
        heap[parent] = heap[child]
        parent = child
      }
      heap[parent] = last
    }
    return (Int(top.order & 0xFFFF_FFFF), UInt64(top.made))
  }
}
