import Basics
import SystemPackage
import Tensors

/// A GGUF file of version 2 or 3, as llama.cpp reads it: metadata, and tensors in blocks or plain.
///
/// The format is that of docs/gguf.md of ggml. Dimensions are turned round, so that rows come first as everywhere here.
package struct GGUFFile: TensorFile {
  package let path: FilePath
  package let identity: FileIdentity
  package let tensors: [StoredTensor]
  /// What it says of its model.
  package let values: GGUFMetadata

  package var metadata: JSONObject { values.short }

  /// Opens a file and reads its header.
  ///
  /// Throws `GGUFError` if it is not valid.
  package init(path: FilePath) throws { try self.init(InputFile(path: path)) }

  init(_ file: InputFile) throws {
    path = file.path
    identity = file.identity
    do {
      var cursor = GGUFCursor(file)
      try Self.checkKind(file)
      try cursor.skip(4)
      try Self.checkVersion(cursor.number())
      let tensorCount = try Self.count("tensors", &cursor, atLeast: Self.smallestTensor)
      let valueCount = try Self.count("values", &cursor, atLeast: GGUFMetadata.smallestEntry)
      values = try GGUFMetadata(&cursor, count: valueCount, of: file)
      let alignment = try Self.alignment(values)
      var entries: [Entry] = []
      for number in 0..<tensorCount { entries.append(try Self.entry(&cursor, number, alignment: alignment)) }
      let start = cursor.position + (alignment - cursor.position % alignment) % alignment
      tensors = try Self.place(entries, from: start, in: file)
    } catch let problem as GGUFProblem {
      throw GGUFError(path: file.path, problem: problem)
    }
  }

  // MARK: What it is

  static let magic = Array("GGUF".utf8)

  private static func checkKind(_ file: InputFile) throws {
    let first = try file.bytes(at: 0, count: min(24, file.identity.byteCount))
    if first.starts(with: magic) { return }
    if first.starts(with: "version https://git-lfs".utf8) { throw GGUFProblem.gitLFSPointer }
    // The magic numbers that ggml had before, little-endian.
    let older = ["lmgg": "GGML", "fmgg": "GGMF", "tjgg": "GGJT", "algg": "GGLA"]
    if let name = older[String(decoding: first.prefix(4), as: UTF8.self)] {
      throw GGUFProblem.olderFormat(name)
    }
    throw GGUFProblem.notGGUF
  }

  private static func checkVersion(_ version: UInt32) throws {
    if version.byteSwapped > 0, version.byteSwapped < 1 << 16, version >= 1 << 16 {
      throw GGUFProblem.bigEndian
    }
    guard version == 2 || version == 3 else { throw GGUFProblem.version(version) }
  }

  /// A count of things that each take some bytes of the rest of the file.
  private static func count(_ what: String, _ cursor: inout GGUFCursor, atLeast size: Int) throws -> Int {
    let count = try cursor.number(UInt64.self)
    let most = cursor.remaining / size
    guard count <= UInt64(most) else { throw GGUFProblem.tooMany(what, count: count, most: most) }
    return Int(count)
  }

  private static func alignment(_ values: GGUFMetadata) throws -> Int {
    guard let value = try values.json("general.alignment") else { return 32 }
    guard let number = value.intValue, number > 0, number <= 1 << 20, number & (number - 1) == 0 else {
      throw GGUFProblem.badAlignment(value.intValue.map { String($0) } ?? value.kind)
    }
    return number
  }

  // MARK: Tensors

  /// What the header says of a tensor.
  private struct Entry {
    let name: String
    let shape: [Int]
    let type: GGUFType
    let byteCount: Int
    /// From the start of the data.
    let offset: Int
  }

  /// The fewest bytes that the header has of a tensor.
  private static let smallestTensor = 8 + 4 + 4 + 8
  private static let longestName = 1024

  private static func entry(_ cursor: inout GGUFCursor, _ number: Int, alignment: Int) throws -> Entry {
    let name = try cursor.text("the name of tensor \(number)", atMost: longestName)
    func bad(_ reason: DiagnosticMessage) -> GGUFProblem { .badTensor(name: name, reason: reason) }
    let rank = try cursor.number(UInt32.self)
    guard rank <= 4 else { throw bad("it has \(rank) dimensions; at most 4 are read") }
    var shape: [Int] = []
    for _ in 0..<rank {
      let size = try cursor.number(UInt64.self)
      guard size > 0, size <= UInt64(Int.max) else { throw bad("it has a dimension of size \(size)") }
      shape.insert(Int(size), at: 0)
    }
    let typeNumber = try cursor.number(UInt32.self)
    guard let type = GGUFType.numbered(typeNumber) else { throw bad("it has the unknown type \(typeNumber)") }
    guard let block = type.block else {
      throw bad(
        "it has the type \(words: type.name), which is not read; the types that are read are "
          + "\(words: GGUFType.readable.joined(separator: ", "))")
    }
    let width = shape.last ?? 1
    guard width % block.elements == 0 else {
      throw bad(
        "its rows have \(width) elements, which are no whole blocks of \(words: type.name) (\(block.elements))"
      )
    }
    guard let count = elementCount(of: shape),
      case let (byteCount, overflow) = (count / block.elements).multipliedReportingOverflow(by: block.bytes),
      !overflow
    else { throw bad("its size is beyond 64 bits") }
    let offset = try cursor.number(UInt64.self)
    guard offset <= UInt64(Int.max), offset % UInt64(alignment) == 0 else {
      throw bad("its data begins at \(offset), which is no multiple of the alignment, \(alignment)")
    }
    return Entry(name: name, shape: shape, type: type, byteCount: byteCount, offset: Int(offset))
  }

  /// The tensors in the order of their data, which lies in the file from `start` on.
  private static func place(_ entries: [Entry], from start: Int, in file: InputFile) throws -> [StoredTensor]
  {
    let available = max(0, file.identity.byteCount - start)
    var names: Set<ByteKey> = []
    for entry in entries {
      guard names.insert(ByteKey(string: entry.name)).inserted else {
        throw GGUFProblem.repeatedTensor(entry.name)
      }
      guard entry.offset <= available, entry.byteCount <= available - entry.offset else {
        throw GGUFProblem.badTensor(
          name: entry.name,
          reason:
            "the file is truncated: the data begins at \(entry.offset) and has \(entry.byteCount) bytes, "
            + "where the file has \(available)")
      }
    }
    let sorted = entries.sorted { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }
    for (first, second) in zip(sorted, sorted.dropFirst())
    where first.offset + first.byteCount > second.offset {
      throw GGUFProblem.overlap(name: second.name, other: first.name)
    }
    return sorted.map { entry in
      let first = start + entry.offset
      let range = FileRange(first..<first + entry.byteCount, of: file, tensor: entry.name)
      switch entry.type.storage {
      case .blocks(let format):
        let source = BlockDecodedSource(range, count: entry.shape.reduce(1, *), decoder: format)
        return StoredTensor(
          name: entry.name, shape: entry.shape, format: .decoded(format.name),
          storedByteCount: entry.byteCount, source: source, path: file.path)
      case .plain(let dtype):
        return StoredTensor(
          name: entry.name, shape: entry.shape, format: .plain(dtype), storedByteCount: entry.byteCount,
          source: range, path: file.path)
      case .unread: preconditionFailure("refused before")
      }
    }
  }
}

extension TensorFileFormat {
  static let gguf = TensorFileFormat(
    name: "GGUF", suffixes: [".gguf"], singleNames: ["model.gguf"], indexNames: [], indexSuffixes: [],
    holdsWholeModels: true,
    ignored: { name in
      // What llama.cpp keeps beside a model: the eyes of one that sees, the importance of weights.
      ["mmproj", "imatrix"].contains { name.hasPrefix($0) } || name.contains("imatrix.gguf")
    },
    recognizes: { first, _ in first.starts(with: GGUFFile.magic) },
    open: { try GGUFFile($0) }, checkSet: GGUFSplit.check)
}
