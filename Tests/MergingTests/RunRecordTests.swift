import Basics
import Merging
import SystemPackage
import Testing

@Suite struct RunRecordTests {
  let folder = ScratchFolder()

  private func record(sources: [RunRecord.SourceFile] = []) throws -> RunRecord {
    folder.write("{}", at: folder.path("in/config.json"))
    return RunRecord(
      version: "0.1.0", seed: 42, options: OutputOptions(dtype: .f16), recipe: "return 1",
      sources: sources, inputs: [try #require(try RunRecord.InputFile(path: folder.path("in/config.json")))])
  }

  /// Writes a record as that of a finished output.
  private func finish(_ record: RunRecord) throws {
    try folder.makeModel("out", ["a": [1]])
    folder.write(record.json.text(.pretty), at: folder.path("out").appending(RunRecord.fileName))
  }

  private func state(_ record: RunRecord) throws -> RunRecord.State {
    try record.state(of: folder.path("out"), root: folder.root)
  }

  @Test func writtenAndReadAgain() throws {
    let record = try record(sources: [RunRecord.SourceFile(path: "m.lua", text: "x".utf8)])
    #expect(RunRecord(record.json) == record)
    #expect(RunRecord(.array([])) == nil)
  }

  /// Records held the texts of modules at first.
  @Test func recordsOfEarlierVersions() throws {
    folder.write("return 2", at: folder.path("m.lua"))
    let new = try record(sources: [RunRecord.SourceFile(path: "m.lua", text: "return 2".utf8)])
    var json = new.json
    json[path: ["modules"]] = .array([.object(["path": .string("m.lua"), "text": .string("return 2")])])
    try folder.makeModel("out", ["a": [1]])
    folder.write(json.text(.pretty), at: folder.path("out").appending(RunRecord.fileName))
    #expect(try state(new) == .finished(new))
  }

  @Test func whatHasChanged() throws {
    let source = RunRecord.SourceFile(path: "m.lua", text: "return 2".utf8)
    let before = try record(sources: [source])
    folder.write("return 2", at: folder.path("m.lua"))
    #expect(try state(before) == .absent)
    try folder.makeModel("out", ["a": [1]])
    #expect(try state(before) == .unknown)
    try finish(before)
    #expect(try state(before) == .finished(before))
    func reason(_ change: (inout RunRecord) -> Void) throws -> RunRecord.State {
      var now = before
      change(&now)
      return try state(now)
    }
    #expect(try reason { $0.version = "9" } == .stale("version 0.1.0 of the program made it"))
    #expect(try reason { $0.recipe = "" } == .stale("its document, or one that it uses, has changed"))
    #expect(try reason { $0.seed = 7 } == .stale("it was made with seed 42"))
    #expect(try reason { $0.dtype = nil } == .stale("--dtype differs"))
    #expect(try reason { $0.copiesTokenizer = false } == .stale("--copy-tokenizer differs"))
    #expect(try reason { $0.inputs = [] } == .stale("a file of its models is gone"))
    #expect(
      try reason { $0.inputs[0].bytes = 9 } == .stale("\(folder.path("in/config.json")) has changed"))
    #expect(try reason { $0.sources = [] } == .finished(before))
    let other = RunRecord.SourceFile(path: "n.lua", text: "".utf8)
    #expect(try reason { $0.sources = [other] } == .stale("the file of a method has changed"))
    folder.write("return 3", at: folder.path("m.lua"))
    #expect(try state(before) == .stale("the file of a method has changed"))
  }
}
