import Basics

/// The entries of a zip archive whose contents lie in the file as they are, each with the place of its bytes.
///
/// Reads the container that `torch.save` writes (APPNOTE.TXT of PKWARE, sections 4.3 to 4.5), and refuses whatever lets
/// two readers see different contents: compression, comments, several disks, entries that overlap, names that lead
/// out, names that occur twice.
struct ZipArchive {
  struct Entry {
    let name: String
    /// Where the contents are, in bytes from the start of the file.
    let byteRange: Range<Int>
    /// Whether they lie there as they are.
    let isStored: Bool
  }

  /// The entries, in the order of the directory.
  let entries: [Entry]
  private let byName: [ByteKey: Int]

  /// An archive of more entries is none of tensors.
  static let mostEntries = 200_000
  /// Bytes of the directory that are read, at most: a name takes 46 and its length.
  private static let largestDirectory = 32 << 20

  /// The contents of an entry.
  subscript(name: String) -> Entry? { byName[ByteKey(string: name)].map { entries[$0] } }

  /// Reads the directory of an archive.
  init(_ file: InputFile) throws {
    let end = try Self.end(of: file)
    guard end.count <= Self.mostEntries else {
      throw PickleProblem.tooManyEntries(end.count, most: Self.mostEntries)
    }
    guard end.directory.count <= Self.largestDirectory else {
      throw PickleProblem.badArchive("its directory has \(ByteSize.format(end.directory.count))")
    }
    let bytes = ByteReader(try file.exactBytes(end.directory))
    var entries: [Entry] = []
    var headers: [Range<Int>] = []
    var byName: [ByteKey: Int] = [:]
    var position = 0
    for _ in 0..<end.count {
      let record = try Self.record(bytes, at: &position)
      let (start, range) = try Self.place(of: record, in: file, before: end.directory.lowerBound)
      if byName.updateValue(entries.count, forKey: ByteKey(string: record.name)) != nil {
        throw PickleProblem.badArchive("the name \(name: record.name) occurs twice")
      }
      entries.append(Entry(name: record.name, byteRange: range, isStored: record.isStored))
      headers.append(start..<range.upperBound)
    }
    guard position == end.directory.count else {
      throw PickleProblem.badArchive("its directory is longer than its entries")
    }
    headers.sort { $0.lowerBound < $1.lowerBound }
    for (first, second) in zip(headers, headers.dropFirst()) where first.upperBound > second.lowerBound {
      throw PickleProblem.badArchive("entries overlap at byte \(second.lowerBound)")
    }
    self.entries = entries
    self.byName = byName
  }

  // MARK: The end

  private struct End {
    let count: Int
    let directory: Range<Int>
  }

  /// What the record at the end of the file says: the last 22 bytes, as no comment follows.
  private static func end(of file: InputFile) throws -> End {
    let length = 22
    let size = file.identity.byteCount
    guard size >= length else { throw PickleProblem.badArchive("it is too short") }
    let bytes = ByteReader(try file.exactBytes(size - length..<size))
    guard bytes.u32(0) == 0x0605_4b50 else {
      throw PickleProblem.badArchive(
        "it does not end with the directory's place: truncated, or with a comment")
    }
    guard bytes.u16(20) == 0 else { throw PickleProblem.badArchive("it has a comment") }
    let (disk, count, total) = (bytes.u16(4), bytes.u16(8), bytes.u16(10))
    let (byteCount, offset) = (bytes.u32(12), bytes.u32(16))
    let needsLarge = count == 0xffff || byteCount == 0xffff_ffff || offset == 0xffff_ffff
    if let large = try largeEnd(of: file, before: size - length) { return large }
    if needsLarge { throw PickleProblem.badArchive("its ZIP64 record is missing") }
    guard disk == 0, bytes.u16(6) == 0, count == total else {
      throw PickleProblem.badArchive("it is one of several parts")
    }
    return try checked(count, byteCount, offset, end: size - length)
  }

  /// The same of ZIP64: a locator before the end, and the record that it points to; `nil` without a locator.
  private static func largeEnd(of file: InputFile, before end: Int) throws -> End? {
    guard end >= 20 + 56 else { return nil }
    let locator = ByteReader(try file.exactBytes(end - 20..<end))
    guard locator.u32(0) == 0x0706_4b50 else { return nil }
    guard let place = Int(exactly: locator.u64(8)), place <= end - 20 - 56 else {
      throw PickleProblem.badArchive("its ZIP64 record is not where it should be")
    }
    let record = ByteReader(try file.exactBytes(place..<place + 56))
    guard record.u32(0) == 0x0606_4b50, record.u64(4) == UInt64(end - 20 - place - 12) else {
      throw PickleProblem.badArchive("its ZIP64 record is not where it should be")
    }
    guard record.u32(16) == 0, record.u32(20) == 0, record.u64(24) == record.u64(32),
      let count = Int(exactly: record.u64(32)), let byteCount = Int(exactly: record.u64(40)),
      let offset = Int(exactly: record.u64(48))
    else { throw PickleProblem.badArchive("it is one of several parts") }
    return try checked(count, byteCount, offset, end: place)
  }

  private static func checked(_ count: Int, _ byteCount: Int, _ offset: Int, end: Int) throws -> End {
    guard byteCount <= end, offset == end - byteCount else {
      throw PickleProblem.badArchive("its directory is not where it says")
    }
    return End(count: count, directory: offset..<end)
  }

  // MARK: Entries

  private struct Record {
    let name: String
    let byteCount: Int
    let header: Int
    let isStored: Bool
  }

  /// The entry of the directory at a position, which moves on.
  private static func record(_ bytes: ByteReader, at position: inout Int) throws -> Record {
    let cut = PickleProblem.badArchive("its directory is cut off")
    guard bytes.count - position >= 46, bytes.u32(position) == 0x0201_4b50 else { throw cut }
    let start = position
    let lengths = [28, 30, 32].map { bytes.u16(start + $0) }
    position += 46 + lengths.reduce(0, +)
    guard position <= bytes.count else { throw cut }
    let name = String(decoding: bytes.bytes[start + 46..<start + 46 + lengths[0]], as: UTF8.self)
    try check(name)
    guard bytes.u16(start + 8) & 1 == 0 else { throw PickleProblem.badArchive("\(name: name) is encrypted") }
    let isStored = bytes.u16(start + 10) == 0
    guard lengths[2] == 0 else { throw PickleProblem.badArchive("\(name: name) has a comment") }
    var sizes = [UInt64(bytes.u32(start + 24)), UInt64(bytes.u32(start + 20)), UInt64(bytes.u32(start + 42))]
    try enlarge(&sizes, name, bytes, in: start + 46 + lengths[0]..<start + 46 + lengths[0] + lengths[1])
    guard sizes[0] == sizes[1] || !isStored, let byteCount = Int(exactly: sizes[1]),
      let header = Int(exactly: sizes[2])
    else {
      throw PickleProblem.badArchive("\(name: name) has two sizes")
    }
    return Record(name: name, byteCount: byteCount, header: header, isStored: isStored)
  }

  /// Takes the sizes of 64 bits in an entry's extra field for those that say so.
  private static func enlarge(
    _ sizes: inout [UInt64], _ name: String, _ bytes: ByteReader, in range: Range<Int>
  ) throws {
    guard sizes.contains(0xffff_ffff) else { return }
    var position = range.lowerBound
    while range.upperBound - position >= 4 {
      let (kind, length) = (bytes.u16(position), bytes.u16(position + 2))
      guard length <= range.upperBound - position - 4 else { break }
      if kind == 1 {
        var place = position + 4
        for index in sizes.indices where sizes[index] == 0xffff_ffff {
          guard place + 8 <= position + 4 + length else { break }
          sizes[index] = bytes.u64(place)
          place += 8
        }
        return
      }
      position += 4 + length
    }
    throw PickleProblem.badArchive("\(name: name) has no ZIP64 sizes")
  }

  /// Where an entry's header begins and where its contents are, by the header before them.
  private static func place(
    of record: Record, in file: InputFile, before end: Int
  ) throws -> (start: Int, contents: Range<Int>) {
    let outside = PickleProblem.badArchive("\(name: record.name) lies outside of the file")
    guard record.header <= end - 30 else { throw outside }
    let header = ByteReader(try file.exactBytes(record.header..<record.header + 30))
    guard header.u32(0) == 0x0403_4b50 else {
      throw PickleProblem.badArchive("\(name: record.name) is not where the directory says")
    }
    guard (header.u16(8) == 0) == record.isStored else {
      throw PickleProblem.badArchive("\(name: record.name) is compressed or not, and not both")
    }
    let nameLength = header.u16(26)
    let start = record.header + 30 + nameLength + header.u16(28)
    guard start <= end, record.byteCount <= end - start else { throw outside }
    let name = try file.exactBytes(record.header + 30..<record.header + 30 + nameLength)
    guard name.elementsEqual(record.name.utf8) else {
      throw PickleProblem.badArchive("\(name: record.name) has another name where it lies")
    }
    return (record.header, start..<start + record.byteCount)
  }

  private static func check(_ name: String) throws {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    let isPlain = parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    guard isPlain, !name.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\\") }) else {
      throw PickleProblem.badArchive("\(name: name) is no name of an entry")
    }
  }
}

/// Little-endian numbers in some bytes. Whoever reads makes sure that they are there.
struct ByteReader {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var count: Int { bytes.count }

  func u16(_ offset: Int) -> Int { Int(load(offset, UInt16.self)) }
  func u32(_ offset: Int) -> Int { Int(load(offset, UInt32.self)) }
  func u64(_ offset: Int) -> UInt64 { load(offset, UInt64.self) }

  func load<Number: FixedWidthInteger>(_ offset: Int, _ type: Number.Type) -> Number {
    precondition(offset >= 0 && offset <= bytes.count - MemoryLayout<Number>.size)
    return bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: type)) }
  }
}

extension InputFile {
  /// The bytes of a range that the file must have.
  func exactBytes(_ range: Range<Int>) throws -> [UInt8] {
    let bytes = try bytes(at: range.lowerBound, count: range.count)
    guard bytes.count == range.count else {
      throw PickleProblem.badArchive("the file ends within byte \(range.lowerBound) to \(range.upperBound)")
    }
    return bytes
  }
}
