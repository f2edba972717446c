import Basics
import Checkpoints
import Foundation
import SystemPackage
import Tensors
import TestSupport
import Testing

@Suite struct CheckpointTests {
  let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  private func open(_ name: String = "") throws -> Checkpoint {
    try Checkpoint(path: directory.file(name))
  }

  /// The message of opening, without the directory's own path.
  private func rejection(_ name: String = "") -> String {
    message({ try open(name) }).replacingOccurrences(of: directory.path, with: "DIR")
  }

  private func writeIndex(_ map: String, to name: String = "model.safetensors.index.json") throws {
    try directory.write("{\"metadata\": {}, \"weight_map\": \(map)}", to: name)
  }

  // MARK: What is opened

  @Test func pythonsShards() throws {
    let checkpoint = try Checkpoint(path: fixture("sharded"))
    #expect(checkpoint.names.first == "embed.weight")
    #expect(Set(checkpoint.names) == ["embed.weight", "layers.0.weight", "head.weight"])
    #expect(
      checkpoint.files.map { $0.path.lastComponent?.string } == [
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
      ])
    #expect(checkpoint.totalBytes == 56)
    #expect(checkpoint.warnings == [])
    #expect(checkpoint.tensor(named: "head.weight")?.shape == [4, 2])
    #expect(try checkpoint.tensor(named: "layers.0.weight")?.bytes() == [0, 0x38, 0, 0x38, 0, 0x38, 0, 0x38])
    #expect(checkpoint.tensor(named: "layers.1.weight") == nil)

    let config = try #require(try checkpoint.config)
    #expect(config["rope_theta"] == .number(literal: "10000.0"))
    let text = try String(contentsOfFile: fixture("sharded/config.json").string, encoding: .utf8)
    #expect(config.text(.pretty, trailingNewline: true) == text)
  }

  @Test(arguments: [
    "sharded/model.safetensors.index.json", "sharded/model-00002-of-00002.safetensors",
  ])
  func filesAreOpenedToo(name: String) throws {
    let checkpoint = try Checkpoint(path: fixture(name))
    #expect(checkpoint.modelFiles.path == fixture("sharded"))
    #expect(checkpoint.names.contains("head.weight"))
    #expect(checkpoint.names.contains("embed.weight") == name.hasSuffix("json"))
    #expect(try checkpoint.config?["model_type"] == .string("tiny"))
  }

  @Test func modelFileComesBeforeOthers() throws {
    try directory.write(safetensors(tensors: "a"), to: "model.safetensors")
    try directory.write(safetensors(tensors: "b"), to: "other.safetensors")
    try directory.write("{}", to: "other.safetensors.index.json")
    #expect(try open().names == ["a"])
    #expect(try open().config == nil)
  }

  @Test func indexComesBeforeModelFile() throws {
    try directory.write(safetensors(tensors: "a"), to: "model.safetensors")
    try directory.write(safetensors(tensors: "b"), to: "other.safetensors")
    try writeIndex(#"{"b": "other.safetensors"}"#)
    #expect(try open().names == ["b"])
  }

  @Test func anotherIndexIsTakenWhenItIsTheOnlyOne() throws {
    try directory.write(safetensors(tensors: "b"), to: "other.safetensors")
    try directory.write(safetensors(tensors: "c"), to: "third.safetensors")
    try writeIndex(#"{"b": "other.safetensors"}"#, to: "diffusion_pytorch_model.safetensors.index.json")
    #expect(try open().names == ["b"])
    try writeIndex("{}", to: "a.safetensors.index.json")
    #expect(
      rejection() == "DIR: several indexes, a.safetensors.index.json, "
        + "diffusion_pytorch_model.safetensors.index.json; give the path of one of them")
    #expect(try open("diffusion_pytorch_model.safetensors.index.json").names == ["b"])
  }

  @Test func oneOtherFile() throws {
    try directory.write(safetensors(tensors: "a"), to: "consolidated.safetensors")
    try directory.write(safetensors(tensors: "b"), to: "adapter_model.safetensors")
    try directory.write([1, 2, 3], to: "._consolidated.safetensors")
    #expect(try open().names == ["a"])
  }

  @Test func severalFilesAreOneModel() throws {
    try directory.write(safetensors(tensors: "d", "c"), to: "model-00001-of-00002.safetensors")
    try directory.write(safetensors(tensors: "b", "a"), to: "model-00002-of-00002.safetensors")
    try directory.write(safetensors(tensors: "a", "b", "c"), to: "consolidated.safetensors")
    let checkpoint = try open()
    #expect(checkpoint.names == ["d", "c", "b", "a"])
    #expect(checkpoint.files.count == 2)
    #expect(checkpoint.totalBytes == 4)
  }

  @Test func namesInTwoFilesClash() throws {
    try directory.write(safetensors(tensors: "a", "b"), to: "x.safetensors")
    try directory.write(safetensors(tensors: "b", "c"), to: "y.safetensors")
    #expect(
      rejection() == "tensor 'b' is in two files, DIR/x.safetensors and DIR/y.safetensors, "
        + "and no index says which one counts")
  }

  @Test func aSetOfShardsIsWhole() throws {
    try directory.write(safetensors(tensors: "a"), to: "model-00002-of-00004.safetensors")
    #expect(
      rejection() == "DIR: model-00001-of-00004.safetensors does not exist, nor do 2 more shards of its set")
    try directory.write(safetensors(tensors: "b"), to: "model-00001-of-00004.safetensors")
    try directory.write(safetensors(tensors: "c"), to: "model-00004-of-00004.safetensors")
    #expect(rejection() == "DIR: model-00003-of-00004.safetensors does not exist")
  }

  @Test func namesDifferByBytes() throws {
    try directory.write(safetensors(tensors: "\u{E9}", "e\u{301}"), to: "model.safetensors")
    let checkpoint = try open()
    #expect(try checkpoint.tensor(named: "\u{E9}")?.bytes() == [0])
    #expect(try checkpoint.tensor(named: "e\u{301}")?.bytes() == [1])
  }

  @Test func symbolicLinksAreFollowed() throws {
    // As in a hub's cache: the shards and the index are links to blobs elsewhere.
    let blob = FilePath(try directory.write(safetensors(tensors: "a"), to: "models--org--name/blobs/1234"))
    let index = FilePath(
      try directory.write(
        #"{"weight_map": {"a": "model-1.safetensors"}}"#, to: "models--org--name/blobs/5678"))
    try directory.write("{}", to: "models--org--name/snapshots/abc/config.json")
    for (link, target) in [("model-1.safetensors", blob), ("model.safetensors.index.json", index)] {
      try FileManager.default.createSymbolicLink(
        atPath: directory.file("models--org--name/snapshots/abc").appending(link).string,
        withDestinationPath: target.string)
    }
    try FileManager.default.createSymbolicLink(
      atPath: directory.file("link").string, withDestinationPath: "models--org--name/snapshots/abc")
    #expect(try open("link").names == ["a"])
    #expect(try open("link").config == .object([:]))
  }

  @Test(arguments: ["model.safetensors", "config.json"])
  func linksThatLeadOutAreRefused(name: String) throws {
    try directory.write(safetensors(tensors: "a"), to: "elsewhere/weights")
    try directory.write(safetensors(tensors: "a"), to: "model/model.safetensors")
    try? FileManager.default.removeItem(atPath: directory.file("model/\(name)").string)
    try FileManager.default.createSymbolicLink(
      atPath: directory.file("model/\(name)").string, withDestinationPath: "../elsewhere/weights")
    let expected = FileError.linkLeadsOut(
      path: directory.file("model/\(name)"),
      target: try DirectoryFiles.realPath(directory.file("elsewhere/weights")))
    #expect(throws: expected) { _ = try open("model").config }
    // A link that the user names is theirs.
    if name == "model.safetensors" { #expect(try open("model/model.safetensors").names == ["a"]) }
  }

  @Test func manyShardsAreOpenAtOnce() throws {
    // More than the usual soft limit of 1024 open files, where the hard limit lets us.
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let count = min(1200, Int(clamping: limit.rlim_max) - 200)
    for i in 0..<count { try directory.write(safetensors(tensors: "t\(i)"), to: "s\(i).safetensors") }
    #expect(try open().files.count == count)
  }

  // MARK: What config.json can have wrong

  @Test func brokenConfig() throws {
    try directory.write(safetensors(tensors: "a"), to: "model.safetensors")
    try directory.write("{\n  \"a\": 1,\n}", to: "config.json")
    let checkpoint = try open()
    #expect(
      message({ try checkpoint.config })
        == "\(directory.path)/config.json:3:1: expected a key in quotes, found '}'")
  }

  // MARK: What a path can have wrong

  @Test func missingPath() throws {
    try directory.write(safetensors(tensors: "a"), to: "models/base/model.safetensors")
    let expected =
      "no such file or directory; expected a directory with model.safetensors, or a .safetensors or "
      + ".safetensors.index.json file"
    #expect(rejection("models/bsae") == "DIR/models/bsae: \(expected) (did you mean 'DIR/models/base'?)")
    #expect(rejection("modles/base") == "DIR/modles/base: \(expected) (did you mean 'DIR/models'?)")
    #expect(rejection("models/other") == "DIR/models/other: \(expected)")
    #expect(
      rejection("models/base/model.safetensor")
        == "DIR/models/base/model.safetensor: \(expected) (did you mean "
        + "'DIR/models/base/model.safetensors'?)")
  }

  @Test func danglingLink() throws {
    try FileManager.default.createSymbolicLink(
      atPath: directory.file("model.safetensors").string, withDestinationPath: "gone")
    #expect(
      rejection("model.safetensors")
        == "DIR/model.safetensors: the target of this symbolic link does not exist")
  }

  @Test(arguments: ["tf_model.h5", "flax_model.msgpack"])
  func otherFormats(name: String) throws {
    try directory.write("x", to: name)
    try directory.write("x", to: "training_args.bin")
    #expect(
      rejection() == "DIR: has only weights in a format that is not read, such as \(name); convert them to "
        + "safetensors")
    #expect(
      rejection(name) == "DIR/\(name): weights in a format that is not read; convert them to safetensors")
  }

  @Test func noWeights() throws {
    try directory.write("x", to: "training_args.bin")
    #expect(
      rejection() == "DIR: no weights in this directory; expected model.safetensors, "
        + "model.safetensors.index.json or other .safetensors files")
    #expect(
      rejection("training_args.bin")
        == "DIR/training_args.bin: this is no archive as `torch.save` writes them")
    try directory.write("x", to: "notes.txt")
    #expect(
      rejection("notes.txt") == "DIR/notes.txt: not a checkpoint; expected a directory, or a .safetensors or "
        + ".safetensors.index.json file")
    try directory.write(safetensors(tensors: "a"), to: "adapter_model.safetensors")
    #expect(rejection() == "DIR: has only adapter weights, adapter_model.safetensors; expected a whole model")
  }

  @Test func aCacheFolderInPlaceOfASnapshot() throws {
    let words = "DIR: this is a model's folder in the hub's cache, not the model, which is in "
    try directory.write("x", to: "blobs/0")
    try directory.write("x", to: "snapshots/a1/config.json")
    #expect(rejection() == words + "DIR/snapshots/a1")
    try directory.write("x", to: "snapshots/b2/config.json")
    #expect(rejection() == words + "one of the folders of DIR/snapshots")
    try directory.write("b2", to: "refs/main")
    #expect(rejection() == words + "DIR/snapshots/b2")
  }

  // MARK: What an index can have wrong

  @Test(arguments: [
    ("{", ":1:2: expected a key in quotes or '}', found the end of the text"),
    ("[]", ": expected an object \"weight_map\" of tensor names and file names, found an array"),
    ("{}", ": expected an object \"weight_map\" of tensor names and file names"),
    (
      #"{"weight_map": []}"#,
      ": expected an object \"weight_map\" of tensor names and file names, found an array"
    ),
    (#"{"weight_map": {"a": 1}}"#, ": tensor 'a': expected a file name, found a number"),
    (
      #"{"weight_map": {"a": "x.safetensors", "a": "x.safetensors"}}"#, ":1:39: duplicate key \"a\""
    ),
    (
      #"{"weight_map": {"a": "model.bin"}}"#,
      ": tensor 'a': expected a .safetensors file, found 'model.bin'"
    ),
    (
      #"{"weight_map": {"a": "none.safetensors"}}"#,
      ": tensor 'a' is in 'none.safetensors', which does not exist"
    ),
    (
      #"{"weight_map": {"a": "x.safetensors", "c": "x.safetensors"}}"#,
      ": tensor 'c' is not in 'x.safetensors', where the index has it"
    ),
  ])
  func brokenIndex(text: String, expected: String) throws {
    try directory.write(safetensors(tensors: "a", "b"), to: "x.safetensors")
    try directory.write(text, to: "model.safetensors.index.json")
    #expect(rejection() == "DIR/model.safetensors.index.json\(expected)")
  }

  @Test(arguments: [
    "", "/x.safetensors", "../x.safetensors", "a/../../x.safetensors", "./x.safetensors", "..",
    "x\\u0000.safetensors",
  ])
  func shardNamesArePlain(name: String) throws {
    try directory.write(safetensors(tensors: "a"), to: "x.safetensors")
    try writeIndex("{\"a\": \"\(name)\"}")
    #expect(
      rejection() == "DIR/model.safetensors.index.json: tensor 'a': expected a file name relative to the "
        + "index and without \"..\", found '\(name.replacing("\\u0000", with: "\\u{0}"))'")
  }

  @Test func shardsMayLieInFolders() throws {
    try directory.write(safetensors(tensors: "a"), to: "weights/x.safetensors")
    try writeIndex(#"{"a": "weights/x.safetensors"}"#)
    #expect(try open().names == ["a"])
  }

  @Test func tensorsThatTheIndexDoesNotNameAreIgnored() throws {
    try directory.write(safetensors(tensors: "a", "b"), to: "x.safetensors")
    try directory.write(safetensors(tensors: "a", "c", "d", "e"), to: "y.safetensors")
    try writeIndex(#"{"d": "y.safetensors", "b": "x.safetensors", "a": "x.safetensors"}"#)
    let checkpoint = try open()
    #expect(checkpoint.names == ["a", "b", "d"])
    #expect(checkpoint.tensor(named: "a")?.path == directory.file("x.safetensors"))
    #expect(
      checkpoint.warnings == [
        "\(directory.path)/y.safetensors: tensor 'a' and 2 more ignored: not named in "
          + "\(directory.path)/model.safetensors.index.json"
      ])
  }

  @Test func aBrokenShardIsNamed() throws {
    try directory.write([1, 2, 3], to: "x.safetensors")
    try writeIndex(#"{"a": "x.safetensors"}"#)
    #expect(rejection().hasPrefix("DIR/x.safetensors: the file has 3 bytes"))
  }
}
