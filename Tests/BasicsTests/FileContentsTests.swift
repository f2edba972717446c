import Basics
import Glibc
import SystemPackage
import TestSupport
import Testing

@Suite struct FileContentsTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func path(_ name: String) -> FilePath { FilePath(directory.path(name)) }

  @Test func regularFilesAlone() throws {
    #expect(mkfifo(path("pipe").string, 0o600) == 0)
    try directory.write("x", to: "folder/file")
    for name in ["pipe", "folder"] {
      #expect(throws: FileError.notRegularFile(path: path(name))) { try fileContents(path(name)) }
      #expect(!isRegularFile(path(name)))
    }
    #expect(try fileContents(path("folder/file")) == [0x78])
    #expect(
      message { try fileContents(path("none")) } == "cannot read \(path("none")): No such file or directory")
  }

  @Test func limits() throws {
    try directory.write("12345", to: "file")
    #expect(try fileContents(path("file"), atMost: 5).count == 5)
    #expect(
      message { try fileContents(path("file"), atMost: 4) }
        == "\(path("file")): 5 bytes, where at most 4 bytes are read")
  }

  /// The system says of its own files that they are empty.
  @Test func filesThatSayTheyAreEmpty() throws {
    #expect(try fileContents("/proc/self/status").starts(with: "Name:".utf8))
    #expect(message { try fileContents("/proc/self/status", atMost: 10) }.contains("where at most 10 bytes"))
  }

  @Test func writing() throws {
    try writeFile([1, 2], to: path("new"))
    try writeFile([3], to: path("new"))
    #expect(try fileContents(path("new")) == [3])
    try InputFile(path: path("new")).copy(to: path("copy"))
    #expect(try fileContents(path("copy")) == [3])
    #expect(
      message { try writeFile([], to: path("none/new")) }
        == "cannot write \(path("none/new")): No such file or directory")
  }

  @Test func modelFiles() throws {
    try directory.write(#"{"a": 1}"#, to: "config.json")
    try directory.write("x", to: "folder/file")
    let files = ModelDirectory(FilePath(directory.path))
    #expect(try files.names == ["config.json", "folder"] && files.names(in: "folder") == ["file"])
    #expect(files.has("config.json") && files.has("folder/file") && !files.has("folder") && !files.has("x"))
    #expect(try files.json("config.json")["a"] == JSON(1) && files.optionalJSON("x.json") == nil)
    #expect(try files.contents("folder/file") == [0x78])
    // Messages name a file as it was given.
    #expect(ModelDirectory(of: "model.bin").path(of: "config.json") == "config.json")
    #expect(ModelDirectory(of: "model.bin").path == ".")
    #expect(ModelDirectory(of: "a/model.bin").path(of: "config.json") == "a/config.json")
  }
}
