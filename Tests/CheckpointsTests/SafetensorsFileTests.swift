import Basics
import Checkpoints
import Foundation
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsFileTests {
  @Test func pythonsFileOfEveryDType() throws {
    let file = try SafetensorsFile(path: fixture("every-dtype.safetensors"))
    #expect(file.metadata == ["note": .string("ünïcode \" \\ \n")])
    let byName = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
    // The package cannot write the two of six bits.
    #expect(byName.count == DType.allCases.count - 2)
    for dtype in DType.allCases where dtype != .f6e2m3 && dtype != .f6e3m2 {
      let tensor = try #require(byName[dtype.rawValue])
      #expect(tensor.dtype == dtype)
      #expect(tensor.shape == [2, 8])
      #expect(try tensor.bytes() == pattern(dtype))
    }
  }

  @Test func pythonsValues() throws {
    let file = try SafetensorsFile(path: fixture("values.safetensors"))
    #expect(file.metadata.isEmpty)
    let byName = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
    #expect(byName.count == 4)
    let matrix = try #require(byName["matrix"])
    #expect(matrix.shape == [2, 3])
    #expect(try matrix.bytes().floats == [0, 0.25, 0.5, 0.75, 1, 1.25])
    let scalar = try #require(byName["scalar"])
    #expect(scalar.shape == [] && scalar.dtype == .f64)
    #expect(try scalar.bytes() == withUnsafeBytes(of: -1.5, Array.init))
    let nothing = try #require(byName["nothing"])
    #expect(nothing.shape == [0, 3])
    #expect(try nothing.bytes() == [])
    let integers = try #require(byName["größe/\u{120}"])
    #expect(try integers.bytes() == [1, 0, 0, 0, 0, 0, 0, 0] + [0xFE] + Array(repeating: 0xFF, count: 7))
    #expect(try SafetensorsFile(path: fixture("no-tensors.safetensors")).tensors.isEmpty)
  }

  @Test func readsAnyRange() throws {
    let tensor = try #require(
      SafetensorsFile(path: fixture("every-dtype.safetensors")).tensors.first { $0.dtype == .f32 })
    tensor.source.advise(0..<64)
    tensor.source.advise(60..<1000)
    var bytes = [UInt8](repeating: 0, count: 10)
    try bytes.withUnsafeMutableBytes { try tensor.source.read(into: $0, at: 54) }
    #expect(bytes == Array(pattern(.f32)[54..<64]))
    try bytes.withUnsafeMutableBytes { try tensor.source.read(into: .init(rebasing: $0[..<0]), at: 64) }
    let beyond = message { try bytes.withUnsafeMutableBytes { try tensor.source.read(into: $0, at: 55) } }
    #expect(
      beyond == "\(tensor.source.label): cannot read 10 bytes from byte 55 on; the tensor has 64")
    #expect(tensor.source.label.hasSuffix("every-dtype.safetensors: tensor 'F32'"))
  }

  @Test func tensorsKeepTheFileOpen() throws {
    let directory = try TemporaryDirectory()
    let path = FilePath(try directory.write(safetensors(tensors: "a", "b"), to: "x.safetensors"))
    let descriptors = { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") }
    func isOpen() throws -> Bool {
      try descriptors().contains {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path.string
      }
    }
    var tensor: StoredTensor? = try SafetensorsFile(path: path).tensors[1]
    #expect(try isOpen())
    #expect(try tensor?.bytes() == [1])
    tensor = nil
    #expect(try !isOpen())
  }

  @Test func identityIsTheFiles() throws {
    let directory = try TemporaryDirectory()
    let path = FilePath(try directory.write(safetensors(tensors: "a"), to: "x.safetensors"))
    try FileManager.default.createSymbolicLink(
      atPath: directory.file("y.safetensors").string, withDestinationPath: "x.safetensors")
    let other = FilePath(try directory.write(safetensors(tensors: "a"), to: "z.safetensors"))
    let file = try SafetensorsFile(path: path)
    #expect(file.identity.byteCount == safetensors(tensors: "a").count)
    #expect(try SafetensorsFile(path: directory.file("y.safetensors")).identity == file.identity)
    #expect(try SafetensorsFile(path: other).identity != file.identity)
  }

  @Test func aFileThatShrinksIsTruncated() throws {
    let directory = try TemporaryDirectory()
    let header = #"{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}"#
    let path = FilePath(try directory.write(safetensors(header, dataCount: 8), to: "x.safetensors"))
    let tensor = try SafetensorsFile(path: path).tensors[0]
    let size = 8 + header.utf8.count
    try FileDescriptor.open(path, .writeOnly).closeAfterResizing(to: size + 3)
    #expect(
      message { try tensor.bytes() }
        == "\(path): the file is truncated: tensor 'a' needs \(size + 8) bytes of the file, which has "
        + "\(size + 3) now")
  }

  @Test func zeroSizesAndNumbersAreLegal() throws {
    let header = """
      {"z":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},\
      "s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},\
      "y":{"dtype":"F64","shape":[3,0,7],"data_offsets":[0,0]},\
      "w":{"dtype":"F4","shape":[0],"data_offsets":[4,4]}}
      """
    let directory = try TemporaryDirectory()
    let path = FilePath(try directory.write(safetensors(header + "   ", dataCount: 4), to: "x.safetensors"))
    let tensors = try SafetensorsFile(path: path).tensors
    #expect(tensors.map(\.name) == ["y", "s", "z", "w"])
    #expect(try tensors.map { try $0.bytes() } == [[], [0, 1, 2, 3], [], []])
  }

  @Test func extraFieldsAreIgnored() throws {
    let header = #"{"a":{"x":1,"data_offsets":[0,1],"shape":[1],"dtype":"U8"},"__metadata__":{"b":"c"}}"#
    let directory = try TemporaryDirectory()
    let path = FilePath(try directory.write(safetensors(header, dataCount: 1), to: "x.safetensors"))
    let file = try SafetensorsFile(path: path)
    #expect(file.metadata == ["b": .string("c")])
    #expect(file.tensors.map(\.name) == ["a"])
  }

  // MARK: Rejections

  private func rejection(_ bytes: [UInt8]) throws -> String {
    let directory = try TemporaryDirectory()
    let path = FilePath(try directory.write(bytes, to: "x.safetensors"))
    let text = message { try SafetensorsFile(path: path) }
    #expect(text.hasPrefix("\(path): "))
    return String(text.dropFirst("\(path): ".count))
  }

  private static func length(_ value: UInt64) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
  }

  @Test(
    arguments: [
      ([], "the file is empty"),
      ([1], "the file has 1 byte; a safetensors file has at least 8, the length of its header"),
      (
        [1, 2, 3, 4, 5, 6, 7],
        "the file has 7 bytes; a safetensors file has at least 8, the length of its header"
      ),
      (length(0), "the header is empty; expected a JSON object"),
      (length(2), "a header of 2 bytes is announced, but only 0 follow; the file is truncated"),
      (
        length(3) + [0x7B, 0x7D], "a header of 3 bytes is announced, but only 2 follow; the file is truncated"
      ),
      (length(100_000_001), "a header of 100000001 bytes is announced; at most 100000000 are allowed"),
      (
        length(100_000_000),
        "a header of 100000000 bytes is announced, but only 0 follow; the file is truncated"
      ),
      (length(.max), "a header of 18446744073709551615 bytes is announced; at most 100000000 are allowed"),
      (
        Array("version https://git-lfs.github.com/spec/v1\n".utf8),
        "this is Git LFS's pointer to the file, not the file itself; `git lfs pull` fetches it"
      ),
    ] as [([UInt8], String)])
  func lengths(bytes: [UInt8], expected: String) throws {
    #expect(try rejection(bytes) == expected)
  }

  @Test(arguments: [
    ("[]", "expected '{' at the start of the header, found byte 0x5B; is this a safetensors file?"),
    (" {}", "expected '{' at the start of the header, found byte 0x20; is this a safetensors file?"),
    ("{", "the header is not valid JSON: 1:2: expected a key in quotes or '}', found the end of the text"),
    ("{}x", "the header is not valid JSON: 1:3: expected the end of the text after the value, found 'x'"),
    (#"{"a":1,"a":2}"#, "the header is not valid JSON: 1:8: duplicate key \"a\""),
    (#"{"__metadata__":1}"#, "\"__metadata__\": expected an object of strings, found a number"),
    (
      #"{"__metadata__":{"a":"b","c":[]}}"#,
      "\"__metadata__\": expected a string for 'c', found an array"
    ),
    (#"{"a":[]}"#, "tensor 'a': expected an object with dtype, shape and data_offsets, found an array"),
    (#"{"a":{"shape":[],"data_offsets":[0,1]}}"#, "tensor 'a' has no dtype"),
    (#"{"a":{},"b":[]}"#, "tensor 'a' has no dtype"),
    (#"{"a":[],"__metadata__":1}"#, "\"__metadata__\": expected an object of strings, found a number"),
    (#"{"a":{"dtype":"U8","data_offsets":[0,1]}}"#, "tensor 'a' has no shape"),
    (#"{"a":{"dtype":"U8","shape":[1]}}"#, "tensor 'a' has no data_offsets"),
    (
      #"{"a":{"dtype":8,"shape":[],"data_offsets":[0,1]}}"#,
      "tensor 'a': expected a string as dtype, found a number"
    ),
    (
      #"{"a":{"dtype":"BF17","shape":[],"data_offsets":[0,1]}}"#,
      "tensor 'a': unknown dtype 'BF17' (did you mean 'BF16'?)"
    ),
    (#"{"a":{"dtype":"Q","shape":[],"data_offsets":[0,1]}}"#, "tensor 'a': unknown dtype 'Q'"),
    (
      #"{"a":{"dtype":"U8","shape":3,"data_offsets":[0,3]}}"#,
      "tensor 'a': expected an array of integers as shape, found a number"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1,-1],"data_offsets":[0,1]}}"#,
      "tensor 'a': expected dimension 2 of the shape to be an integer from 0 on, found -1"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}"#,
      "tensor 'a': expected dimension 1 of the shape to be an integer from 0 on, found 1.0"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}}"#,
      "tensor 'a': expected dimension 1 of the shape to be an integer from 0 on, found 9223372036854775808"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}"#,
      "tensor 'a': expected data_offsets to be two integers from 0 on, found [0,1,2]"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}"#,
      "tensor 'a': expected data_offsets to be two integers from 0 on, found [-1,0]"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":"x"}}"#,
      "tensor 'a': expected data_offsets to be two integers from 0 on, found \"x\""
    ),
    (
      #"{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
      "tensor 'a': the size of U8 [4294967296, 4294967296] is beyond 2^48 elements"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}"#,
      "tensor 'a': the size of U8 [0, 4294967296, 4294967296] is beyond 2^48 elements"
    ),
    (
      #"{"a":{"dtype":"F64","shape":[288230376151711744],"data_offsets":[0,0]}}"#,
      "tensor 'a': the size of F64 [288230376151711744] is beyond 2^48 elements"
    ),
    (
      // Its sums over the first dimension alone would be more bytes than a machine can address.
      #"{"a":{"dtype":"F32","shape":[0,562949953421312],"data_offsets":[0,0]}}"#,
      "tensor 'a': the size of F32 [0, 562949953421312] is beyond 2^48 elements"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[\#(Array(repeating: "1", count: 65).joined(separator: ","))],"data_offsets":[0,1]}}"#,
      "tensor 'a': expected at most 64 dimensions, found 65"
    ),
    (
      #"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#,
      "tensor 'a': F4 [3] does not end on a whole byte"
    ),
    (
      #"{"a":{"dtype":"F6_E2M3","shape":[2],"data_offsets":[0,2]}}"#,
      "tensor 'a': F6_E2M3 [2] does not end on a whole byte"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[2,1]}}"#,
      "tensor 'a': its data begins at 2, after its end at 1"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
      "tensor 'a': F32 [2] takes 8 bytes, but its data_offsets span 4"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}}"#,
      "tensor 'a': its data ends at 5, but the file has only 4 bytes of data; the file is truncated"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[9223372036854775807,9223372036854775807]}}"#,
      "tensor 'a': its data ends at 9223372036854775807, but the file has only 4 bytes of data; "
        + "the file is truncated"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"#
        + #""b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
      "tensor 'b': its data begins at 2, within that of 'a', which ends at 3"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"#
        + #""b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
      "tensor 'b': its data begins at 0, within that of 'a', which ends at 4"
    ),
    (
      #"{"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]},"#
        + #""a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#,
      "the data from 2 to 3, before tensor 'b', belongs to no tensor"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}"#,
      "the data from 0 to 1, before tensor 'a', belongs to no tensor"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}"#, "1 byte after the last tensor belong to none"
    ),
    ("{}", "4 bytes after the last tensor belong to none"),
  ])
  func headers(header: String, expected: String) throws {
    #expect(try rejection(safetensors(header, dataCount: 4)) == expected)
  }

  @Test func onlyRegularFilesAreRead() throws {
    let directory = try TemporaryDirectory()
    #expect(
      message { try SafetensorsFile(path: directory.file("")) }
        == "\(directory.path): expected a regular file")
    let pipe = directory.file("pipe")
    #expect(mkfifo(pipe.string, 0o600) == 0)
    #expect(message { try SafetensorsFile(path: pipe) } == "\(pipe): expected a regular file")
    let missing = directory.file("none")
    #expect(
      message { try SafetensorsFile(path: missing) }
        == "cannot read \(missing): No such file or directory")
  }
}

extension [UInt8] {
  fileprivate var floats: [Float] {
    withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: Float.self) }
    }
  }
}

extension FileDescriptor {
  fileprivate func closeAfterResizing(to size: Int) throws {
    try closeAfter { try resize(to: Int64(size)) }
  }
}
