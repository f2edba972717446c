import Checkpoints
import SystemPackage
import TestSupport
import Testing

/// Damaged and hand-made files: each is refused, at once, in words that say what is wrong.
@Suite struct HostileGGUFTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The problem of opening a file, without its path.
  private func problem(_ bytes: [UInt8]) throws -> String {
    let path = FilePath(try directory.write(bytes, to: "m.gguf"))
    let started = ContinuousClock.now
    let text = message { try GGUFFile(path: path) }
    #expect(ContinuousClock.now - started < .seconds(1))
    return String(text.dropFirst("\(path): ".count))
  }

  private func problem(_ change: (inout TestGGUF) -> Void) throws -> String {
    var file = TestGGUF()
    change(&file)
    return try problem(file.bytes)
  }

  private func tensorProblem(
    _ shape: [UInt64], type: UInt32 = 0, offset: UInt64 = 0, data: Int = 64
  ) throws -> String {
    try problem {
      $0.tensors = [TestGGUF.tensor("t", shape, type: type, offset: offset)]
      $0.data = Array(repeating: 0, count: data)
    }
  }

  @Test func theTestFileItselfOpens() throws {
    #expect(try problem { _ in } == "")
    #expect(try tensorProblem([4, 2]) == "" && tensorProblem([]) == "")
    #expect(try problem { $0.version = 2 } == "")
  }

  @Test func whatItIsNot() throws {
    #expect(try problem([]) == "this is no GGUF file: it does not begin with \"GGUF\"")
    #expect(
      try problem(Array("version https://git-lfs.github.com/spec/v1\n".utf8)).hasPrefix(
        "this is Git LFS's pointer"))
    #expect(try problem { $0.magic = Array("tjgg".utf8) }.hasPrefix("this file has the format GGJT"))
    #expect(try problem { $0.version = 1 } == "this is GGUF version 1; versions 2 and 3 are read")
    #expect(try problem { $0.version = 4 } == "this is GGUF version 4; versions 2 and 3 are read")
    #expect(try problem { $0.version = 3 << 24 }.hasPrefix("its numbers are big-endian"))
  }

  /// Cut after each byte, it is never taken for a whole file.
  @Test func cutAnywhere() throws {
    var file = TestGGUF()
    file.values = [
      TestGGUF.value("a", 7 as UInt32), TestGGUF.value("b", "text"),
      TestGGUF.value(
        "c", type: 9, TestGGUF.le(UInt32(8)) + TestGGUF.le(UInt64(2)) + TestGGUF.text("x") + TestGGUF.text("")
      ),
      TestGGUF.value(
        "d", type: 9, TestGGUF.le(UInt32(5)) + TestGGUF.le(UInt64(3)) + Array(repeating: 0, count: 12)),
    ]
    file.tensors = [TestGGUF.tensor("t", [4, 2]), TestGGUF.tensor("u", [8], offset: 32)]
    file.data = Array(repeating: 0, count: 64)
    let bytes = file.bytes
    #expect(try problem(bytes) == "")
    for length in 0..<bytes.count {
      #expect(try problem(Array(bytes[..<length])) != "", "cut to \(length) bytes")
    }
  }

  @Test func counts() throws {
    for count in [1 << 63, UInt64.max, 1 << 32, 1000] {
      #expect(try problem { $0.tensorCount = count }.hasPrefix("its header announces \(count) tensors"))
      #expect(try problem { $0.valueCount = count }.hasPrefix("its header announces \(count) values"))
      let list = TestGGUF.value("k", type: 9, TestGGUF.le(UInt32(10)) + TestGGUF.le(count))
      #expect(try problem { $0.values = [list] }.hasPrefix("its header announces \(count) elements of 'k'"))
    }
  }

  @Test func values() throws {
    let key = TestGGUF.le(UInt64.max)
    #expect(
      try problem { $0.values = [key + Array(repeating: 0, count: 99)] }
        == "the key of value 0 has 18446744073709551615 bytes; at most 65535 are read")
    let long = TestGGUF.value("k", type: 8, TestGGUF.le(UInt64(1) << 62))
    #expect(try problem { $0.values = [long] }.hasPrefix("the value of 'k' has 4611686018427387904 bytes"))
    let twice = TestGGUF.value("k", 1 as UInt32)
    #expect(try problem { $0.values = [twice, twice] } == "the key 'k' occurs twice")
    let unknown = TestGGUF.value("k", type: 13, Array(repeating: 0, count: 8))
    #expect(try problem { $0.values = [unknown] } == "the value of 'k' has the unknown type 13")
    let deep = TestGGUF.value("k", type: 9, TestGGUF.le(UInt32(9)) + Array(repeating: 0, count: 64))
    #expect(try problem { $0.values = [deep] }.hasPrefix("the value of 'k' is an array of arrays"))
    let boolean = TestGGUF.value("k", type: 7, [2])
    #expect(try problem { $0.values = [boolean] } == "the boolean 'k' is 2; expected 0 or 1")
    let text = TestGGUF.le(UInt64(1)) + [0xff] + TestGGUF.le(UInt32(0)) + [0]
    #expect(try problem { $0.values = [text] } == "the key of value 0 is not valid UTF-8")
  }

  @Test(arguments: [0, 3, 1 << 21] as [UInt32]) func alignment(of number: UInt32) throws {
    #expect(
      try problem { $0.values = [TestGGUF.value("general.alignment", number)] }
        == "general.alignment is \(number); expected a power of two from 1 to 1048576")
  }

  @Test(arguments: [1, 64] as [UInt32]) func otherAlignments(of number: UInt32) throws {
    var file = TestGGUF()
    file.alignment = Int(number)
    file.values = [TestGGUF.value("general.alignment", number)]
    file.tensors = [TestGGUF.tensor("t", [1]), TestGGUF.tensor("u", [1], offset: UInt64(max(4, number)))]
    file.data = Array(repeating: 0, count: Int(max(4, number))) + [0, 0, 0x80, 0x3f]
    let path = FilePath(try directory.write(file.bytes, to: "aligned.gguf"))
    #expect(try GGUFFile(path: path).tensors.last?.bytes() == [0, 0, 0x80, 0x3f])
  }

  @Test func tensors() throws {
    #expect(try tensorProblem([0]).hasSuffix("it has a dimension of size 0"))
    #expect(try tensorProblem([1 << 63]).hasSuffix("it has a dimension of size 9223372036854775808"))
    #expect(try tensorProblem([1 << 40, 1 << 40]).hasSuffix("its size is beyond 64 bits"))
    #expect(try tensorProblem([1 << 62]).hasSuffix("its size is beyond 64 bits"))
    #expect(try tensorProblem([1, 1, 1, 1, 1]).hasSuffix("it has 5 dimensions; at most 4 are read"))
    #expect(try tensorProblem([4], type: 99).hasSuffix("it has the unknown type 99"))
    #expect(
      try tensorProblem([256], type: 16).contains(
        "it has the type IQ2_XXS, which is not read; the types that"))
    #expect(
      try tensorProblem([48], type: 2)
        .hasSuffix("its rows have 48 elements, which are no whole blocks of Q4_0 (32)"))
    #expect(try tensorProblem([4], offset: 16).contains("which is no multiple of the alignment, 32"))
    #expect(try tensorProblem([4], offset: .max - 31).contains("which is no multiple of the alignment"))
    #expect(try tensorProblem([17]).contains("the file is truncated: the data begins at 0 and has 68 bytes"))
    #expect(try tensorProblem([4], offset: 1 << 62).contains("the file is truncated"))
    let tensor = TestGGUF.tensor("t", [4])
    #expect(
      try problem {
        $0.tensors = [tensor, tensor]
        $0.data = Array(repeating: 0, count: 64)
      } == "two tensors have the name 't'")
    #expect(
      try problem {
        $0.tensors = [TestGGUF.tensor("a", [16]), TestGGUF.tensor("b", [4], offset: 32)]
        $0.data = Array(repeating: 0, count: 64)
      }.contains("the data of tensor 'b' overlaps that of tensor 'a'"))
    let name = TestGGUF.tensor(String(repeating: "n", count: 2000), [4])
    #expect(
      try problem { $0.tensors = [name] } == "the name of tensor 0 has 2000 bytes; at most 1024 are read")
  }
}
