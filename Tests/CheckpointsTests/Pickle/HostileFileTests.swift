import Checkpoints
import Foundation
import SystemPackage
import Tensors
import TestSupport
import Testing

private typealias Op = Opcodes

/// Files made to mislead: each is refused, at once, and nothing of it is executed.
@Suite struct HostileFileTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The problem of opening a file, without its path.
  func problem(_ bytes: [UInt8]) throws -> String {
    let path = FilePath(try directory.write(bytes, to: "m.bin"))
    let started = ContinuousClock.now
    let text = message { try TorchFile(path: path) }
    #expect(ContinuousClock.now - started < .seconds(1))
    return String(text.dropFirst("\(path): ".count))
  }

  private func problem(pickle: [UInt8], _ storage: [UInt8] = [0, 0, 0, 0]) throws -> String {
    try problem(TestArchive(pickle: pickle, storages: [("0", storage)]).bytes)
  }

  @Test func theTestArchiveItselfOpens() throws {
    let pickle = Op.dict("a", Op.tensor(Op.storage(count: 2), shape: [2], strides: [1]))
    let archive = TestArchive(pickle: pickle, storages: [("0", [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])])
    let path = FilePath(try directory.write(archive.bytes, to: "m.bin"))
    #expect(try TorchFile(path: path).tensors[0].bytes() == [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])
  }

  // MARK: Code

  /// A file that would run a command in Python leaves no trace.
  @Test func globalsAreRefusedByName() throws {
    let refused = "which no state dict needs; nothing of it was executed"
    let trace = directory.file("trace").string
    let call = Op.tuple(Op.text("touch \(trace)")) + [0x52]
    #expect(
      try problem(pickle: Op.dict("a", Op.global("posix", "system") + call))
        == "its pickle refers to 'posix.system', \(refused)")
    let stackGlobal = Op.text("builtins") + Op.text("eval") + [0x93]
    #expect(
      try problem(pickle: Op.dict("a", stackGlobal + call))
        == "its pickle refers to 'builtins.eval', \(refused)")
    // The names come from the memo.
    let memo = Op.text("os") + [0x71, 0] + Op.text("system") + [0x71, 1, 0x68, 0, 0x68, 1, 0x93]
    #expect(try problem(pickle: Op.dict("a", memo)) == "its pickle refers to 'os.system', \(refused)")
    // A name with a dot, which Python 3.4 resolves step by step.
    #expect(
      try problem(pickle: Op.dict("a", Op.text("collections") + Op.text("OrderedDict.__reduce__") + [0x93]))
        == "its pickle refers to 'collections.OrderedDict.__reduce__', \(refused)")
    for name in ["_load_from_bytes", "hub.load", "load", "serialization.load"] {
      #expect(
        try problem(pickle: Op.dict("a", Op.global("torch.storage", name))).hasPrefix("its pickle refers to"))
    }
    #expect(!FileManager.default.fileExists(atPath: trace))
  }

  @Test(arguments: [
    (UInt8(ascii: "i"), "INST"), (UInt8(ascii: "o"), "OBJ"), (0x81, "NEWOBJ"), (0x92, "NEWOBJ_EX"),
    (0x82, "EXT1"),
    (0x83, "EXT2"), (0x84, "EXT4"), (UInt8(ascii: "P"), "PERSID"), (UInt8(ascii: "2"), "DUP"),
    (UInt8(ascii: "0"), "POP"), (UInt8(ascii: "I"), "INT"), (0x96, "BYTEARRAY8"), (0x97, "NEXT_BUFFER"),
    (0xff, "0xFF"),
  ])
  func opcodesAreRefusedByName(opcode: UInt8, name: String) throws {
    #expect(
      try problem(pickle: Op.start + [opcode, 1, 2, 3, 4] + Op.stop)
        == "its pickle has the opcode \(name) at byte 2, which no state dict needs; nothing of it was executed"
    )
  }

  @Test func buildSetsNothing() throws {
    let tensor = Op.tensor(Op.storage(count: 1), shape: [1], strides: [1])
    for target in [tensor, Op.global("torch", "FloatStorage"), Op.text("x"), Op.tuple()] {
      #expect(
        try problem(pickle: Op.dict("a", target + [0x7d, 0x62])).contains(
          "needs an ordered dict and its attributes"))
    }
    // Arguments of an ordered dict could be anything.
    #expect(
      try problem(
        pickle: Op.dict("a", Op.global("collections", "OrderedDict") + Op.tuple(Op.text("x")) + [0x52])
      )
      .contains("OrderedDict without arguments"))
    #expect(
      try problem(pickle: Op.dict("a", Op.global("torch", "FloatStorage") + [0x29, 0x52]))
        .contains("needs a function, found a type of PyTorch's"))
  }

  // MARK: Lies of the pickle

  @Test func versions() throws {
    for version: UInt8 in [0, 1, 6, 9, 255] {
      #expect(
        try problem(pickle: [0x80, version, 0x7d, 0x2e])
          == "its pickle has protocol \(version); 2 to 5 are read")
    }
    #expect(try problem(pickle: [0x7d, 0x2e]).contains("PROTO at byte 0 needs to be the first opcode"))
    #expect(try problem(pickle: []).contains("PROTO"))
  }

  @Test func lengths() throws {
    let lengths: [[UInt8]] = [
      [0x58, 0xff, 0xff, 0xff, 0x7f], [0x58, 0xff, 0xff, 0xff, 0xff],
      [0x8d] + [UInt8](repeating: 0xff, count: 8),
      [0x8c, 9], [0x54, 0xff, 0xff, 0xff, 0xff], [0x8a, 200], [0x63, 0x61], [0x4a, 1], [0x95, 1, 1],
    ]
    for opcode in lengths {
      #expect(
        try problem(pickle: Op.start + opcode).hasPrefix("its pickle ends early, at byte "), "\(opcode)")
    }
    #expect(
      try problem(pickle: Op.start + [0x8a, 9] + [UInt8](repeating: 1, count: 9)).contains(
        "a number of 64 bits"))
  }

  @Test func theStack() throws {
    #expect(try problem(pickle: Op.start + Op.stop).contains("STOP at byte 2 needs one value on the stack"))
    #expect(try problem(pickle: Op.start + [0x7d, 0x7d] + Op.stop).contains("STOP"))
    for opcode: UInt8 in [0x74, 0x75, 0x65] {
      #expect(try problem(pickle: Op.start + [opcode] + Op.stop).contains("needs a mark"))
    }
    for opcode: UInt8 in [0x85, 0x86, 0x87, 0x61, 0x73, 0x52, 0x62, 0x51, 0x93, 0x71] {
      #expect(try problem(pickle: Op.start + [opcode, 0] + Op.stop).contains("on the stack"), "\(opcode)")
    }
    // What lies below a mark is out of reach.
    #expect(try problem(pickle: Op.start + [0x7d, 0x28, 0x85] + Op.stop).contains("a value on the stack"))
    #expect(
      try problem(pickle: Op.start + [0x7d, 0x28, 0x4e, 0x75] + Op.stop).contains("as many keys as values"))
    #expect(try problem(pickle: Op.start + [0x68, 0] + Op.stop).contains("a value of that number, 0"))
    #expect(
      try problem(pickle: Op.start + [0x7d, 0x72, 0xff, 0xff, 0xff, 0x7f] + Op.stop).contains("the number 0"))
  }

  /// A dict that holds itself is a dict, and no circle to walk.
  @Test func circles() throws {
    #expect(
      try problem(pickle: Op.start + [0x7d, 0x71, 0] + Op.text("model") + [0x68, 0, 0x73] + Op.stop)
        == "it has no tensors under their names; its keys are 'model'")
    #expect(
      try problem(pickle: Op.start + [0x5d, 0x71, 0, 0x68, 0, 0x61] + Op.stop)
        == "expected a dict of tensors, found a list")
  }

  // MARK: Bombs

  @Test func bombs() throws {
    let many = 4_000_000
    #expect(try problem(pickle: Op.start + [UInt8](repeating: 0x28, count: many)).contains("1000 open marks"))
    #expect(try problem(pickle: Op.start + [UInt8](repeating: 0x4e, count: many)).contains("2000000 values"))
    #expect(try problem(pickle: Op.start + [UInt8](repeating: 0x7d, count: many)).contains("2000000 values"))
    // A tuple within a tuple, millions deep.
    let deep = Op.start + [0x29] + [UInt8](repeating: 0x85, count: many) + Op.stop
    #expect(try problem(pickle: deep).contains("2000000 values"))
    let nested = Op.start + [0x29] + [UInt8](repeating: 0x85, count: 500_000) + Op.stop
    #expect(try problem(pickle: nested) == "expected a dict of tensors, found a tuple")
    // Doublings: each holds the one before twice.
    var doubling = Op.start + [0x29, 0x94]
    for index in 0..<200 { doubling += [0x68, UInt8(index), 0x68, UInt8(index), 0x86, 0x94] }
    #expect(try problem(pickle: doubling + Op.stop).contains("STOP"))
    // One value, memoized again and again, and copied into tuples.
    let memo = Op.start + [0x7d] + [UInt8](repeating: 0x94, count: many)
    #expect(try problem(pickle: memo).contains("2000000 values"))
    var wide = Op.start + [0x7d, 0x71, 0]
    for _ in 0..<2000 {
      wide += [0x28] + Array(repeating: [0x68, 0] as [UInt8], count: 2000).joined() + [0x74]
    }
    #expect(try problem(pickle: wide).contains("2000000 values"))
  }

  @Test func aPickleMayNotBeHuge() throws {
    let path = directory.file("m.bin")
    var archive = TestArchive(pickle: Op.start)
    archive.entries[0].contents = [UInt8](repeating: 0x4e, count: 33 << 20)
    _ = try directory.write(archive.bytes, to: "m.bin")
    #expect(
      message { try TorchFile(path: path) } == "\(path): its data.pkl has 34.6 MB; at most 33.6 MB are read")
  }

  // MARK: Lies about tensors

  @Test func shapes() throws {
    func tensor(_ count: Int, _ offset: Int, _ shape: [Int], _ strides: [Int]) throws -> String {
      try problem(
        pickle: Op.dict(
          "a", Op.tensor(Op.storage(count: count), offset: offset, shape: shape, strides: strides)))
    }
    let beyond = "reaches beyond its storage of 4 bytes"
    #expect(try tensor(1, 0, [2], [1]).hasSuffix(beyond))
    #expect(try tensor(1, 1, [1], [1]).hasSuffix(beyond))
    #expect(try tensor(1, 0, [2, 2], [0, 1]).hasSuffix(beyond))
    // A terabyte of one number.
    #expect(try tensor(1, 0, [1 << 40], [0]).hasSuffix(beyond))
    #expect(try tensor(1, 0, [1 << 40, 1 << 40], [0, 0]) == "tensor 'a': its size is beyond 64 bits")
    #expect(try tensor(1, .max, [2], [.max]) == "tensor 'a': its size is beyond 64 bits")
    for (shape, strides) in [([-1], [1]), ([1], [-1]), ([1], []), ([], [1])] {
      #expect(try tensor(1, 0, shape, strides).contains("sizes and strides of a tensor"))
    }
    #expect(try tensor(1, -1, [1], [1]).contains("sizes and strides of a tensor"))
    #expect(try tensor(2, 0, [1], [1]) == "storage '0' should have 8 bytes, found 4")
    #expect(try tensor(.max, 0, [1], [1]) == "storage '0' should have \(Int.max) bytes, found 4")
    #expect(
      try problem(pickle: Op.dict("a", Op.tensor(Op.storage("../0", count: 1), shape: [1], strides: [1])))
        == "storage '../0' is not in the archive")
    // One storage with two types.
    let first = Op.storage(count: 1) + [0x30]
    #expect(try problem(pickle: Op.start + first).contains("POP"))
    let two = Op.start + [0x28] + Op.storage(count: 1) + Op.storage(type: "IntStorage", count: 1)
    #expect(try problem(pickle: two).contains("to be what it was before"))
  }

  // MARK: Lies of the archive

  private let pickle = Op.dict("a", Op.tensor(Op.storage(count: 1), shape: [1], strides: [1]))

  private func archive(_ change: (inout TestArchive) -> Void) throws -> String {
    var archive = TestArchive(pickle: pickle, storages: [("0", [0, 0, 0x80, 0x3f])])
    change(&archive)
    return try problem(archive.bytes)
  }

  @Test func archives() throws {
    let damaged = "the archive is damaged or made by hand: "
    #expect(
      try archive { $0.entries[1].method = 8 }.hasPrefix("the archive is compressed at 'archive/data/0'"))
    #expect(try archive { $0.entries[1].flags = 1 } == damaged + "'archive/data/0' is encrypted")
    #expect(
      try archive { $0.comment = [1] }.hasPrefix(damaged + "it does not end with the directory's place"))
    // A second end in the comment hides the first.
    #expect(try archive { $0.comment = TestArchive(pickle: Op.start).bytes }.hasPrefix(damaged))
    #expect(
      try archive { $0.entries[1].claimedOffset = 0 }.hasPrefix(damaged + "'archive/data/0' has another name")
    )
    #expect(try archive { $0.entries[1].claimedOffset = 5 }.contains("is not where the directory says"))
    #expect(try archive { $0.entries[1].claimedOffset = 1 << 30 }.contains("lies outside of the file"))
    #expect(try archive { $0.entries[1].claimedSize = 1 << 30 }.contains("lies outside of the file"))
    #expect(try archive { $0.entries[0].claimedSize = pickle.count + 10 }.contains("entries overlap at byte"))
    #expect(try archive { $0.claimedCount = 1 }.contains("its directory is longer than its entries"))
    #expect(try archive { $0.claimedCount = 9 }.contains("its directory is cut off"))
    #expect(try archive { $0.claimedDirectoryOffset = 0 }.contains("its directory is not where it says"))
    #expect(
      try archive { $0.entries.append($0.entries[1]) }.contains("the name 'archive/data/0' occurs twice"))
    #expect(
      try archive { $0.entries[1].localName = "archive/data/1" }.contains("has another name where it lies"))
    for name in ["../x", "/x", "archive/../../x", "archive//x", "a\\b", "archive/", "archive/\0x", ""] {
      #expect(
        try archive { $0.entries.append(.init(name: name, contents: [])) }.contains("is no name of an entry"))
    }
  }

  @Test func roots() throws {
    let data = TestArchive.Entry(name: "other/data.pkl", contents: pickle)
    #expect(
      try archive { $0.entries.append(data) }.hasPrefix("the archive has no data.pkl in the one folder"))
    #expect(
      try archive { $0.entries.append(.init(name: "other/x", contents: [])) }
        .contains("'other/x' is outside of 'archive', the folder of its pickle"))
    #expect(try archive { $0.entries[0].name = "a/b/data.pkl" }.hasPrefix("the archive has no data.pkl"))
    #expect(try archive { $0.entries.remove(at: 0) }.hasPrefix("the archive has no data.pkl"))
    #expect(
      try archive { $0.entries.append(.init(name: "archive/byteorder", contents: Array("big".utf8))) }
        == "its numbers are in big-endian order; only little-endian files are read")
    #expect(
      try archive { $0.entries = [.init(name: "a.npy", contents: [])] }.hasPrefix(
        "this is an archive of NumPy's"))
    // An archive within the archive is a storage like any other.
    let inner = TestArchive(pickle: Op.global("os", "system")).bytes
    #expect(try archive { $0.entries[1].contents = inner }.hasPrefix("storage '0' should have 4 bytes"))
  }

  @Test func everyTruncation() throws {
    let bytes = TestArchive(pickle: pickle, storages: [("0", [0, 0, 0x80, 0x3f])]).bytes
    for count in 4..<bytes.count {
      #expect(try problem(Array(bytes[..<count])).hasPrefix("the archive is damaged"))
    }
  }

  /// No change of a byte does more than be refused or change a value.
  @Test func everyChangeOfAByte() throws {
    let bytes = TestArchive(pickle: pickle, storages: [("0", [0, 0, 0x80, 0x3f])]).bytes
    for index in bytes.indices {
      for change: UInt8 in [0x01, 0x80, 0xff] {
        var changed = bytes
        changed[index] ^= change
        _ = try problem(changed)
      }
    }
  }
}

/// Records of 64 bits that lie.
extension HostileFileTests {
  private func large(_ count: UInt64, _ size: UInt64, _ offset: UInt64, _ place: UInt64) throws -> String {
    let archive = TestArchive(pickle: Opcodes.dict("a", [0x4e])).bytes
    func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian, Array.init)
    }
    let record =
      bytes(0x0606_4b50 as UInt32) + bytes(44 as UInt64) + bytes(45 as UInt16) + bytes(45 as UInt16)
      + bytes(0 as UInt64) + bytes(count) + bytes(count) + bytes(size) + bytes(offset)
    let locator = bytes(0x0706_4b50 as UInt32) + bytes(0 as UInt32) + bytes(place) + bytes(1 as UInt32)
    let end = Array(archive.suffix(22))
    return try problem(Array(archive.dropLast(22)) + record + locator + end)
  }

  @Test func recordsOf64Bits() throws {
    let archive = TestArchive(pickle: Opcodes.dict("a", [0x4e])).bytes
    let place = UInt64(archive.count - 22)
    let size = UInt64(archive.count - 22 - Int(archive[archive.count - 6]))
    // Told truly, it is read, and has no tensors.
    #expect(
      try large(1, size, place - size, place) == "it has no tensors under their names; its keys are 'a'")
    #expect(try large(.max, size, place - size, place).contains("one of several parts"))
    #expect(try large(1 << 40, size, place - size, place).hasPrefix("the archive has 1099511627776 entries"))
    #expect(try large(1, .max, 0, place).contains("one of several parts"))
    #expect(try large(1, 1 << 50, 0, place).contains("its directory is not where it says"))
    #expect(try large(1, size, 1 << 60, place).contains("its directory is not where it says"))
    #expect(try large(1, size, place - size, place - 1).contains("ZIP64 record is not where it should be"))
    #expect(try large(1, size, place - size, 1 << 62).contains("ZIP64 record is not where it should be"))
  }
}
