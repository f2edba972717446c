import Basics
import Checkpoints
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite struct GGUFFileTests {
  /// A path below Tests/Fixtures/gguf, which scripts/make-gguf-fixtures.py makes with the package gguf.
  private func gguf(_ name: String) -> FilePath {
    fixture("../gguf").lexicallyNormalized().pushing(FilePath(name))
  }

  /// Every type: the same bits as gguf.quants makes of the same blocks.
  @Test func numbersAreThoseOfTheReference() throws {
    let file = try GGUFFile(path: gguf("types.gguf"))
    let expected = try SafetensorsFile(path: gguf("types.safetensors")).tensors
    #expect(Set(file.tensors.map(\.name)) == Set(expected.map(\.name)))
    #expect(BlockFormat.all.allSatisfy { format in expected.contains { $0.name == format.name } })
    for tensor in file.tensors {
      let other = try #require(expected.first { $0.name == tensor.name })
      #expect(tensor.shape == other.shape, "\(tensor.name)")
      #expect(tensor.format.name == tensor.name)
      let numbers = try floats(tensor)
      let reference = try floats(other)
      #expect(numbers.map(\.bitPattern) == reference.map(\.bitPattern), "\(tensor.name)")
    }
  }

  /// A tile may begin and end anywhere.
  @Test func partsOfTensors() throws {
    for tensor in try GGUFFile(path: gguf("types.gguf")).tensors {
      let all = try tensor.bytes()
      for (start, end) in [(0, 4), (4, 132), (1, 7), (1020, 1040), (124, 128), (3000, 5000)] {
        let range = min(start, all.count)..<min(end, all.count)
        var part = [UInt8](repeating: 0, count: range.count)
        try part.withUnsafeMutableBytes { try tensor.source.read(into: $0, at: range.lowerBound) }
        #expect(part == Array(all[range]), "\(tensor.name) \(range)")
      }
    }
  }

  @Test func metadata() throws {
    let values = try GGUFFile(path: gguf("types.gguf")).values
    let expected: [String: String] = [
      "u8": "200", "i8": "-3", "u16": "60000", "i16": "-30000", "u32": "4000000000", "i32": "-2000000000",
      "f32": "1e-05", "bool": "true", "text": "\"naïve ▁ 文\"", "u64": "9223372036854775809",
      "i64": "-4611686018427387904", "f64": "0.1", "texts": "[\"\",\"a\",\"▁the\"]", "integers": "[1,-2,3]",
      "numbers": "[0.5,-1.5]", "booleans": "[true,false]",
    ]
    for (key, text) in expected {
      #expect(
        try values.json("test." + key)?.text(.compact).filter { $0 != " " } == text.filter { $0 != " " },
        "\(key)")
    }
    #expect(try values.json("test.none") == nil && values.count(of: "test.texts") == 3)
    #expect(
      try values.texts("test.texts") == ["", "a", "▁the"] && values.numbers("test.numbers") == [0.5, -1.5])
    #expect(
      message { try values.texts("test.f64") }.contains("expected a list of texts as the value of 'test.f64'")
    )
  }

  private func floats(_ tensor: StoredTensor) throws -> [Float] {
    let bytes = try tensor.bytes()
    return bytes.withUnsafeBytes { raw in
      switch tensor.dtype {
      case .f16:
        (0..<raw.count / 2).map { Float(raw.loadUnaligned(fromByteOffset: 2 * $0, as: Float16.self)) }
      case .bf16:
        (0..<raw.count / 2).map {
          Float(bitPattern: UInt32(raw.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)) << 16)
        }
      default: (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
      }
    }
  }

  // MARK: Checkpoints

  private func part(_ number: UInt16, of count: UInt16, tensor: String?) -> [UInt8] {
    var file = TestGGUF()
    file.values = [TestGGUF.value("split.no", number), TestGGUF.value("split.count", count)]
    if count > 1 { file.values.append(TestGGUF.value("split.tensors.count", Int32(2))) }
    if let tensor {
      file.tensors = [TestGGUF.tensor(tensor, [2])]
      file.data = [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]
    }
    return file.bytes
  }

  /// The first part may have metadata alone; any part's path opens the model.
  @Test func splitModels() throws {
    let directory = try TemporaryDirectory()
    try directory.write(part(0, of: 3, tensor: nil), to: "m-00001-of-00003.gguf")
    try directory.write(part(1, of: 3, tensor: "a"), to: "m-00002-of-00003.gguf")
    try directory.write(part(2, of: 3, tensor: "b"), to: "m-00003-of-00003.gguf")
    try directory.write(part(0, of: 1, tensor: "v"), to: "mmproj-model.gguf")
    for name in ["", "m-00001-of-00003.gguf", "m-00002-of-00003.gguf"] {
      let model = try Checkpoint(path: directory.file(name))
      #expect(model.names == ["a", "b"] && model.files.count == 3)
    }
    try directory.write(part(1, of: 3, tensor: "b"), to: "m-00003-of-00003.gguf")
    #expect(
      message { try Checkpoint(path: directory.file("")) }.contains(
        "m-00003-of-00003.gguf: this is part 1 (from 0) of 3, where part 2 of 3 belongs"))
    try directory.write(part(2, of: 3, tensor: nil), to: "m-00003-of-00003.gguf")
    #expect(
      message { try Checkpoint(path: directory.file("")) }.contains(
        "split.tensors.count is 2, and the parts have 1 tensors"))
    try directory.write(part(1, of: 3, tensor: "x"), to: "alone.gguf")
    #expect(
      message { try Checkpoint(path: directory.file("alone.gguf")) }.contains(
        "this is part 1 (from 0) of 3, where part 0 of 1 belongs"))
  }

  @Test func foldersOfSeveralModels() throws {
    let directory = try TemporaryDirectory()
    let file = part(0, of: 1, tensor: "a")
    let missing = try TemporaryDirectory()
    try missing.write(file, to: "m-00001-of-00002.gguf")
    for name in ["", "m-00001-of-00002.gguf"] {
      #expect(
        message { try Checkpoint(path: missing.file(name)) }.contains("m-00002-of-00002.gguf does not exist"))
    }
    try directory.write(file, to: "model-q4_0.gguf")
    #expect(try Checkpoint(path: directory.file("")).files.count == 1)
    try directory.write(file, to: "model-q8_0.gguf")
    #expect(
      message { try Checkpoint(path: directory.file("")) }
        == "\(directory.path): several models, model-q4_0.gguf, model-q8_0.gguf; give the path of one of them"
    )
    // Safetensors go first.
    try directory.write(safetensors(tensors: "s"), to: "model.safetensors")
    #expect(try Checkpoint(path: directory.file("")).names == ["s"])
    // The contents tell, whatever the name.
    try directory.write(file, to: "model.unknown")
    #expect(try Checkpoint(path: directory.file("model.unknown")).names == ["a"])
  }
}
