/// A zip archive in the making, with every field open to lies.
struct TestArchive {
  struct Entry {
    var name: String
    var contents: [UInt8]
    /// Where the directory says that it is; `nil` for where it is.
    var claimedOffset: Int?
    var claimedSize: Int?
    var method: UInt16 = 0
    var flags: UInt16 = 0
    /// What the header before the contents calls it.
    var localName: String?
  }

  var entries: [Entry]
  var comment: [UInt8] = []
  var claimedCount: UInt16?
  var claimedDirectoryOffset: Int?

  /// As `torch.save` lays it out: a pickle and storages.
  init(pickle: [UInt8], storages: [(key: String, bytes: [UInt8])] = [], root: String = "archive") {
    entries = [Entry(name: "\(root)/data.pkl", contents: pickle)]
    entries += storages.map { Entry(name: "\(root)/data/\($0.key)", contents: $0.bytes) }
  }

  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      let offset = entry.claimedOffset ?? bytes.count
      let name = Array(entry.name.utf8)
      let localName = Array((entry.localName ?? entry.name).utf8)
      let size = entry.claimedSize ?? entry.contents.count
      bytes += u32(0x0403_4b50) + u16(20) + u16(entry.flags) + u16(entry.method) + u32(0) + u32(0)
      bytes += u32(size) + u32(size) + u16(localName.count) + u16(0) + localName + entry.contents
      directory +=
        u32(0x0201_4b50) + u16(20) + u16(20) + u16(entry.flags) + u16(entry.method) + u32(0) + u32(0)
      directory += u32(size) + u32(size) + u16(name.count) + u16(0) + u16(0) + u16(0) + u16(0) + u32(0)
      directory += u32(offset) + name
    }
    let count = Int(claimedCount ?? UInt16(entries.count))
    let end = u32(0x0605_4b50) + u16(0) + u16(0) + u16(count) + u16(count) + u32(directory.count)
    return bytes + directory + end + u32(claimedDirectoryOffset ?? bytes.count) + u16(comment.count) + comment
  }

  private func u16(_ value: some BinaryInteger) -> [UInt8] {
    withUnsafeBytes(of: UInt16(truncatingIfNeeded: value).littleEndian, Array.init)
  }

  private func u32(_ value: some BinaryInteger) -> [UInt8] {
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: value).littleEndian, Array.init)
  }
}

/// Pickles byte by byte.
enum Opcodes {
  static let start: [UInt8] = [0x80, 2]
  static let stop: [UInt8] = [0x2e]

  static func text(_ text: String) -> [UInt8] {
    [0x58] + withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian, Array.init) + Array(text.utf8)
  }

  static func int(_ value: Int) -> [UInt8] {
    [0x8a, 8] + withUnsafeBytes(of: Int64(value).littleEndian, Array.init)
  }

  static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }

  static func tuple(_ parts: [UInt8]...) -> [UInt8] { [0x28] + parts.joined() + [0x74] }

  static func storage(_ key: String = "0", type: String = "FloatStorage", count: Int) -> [UInt8] {
    tuple(text("storage"), global("torch", type), text(key), text("cpu"), int(count)) + [0x51]
  }

  /// A tensor of a storage.
  static func tensor(
    _ storage: [UInt8], offset: Int = 0, shape: [Int], strides: [Int]
  ) -> [UInt8] {
    global("torch._utils", "_rebuild_tensor_v2")
      + tuple(
        storage, int(offset), [0x28] + shape.flatMap(int) + [0x74], [0x28] + strides.flatMap(int) + [0x74],
        [0x89],
        global("collections", "OrderedDict") + [0x29, 0x52]) + [0x52]
  }

  /// A whole pickle of a dict with one entry.
  static func dict(_ name: String = "a", _ value: [UInt8]) -> [UInt8] {
    start + [0x7d] + text(name) + value + [0x73] + stop
  }
}
