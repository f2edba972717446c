import Basics
import Checkpoints
import Foundation
import Synchronization
import SystemPackage
import Tensors
import TestSupport
import Testing

private typealias Tensor = SafetensorsLayout.Tensor

private func bytes(_ name: String, _ count: Int) -> Tensor { Tensor(name: name, dtype: .u8, shape: [count]) }

@Suite struct SafetensorsLayoutTests {
  @Test func oneFile() throws {
    let layout = try SafetensorsLayout(
      tensors: [
        Tensor(name: "byte", dtype: .u8, shape: [3]), Tensor(name: "half", dtype: .bf16, shape: [2, 2]),
        Tensor(name: "quad", dtype: .f32, shape: []), Tensor(name: "half2", dtype: .f16, shape: [1]),
      ], maximumShardBytes: 1000, metadata: [("a", "b"), ("format", "np")])
    #expect(layout.shards.map(\.fileName) == ["model.safetensors"])
    #expect(layout.indexText == nil)
    let shard = layout.shards[0]
    // Wider elements first, otherwise in the order given.
    #expect(shard.tensors == [2, 1, 3, 0])
    let header = """
      {"__metadata__":{"format":"np","a":"b"},"quad":{"dtype":"F32","shape":[],"data_offsets":[0,4]},\
      "half":{"dtype":"BF16","shape":[2,2],"data_offsets":[4,12]},\
      "half2":{"dtype":"F16","shape":[1],"data_offsets":[12,14]},\
      "byte":{"dtype":"U8","shape":[3],"data_offsets":[14,17]}}
      """
    // Tensors begin at a page.
    let padded = 4096 - 8
    #expect(Array(shard.header[..<8]) == withUnsafeBytes(of: UInt64(padded).littleEndian, Array.init))
    let padding = String(repeating: " ", count: padded - header.utf8.count)
    #expect(String(decoding: shard.header[8...], as: UTF8.self) == header + padding)
    let start = 8 + padded
    #expect(layout.placements.map(\.offset) == [start + 14, start + 4, start, start + 12])
    #expect(layout.placements.map(\.byteCount) == [3, 8, 4, 2])
    #expect(layout.totalBytes == 17)
    #expect(shard.byteCount == start + 17)
    #expect(layout.fileBytes == start + 17)
  }

  @Test(
    arguments: [
      ([4, 4, 4], 8, [[0, 1], [2]]),
      ([4, 4, 4], 12, [[0, 1, 2]]),
      ([4, 20, 4, 4], 8, [[0], [1], [2, 3]]),
      ([20], 8, [[0]]),
      ([8, 0, 8], 8, [[0, 1], [2]]),
      ([20, 0], 8, [[0], [1]]),
      ([1, 1], 1, [[0], [1]]),
      ([], 8, [[]]),
    ] as [([Int], Int, [[Int]])])
  func shardsAreFilledInOrder(sizes: [Int], limit: Int, expected: [[Int]]) throws {
    let tensors = sizes.enumerated().map { bytes("t\($0)", $1) }
    let layout = try SafetensorsLayout(tensors: tensors, maximumShardBytes: limit)
    #expect(layout.shards.map(\.tensors) == expected)
    #expect(
      layout.placements.map(\.shard)
        == expected.enumerated().flatMap { shard, tensors in
          tensors.map { _ in shard }
        })
  }

  @Test func indexIsTransformers() throws {
    let layout = try SafetensorsLayout(
      tensors: [bytes("model.layers.10", 4), bytes("model.layers.2", 4), bytes("a\"", 4)],
      maximumShardBytes: 8)
    #expect(
      layout.shards.map(\.fileName) == [
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
      ])
    #expect(
      layout.indexText == """
        {
          "metadata": {
            "total_size": 12
          },
          "weight_map": {
            "a\\"": "model-00002-of-00002.safetensors",
            "model.layers.10": "model-00001-of-00002.safetensors",
            "model.layers.2": "model-00001-of-00002.safetensors"
          }
        }

        """)
  }

  @Test(
    arguments: [
      ([bytes("a", 1), bytes("a", 2)], 8, "two output tensors have the name 'a'"),
      ([bytes("__metadata__", 1)], 8, "a tensor cannot have the name \"__metadata__\""),
      (
        [Tensor(name: "a", dtype: .f32, shape: [2, -1])], 8,
        "tensor 'a': F32 [2, -1] has a negative dimension or a size beyond 64 bits"
      ),
      (
        [Tensor(name: "a", dtype: .f64, shape: [1 << 59])], 8,
        "tensor 'a': F64 [576460752303423488] has a negative dimension or a size beyond 64 bits"
      ),
      (
        [Tensor(name: "a", dtype: .f4, shape: [3])], 8, "tensor 'a': F4 [3] does not end on a whole byte"
      ),
      (
        (0..<5000).map { Tensor(name: "t\($0)", dtype: .f64, shape: [1 << 48]) }, 8,
        "with tensor 't4095' the checkpoint's size is beyond 64 bits"
      ),
      ([bytes("a", 1)], 0, "expected a shard size of at least 1 byte, found 0"),
    ] as [([SafetensorsLayout.Tensor], Int, String)])
  func rejections(tensors: [SafetensorsLayout.Tensor], limit: Int, expected: String) {
    let found = message { try SafetensorsLayout(tensors: tensors, maximumShardBytes: limit) }
    #expect(found == expected)
  }

  @Test func aHeaderIsNoLongerThanReadersAccept() {
    let note = String(repeating: "x", count: 100_000_000)
    #expect(
      message {
        try SafetensorsLayout(tensors: [], maximumShardBytes: 8, metadata: [(key: "note", value: note)])
      } == "model.safetensors would have a header of 100003832 bytes; readers accept 100000000, "
        + "so choose a smaller shard size")
  }
}

@Suite struct SafetensorsWriterTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  /// Every dtype as the fixture maker has it, a number and a tensor without elements.
  private func writeEveryDType(to path: FilePath, maximumShardBytes: Int) throws -> SafetensorsLayout {
    let tensors =
      DType.allCases.map { Tensor(name: $0.rawValue, dtype: $0, shape: [2, 8]) }
      + [
        Tensor(name: "scalar", dtype: .f32, shape: []), Tensor(name: "nothing", dtype: .f32, shape: [0, 3]),
      ]
    let layout = try SafetensorsLayout(
      tensors: tensors, maximumShardBytes: maximumShardBytes, metadata: [("made-by", "mergekit-lua")])
    let writer = try SafetensorsWriter(layout: layout, directory: path)
    // Backwards, and each tensor in two pieces.
    for (position, tensor) in tensors.enumerated().reversed() {
      let data =
        tensor.name == "scalar" ? [0, 1, 2, 3] : tensor.name == "nothing" ? [] : pattern(tensor.dtype)
      let sink = writer.sink(position)
      try sink.write(Array(data[(data.count / 3)...]), at: data.count / 3)
      try sink.write(Array(data[..<(data.count / 3)]))
    }
    try writer.finish()
    return layout
  }

  @Test(arguments: [1_000_000, 100, 1]) func whatIsWrittenReadsBack(maximumShardBytes: Int) throws {
    let layout = try writeEveryDType(to: directory.file(""), maximumShardBytes: maximumShardBytes)
    let checkpoint = try Checkpoint(path: directory.file(""))
    #expect(checkpoint.files.count == layout.shards.count)
    #expect(checkpoint.tensors.count == DType.allCases.count + 2)
    #expect(checkpoint.totalBytes == layout.totalBytes)
    #expect(checkpoint.warnings == [])
    for dtype in DType.allCases {
      let tensor = try #require(checkpoint.tensor(named: dtype.rawValue))
      #expect(tensor.dtype == dtype)
      #expect(tensor.shape == [2, 8])
      #expect(try tensor.bytes() == pattern(dtype))
      let range = try #require(tensor.source as? FileRange).byteRange
      if let width = dtype.byteWidth { #expect(range.lowerBound % width == 0) }
    }
    #expect(checkpoint.tensor(named: "scalar")?.shape == [])
    #expect(try checkpoint.tensor(named: "scalar")?.bytes() == [0, 1, 2, 3])
    #expect(checkpoint.tensor(named: "nothing")?.shape == [0, 3])
    #expect(
      checkpoint.files.allSatisfy {
        $0.metadata == ["format": .string("pt"), "made-by": .string("mergekit-lua")]
      })
    let index = layout.shards.count > 1 ? ["model.safetensors.index.json"] : []
    #expect(try fileNames(in: directory.file("")) == (layout.shards.map(\.fileName) + index).sorted())
  }

  /// For `scripts/make-safetensors-fixtures.py --check`.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["SAFETENSORS_OUTPUT"] != nil))
  func writesForThePythonPackage() throws {
    let output = try #require(ProcessInfo.processInfo.environment["SAFETENSORS_OUTPUT"])
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    _ = try writeEveryDType(to: FilePath(output), maximumShardBytes: 300)
  }

  @Test func aModelWithoutTensors() throws {
    let layout = try SafetensorsLayout(tensors: [], maximumShardBytes: 100)
    try SafetensorsWriter(layout: layout, directory: directory.file("")).finish()
    #expect(try Checkpoint(path: directory.file("")).tensors.isEmpty)
  }

  @Test func filesHaveTheirSizeAndModeAtOnce() throws {
    let layout = try SafetensorsLayout(tensors: [bytes("a", 100_000)], maximumShardBytes: 1_000_000)
    let writer = try SafetensorsWriter(layout: layout, directory: directory.file(""))
    let attributes = try FileManager.default.attributesOfItem(
      atPath: directory.file("model.safetensors").string)
    #expect(attributes[.size] as? Int == layout.fileBytes)
    let mask = umask(0)
    umask(mask)
    #expect(attributes[.posixPermissions] as? Int == 0o644 & ~Int(mask))
    try writer.finish()
    let tensor = try #require(Checkpoint(path: directory.file("")).tensor(named: "a"))
    #expect(try tensor.bytes() == [UInt8](repeating: 0, count: 100_000))
  }

  @Test func existingFilesStay() throws {
    try directory.write("precious", to: "model-00002-of-00002.safetensors")
    let layout = try SafetensorsLayout(tensors: [bytes("a", 8), bytes("b", 8)], maximumShardBytes: 8)
    #expect(
      message { try SafetensorsWriter(layout: layout, directory: directory.file("")) }
        == "cannot create \(directory.path)/model-00002-of-00002.safetensors: File exists")
    // The shard that was created before is gone again.
    #expect(try fileNames(in: directory.file("")) == ["model-00002-of-00002.safetensors"])
    let text = try String(
      contentsOfFile: directory.file("model-00002-of-00002.safetensors").string, encoding: .utf8)
    #expect(text == "precious")
  }

  @Test func aFullDiskIsNoticedFirst() throws {
    let layout = try SafetensorsLayout(tensors: [bytes("a", 1 << 48)], maximumShardBytes: 8)
    let found = message { try SafetensorsWriter(layout: layout, directory: directory.file("")) }
    #expect(found.hasPrefix("\(directory.path): the disk is full: the checkpoint needs 281 TB, "))
    #expect(found.hasSuffix(" were free"))
    #expect(try fileNames(in: directory.file("")) == [])
  }

  @Test func aMissingDirectory() throws {
    let layout = try SafetensorsLayout(tensors: [bytes("a", 8)], maximumShardBytes: 8)
    let missing = directory.file("none")
    #expect(
      message { try SafetensorsWriter(layout: layout, directory: missing) }
        == "cannot create \(missing)/model.safetensors: No such file or directory")
  }

  /// Threads that come while another writes leave their tiles to it, or write beside it if many wait.
  @Test func tilesOfManyThreadsAreAllWritten() throws {
    let (threads, tiles, size) = (6, 200, 4096)
    let tensors = (0..<threads).map { bytes("t\($0)", tiles * size) }
    let layout = try SafetensorsLayout(tensors: tensors, maximumShardBytes: 3 * tiles * size)
    #expect(layout.shards.count == 2)
    let writer = try SafetensorsWriter(layout: layout, directory: directory.file(""))
    let failures = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: threads) { thread in
      let sink = writer.sink(thread)
      var buffer = TileBuffer()
      for tile in 0..<tiles {
        let pointer = buffer.ensure(size)
        pointer.initializeMemory(as: UInt8.self, repeating: UInt8((7 * thread + tile) % 251 + 1), count: size)
        do {
          buffer = try sink.write(buffer, byteCount: size, at: tile * size)
        } catch { failures.withLock { $0.append("\(error)") } }
      }
    }
    #expect(failures.withLock { $0 } == [])
    try writer.finish()
    let checkpoint = try Checkpoint(path: directory.file(""))
    for thread in 0..<threads {
      let expected = (0..<tiles).flatMap {
        [UInt8](repeating: UInt8((7 * thread + $0) % 251 + 1), count: size)
      }
      #expect(try checkpoint.tensor(named: "t\(thread)")?.bytes() == expected)
    }
  }

  /// A failure is that of whoever wrote, and of all that come after it.
  @Test func tilesAfterAFailureFail() throws {
    let layout = try SafetensorsLayout(tensors: [bytes("a", 8)], maximumShardBytes: 8)
    let writer = try SafetensorsWriter(layout: layout, directory: directory.file(""))
    try writer.finish()
    for _ in 0..<2 {
      let tile = TileBuffer()
      tile.ensure(8).initializeMemory(as: UInt8.self, repeating: 1, count: 8)
      #expect(
        message { _ = try writer.sink(0).write(tile, byteCount: 8, at: 0) }
          == "cannot write \(directory.path)/model.safetensors: Bad file descriptor")
    }
  }

  @Test func nothingIsWrittenAfterTheEnd() throws {
    let layout = try SafetensorsLayout(tensors: [bytes("a", 8)], maximumShardBytes: 8)
    let writer = try SafetensorsWriter(layout: layout, directory: directory.file(""))
    try writer.finish()
    #expect(
      message { try writer.sink(0).write([1]) }
        == "cannot write \(directory.path)/model.safetensors: Bad file descriptor")
  }
}
