import Foundation
import Merging
import SystemPackage
import Testing

@Suite struct OutputDirectoryTests {
  let folder = ScratchFolder()

  // MARK: Beginning and ending

  @Test func newOutputAppearsWholeAtTheCommit() throws {
    let output = try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    folder.write("new", at: output.file("config.json"))
    #expect(!folder.exists("out"))
    #expect(output.path == folder.path(".out.mergekit/new"))
    try output.commit()
    #expect(folder.tree() == ["out/config.json"])
    #expect(folder.read("out/config.json") == "new")
    #expect(output.destination == folder.path("out"))
  }

  @Test func secondCommitAndLaterDiscardDoNothing() throws {
    let output = try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    folder.write("new", at: output.file("a"))
    try output.commit()
    try output.commit()
    output.discard()
    #expect(folder.tree() == ["out/a"])
  }

  @Test func discardLeavesNothing() throws {
    let output = try OutputDirectory(path: folder.path("a/b/out"), policy: .refuseNonEmpty)
    folder.write("new", at: output.file("x"))
    #expect(folder.exists("a/b"))
    output.discard()
    #expect(folder.tree() == [])
    #expect(throws: OutputDirectoryError.discarded(folder.path("a/b/out"))) { try output.commit() }
  }

  @Test func endOfLifeDiscards() throws {
    func begin() throws {
      let output = try OutputDirectory(path: folder.path("a/out"), policy: .refuseNonEmpty)
      try FileManager.default.createDirectory(
        atPath: output.file("folder").string, withIntermediateDirectories: false)
      folder.write("new", at: output.file("folder/x"))
    }
    try begin()
    #expect(folder.tree() == [])
  }

  @Test func discardKeepsParentsThatOthersUse() throws {
    let output = try OutputDirectory(path: folder.path("a/b/out"), policy: .refuseNonEmpty)
    folder.write("theirs", at: folder.path("a/other"))
    output.discard()
    #expect(folder.tree() == ["a/other"])
  }

  @Test func parentsStayAfterTheCommit() throws {
    let output = try OutputDirectory(path: folder.path("a/b/out/"), policy: .replace)
    folder.write("new", at: output.file("x"))
    try output.commit()
    #expect(folder.tree() == ["a/b/out/x"])
  }

  @Test func repeatedNamesInThePath() throws {
    let output = try OutputDirectory(path: folder.path("a/a/./a"), policy: .refuseNonEmpty)
    folder.write("new", at: output.file("x"))
    try output.commit()
    #expect(folder.tree() == ["a/a/a/x"])
  }

  @Test func emptyDirectoryIsFilled() throws {
    folder.makeDirectory("out")
    let output = try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    folder.write("new", at: output.file("x"))
    try output.commit()
    #expect(folder.tree() == ["out/x"])
  }

  @Test func linkToADirectoryIsFollowed() throws {
    folder.makeDirectory("real")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("out").string, withDestinationPath: "real")
    let output = try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    folder.write("new", at: output.file("x"))
    try output.commit()
    #expect(folder.tree() == ["out -> real", "real/x"])
  }

  @Test func longNamesWork() throws {
    let name = String(repeating: "é", count: 120)
    let output = try OutputDirectory(path: folder.path(name), policy: .refuseNonEmpty)
    folder.write("new", at: output.file("x"))
    try output.commit()
    #expect(folder.tree() == ["\(name)/x"])
  }

  // MARK: What exists

  @Test func contentsAreRefusedWithoutForce() throws {
    folder.write("old", at: folder.path("out/notes.txt"))
    let error = #expect(throws: OutputDirectoryError.self) {
      try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    }
    #expect(
      "\(try #require(error))"
        == "\(folder.path("out")) exists and is not empty; pass --force to replace it")
    #expect(folder.tree() == ["out/notes.txt"])
  }

  @Test func contentsThatAppearMeanwhileAreRefused() throws {
    folder.makeDirectory("out")
    let output = try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    folder.write("theirs", at: folder.path("out/theirs"))
    #expect(throws: OutputDirectoryError.notEmpty(folder.path("out"))) { try output.commit() }
    output.discard()
    #expect(folder.tree() == ["out/theirs"])
  }

  @Test func replacingTakesTheOldDirectorysPlace() throws {
    folder.write("old", at: folder.path("out/config.json"))
    folder.write("old", at: folder.path("out/original/params.json"))
    chmod(folder.path("out").string, 0o750)
    let output = try OutputDirectory(path: folder.path("out"), policy: .replace)
    folder.write("new", at: output.file("x"))
    #expect(folder.read("out/config.json") == "old")
    try output.commit()
    #expect(folder.tree() == ["out/x"])
    let permissions = try FileManager.default.attributesOfItem(atPath: folder.path("out").string)
    #expect(permissions[.posixPermissions] as? Int == 0o750)
  }

  @Test func discardedReplacementKeepsTheOld() throws {
    folder.write("old", at: folder.path("out/config.json"))
    let output = try OutputDirectory(path: folder.path("out"), policy: .replace)
    folder.write("new", at: output.file("x"))
    output.discard()
    #expect(folder.tree() == ["out/config.json"])
  }

  @Test func overlayReplacesWeightsAlone() throws {
    let old = [
      "model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
      "pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json",
      "config.json", "notes.txt", "training_args.bin", "sub/model.safetensors",
    ]
    for name in old { folder.write("old", at: folder.path("out").pushing(FilePath(name))) }
    let output = try OutputDirectory(path: folder.path("out"), policy: .overlay)
    folder.write("new", at: output.file("model-00001-of-00001.safetensors"))
    folder.write("new", at: output.file("config.json"))
    try output.commit()
    #expect(
      folder.tree() == [
        "out/config.json", "out/model-00001-of-00001.safetensors", "out/notes.txt",
        "out/sub/model.safetensors", "out/training_args.bin",
      ])
    #expect(folder.read("out/config.json") == "new")
    #expect(folder.read("out/notes.txt") == "old")
  }

  @Test func overlayKeepsWhatIsNoOldWeight() throws {
    let kept = [
      "style.safetensors", "adapter_model.safetensors", "model-a-of-b.safetensors", "model-1.safetensors",
      "pytorch_model.txt", "model-00003-of-00003.safetensors/notes.txt",
    ]
    for name in kept { folder.write("mine", at: folder.path("out").pushing(FilePath(name))) }
    for name in ["part-1.safetensors", "model-00001-of-00002.safetensors"] {
      folder.write("old", at: folder.path("out").appending(name))
    }
    folder.write(
      #"{"weight_map": {"a": "part-1.safetensors", "b": "notes/style.safetensors", "c": 1}}"#,
      at: folder.path("out/model.safetensors.index.json"))
    let output = try OutputDirectory(path: folder.path("out"), policy: .overlay)
    folder.write("new", at: output.file("model.safetensors"))
    try output.commit()
    #expect(folder.tree() == (kept + ["model.safetensors"]).map { "out/\($0)" }.sorted())
  }

  @Test func overlayMergesFolders() throws {
    for name in ["methods/mine.lua", "methods/other.lua", "methods/deep/a.lua"] {
      folder.write("old", at: folder.path("out").pushing(FilePath(name)))
    }
    let output = try OutputDirectory(path: folder.path("out"), policy: .overlay)
    for name in ["methods/mine.lua", "methods/deep/b.lua", "methods/new/c.lua"] {
      folder.write("new", at: output.path.pushing(FilePath(name)))
    }
    try output.commit()
    #expect(
      folder.tree() == [
        "out/methods/deep/a.lua", "out/methods/deep/b.lua", "out/methods/mine.lua", "out/methods/new/c.lua",
        "out/methods/other.lua",
      ])
    #expect(folder.read("out/methods/mine.lua") == "new")
    #expect(folder.read("out/methods/other.lua") == "old")
  }

  @Test(arguments: [("a/x", "a", "Not a directory"), ("a", "a/x", "Is a directory")])
  func overlayReplacesNoFolderByAFile(new: String, old: String, reason: String) throws {
    folder.write("old", at: folder.path("out/A/old"))
    folder.write("old", at: folder.path("out/A/same"))
    folder.write("old", at: folder.path("out/model.safetensors"))
    folder.write("old", at: folder.path("out").pushing(FilePath(old)))
    let before = folder.tree()
    let output = try OutputDirectory(path: folder.path("out"), policy: .overlay)
    for name in ["A/new", "A/same", new] {
      folder.write("new", at: output.path.pushing(FilePath(name)))
    }
    let error = #expect(throws: OutputDirectoryError.self) { try output.commit() }
    #expect(
      "\(try #require(error))" == "cannot move the finished files to \(folder.path("out")): \(reason)")
    output.discard()
    #expect(folder.tree() == before)
    #expect(folder.read("out/A/same") == "old")
  }

  @Test func overlayOfNothingIsANewDirectory() throws {
    let output = try OutputDirectory(path: folder.path("out"), policy: .overlay)
    folder.write("new", at: output.file("x"))
    folder.write("theirs", at: folder.path("out/theirs"))
    try output.commit()
    #expect(folder.tree() == ["out/theirs", "out/x"])
  }

  @Test func failedCommitKeepsTheOld() throws {
    for name in ["model.safetensors", "config.json"] { folder.write("old", at: folder.path("out/\(name)")) }
    let output = try OutputDirectory(path: folder.path("out"), policy: .overlay)
    for name in ["model.safetensors", "config.json"] { folder.write("new", at: output.file(name)) }
    // Where the old contents would be moved, something stands in the way.
    folder.write("in the way", at: folder.path(".out.mergekit/old"))
    let error = #expect(throws: OutputDirectoryError.self) { try output.commit() }
    #expect(
      "\(try #require(error))" == "cannot move the finished files to \(folder.path("out")): Not a directory")
    output.discard()
    #expect(folder.tree() == ["out/config.json", "out/model.safetensors"])
    #expect(folder.read("out/model.safetensors") == "old" && folder.read("out/config.json") == "old")
  }

  @Test func vanishedTemporaryDirectoryIsAnError() throws {
    folder.write("old", at: folder.path("out/config.json"))
    let output = try OutputDirectory(path: folder.path("out"), policy: .replace)
    try FileManager.default.removeItem(atPath: output.path.string)
    let error = #expect(throws: OutputDirectoryError.self) { try output.commit() }
    #expect(
      "\(try #require(error))"
        == "cannot move the finished files to \(folder.path("out")): No such file or directory")
    output.discard()
    #expect(folder.tree() == ["out/config.json"])
  }

  @Test func theOldCanBeKept() throws {
    for _ in 0..<2 {
      folder.write("mine", at: folder.path("out/src/notes.txt"))
      let output = try OutputDirectory(path: folder.path("out"), policy: .moveAside)
      folder.write("new", at: output.file("config.json"))
      try output.commit()
    }
    #expect(
      folder.tree() == [
        "out.old-1/src/notes.txt", "out.old-2/config.json", "out.old-2/src/notes.txt", "out/config.json",
      ])
  }

  // MARK: What may be replaced

  /// A model with everything that hubs and this program put beside it.
  @Test func modelsMayBeReplaced() throws {
    for name in [
      "config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json",
      "tokenizer.model", "README.md", "LICENSE", "LICENSE.txt", "USE_POLICY.md", ".gitattributes",
      "mergekit_config.yml", "mergekit_stage.json", "methods/mine.lua", "pytorch_model.bin",
      "original/consolidated.00.pth", "original/params.json", ".cache/huggingface/download/x.metadata",
      "1_Pooling/config.json", "modeling_x.py", ".a.mergekit/new/x", "model.Q4_0.gguf",
    ] { folder.write("{}", at: folder.path("out").pushing(FilePath(name))) }
    folder.write(#"{"auto_map": {}}"#, at: folder.path("out/config.json"))
    folder.write(#"[{"path": "1_Pooling"}]"#, at: folder.path("out/modules.json"))
    let output = try OutputDirectory(path: folder.path("out"), policy: .replace)
    folder.write("new", at: output.file("x"))
    try output.commit()
    #expect(folder.tree() == ["out/x"])
  }

  @Test(arguments: [
    (["config.json", ".git/HEAD", "src/main.py"], ".git/HEAD, src/main.py"),
    (["a.binary.txt"], "a.binary.txt"),
    (["README.md"], "README.md"),
    (["config.json", "run.py"], "run.py"),
    (["config.json", "backup/model.safetensors"], "backup/model.safetensors"),
    (["config.json", "recipe.luac", "methods/mine.lua"], "methods/mine.lua, recipe.luac"),
    (["model.safetensors", ".cache/pip/x"], ".cache/pip/x"),
    (["config.json", "1", "2", "3", "4", "5", "6", "7"], "1, 2, 3, 4, 5 and 2 more"),
  ])
  func strangersAreNot(files: [String], listed: String) throws {
    for name in files { folder.write("{}", at: folder.path("out").pushing(FilePath(name))) }
    let before = folder.tree()
    let error = #expect(throws: OutputDirectoryError.self) {
      try OutputDirectory(path: folder.path("out"), policy: .replace)
    }
    #expect(
      "\(try #require(error))"
        == "\(folder.path("out")) holds files that belong to no model: \(listed); --force replaces models only, "
        + "--force-all moves the whole directory aside")
    #expect(folder.tree() == before)
  }

  // MARK: Several outputs

  /// Models that one run has written give way to one; a file of the user's beside or in them stops that.
  @Test func severalGiveWayToOne() throws {
    let files = ["config.json", "model.safetensors", "recipe.lua"]
    for name in ["a", "b"] {
      for file in files { folder.write("old", at: folder.path("out/\(name)/\(file)")) }
    }
    for stranger in ["out/notes.txt", "out/b/notes.txt"] {
      folder.write("mine", at: folder.path(stranger))
      #expect(throws: OutputDirectoryError.self) {
        try OutputDirectory(path: folder.path("out"), policy: .replace)
      }
      try FileManager.default.removeItem(atPath: folder.path(stranger).string)
    }
    let output = try OutputDirectory(path: folder.path("out"), policy: .replace)
    folder.write("new", at: output.file("config.json"))
    try output.commit()
    #expect(folder.tree() == ["out/config.json"])
  }

  @Test func severalAppearTogether() throws {
    for name in ["a", "b"] { folder.write("old", at: folder.path("out/\(name)/config.json")) }
    let outputs = try ["a", "b"].map {
      try OutputDirectory(path: folder.path("out/\($0)"), policy: .overlay)
    }
    for output in outputs { folder.write("new", at: output.file("config.json")) }
    // The second, which is put in place first, is taken back as the first fails.
    folder.write("in the way", at: folder.path("out/.a.mergekit/old"))
    #expect(throws: OutputDirectoryError.self) { try OutputDirectory.commit(outputs) }
    for output in outputs { output.discard() }
    #expect(folder.tree() == ["out/a/config.json", "out/b/config.json"])
    #expect(folder.read("out/a/config.json") == "old" && folder.read("out/b/config.json") == "old")
    let again = try ["a", "b"].map {
      try OutputDirectory(path: folder.path("out/\($0)"), policy: .overlay)
    }
    for output in again { folder.write("new", at: output.file("config.json")) }
    try OutputDirectory.commit(again)
    #expect(folder.read("out/a/config.json") == "new" && folder.read("out/b/config.json") == "new")
    #expect(folder.tree() == ["out/a/config.json", "out/b/config.json"])
  }

  // MARK: What cannot be written

  @Test func unusablePaths() throws {
    folder.write("file", at: folder.path("file"))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("dangling").string, withDestinationPath: "nowhere")
    let cases: [(FilePath, String)] = [
      ("", "the output path is empty"),
      (folder.path("file"), "\(folder.path("file")) exists and is not a directory"),
      (
        folder.path("file/out"),
        "cannot write \(folder.path("file/out")): \(folder.path("file")) is not a directory"
      ),
      (
        folder.path("file/a/out"),
        "cannot write \(folder.path("file/a/out")): \(folder.path("file")) is not a directory"
      ),
      (
        folder.path("dangling"),
        "\(folder.path("dangling")) is a symbolic link to something that does not exist"
      ),
      (
        folder.path("missing/../out"),
        "cannot write \(folder.path("missing/../out")): '..' follows a directory that does not exist"
      ),
      ("/dev/null", "/dev/null exists and is not a directory"),
    ]
    for (path, message) in cases {
      let error = #expect(throws: OutputDirectoryError.self) {
        try OutputDirectory(path: path, policy: .replace)
      }
      #expect("\(try #require(error))" == message)
    }
    #expect(folder.tree() == ["dangling -> nowhere", "file"])
  }

  @Test(arguments: ["/proc/out", "/proc/a/b/out"])
  func unwritableParentIsNamed(path: String) throws {
    let error = #expect(throws: OutputDirectoryError.self) {
      try OutputDirectory(path: FilePath(path), policy: .refuseNonEmpty)
    }
    let message = "\(try #require(error))"
    #expect(message.hasPrefix("cannot write \(path): cannot create a directory in /proc: "))
  }

  // MARK: Inputs

  @Test(arguments: [OutputDirectory.Policy.refuseNonEmpty, .replace, .overlay])
  func inputIsNoOutput(policy: OutputDirectory.Policy) throws {
    folder.write("input", at: folder.path("base/model.safetensors"))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link").string, withDestinationPath: "base")
    for (out, input) in [("base", "base"), ("link", "base"), ("base", "link")] {
      let error = #expect(throws: OutputDirectoryError.self) {
        try OutputDirectory(path: folder.path(out), policy: policy, protecting: [folder.path(input)])
      }
      #expect(
        "\(try #require(error))"
          == "cannot write \(folder.path(input)): it is an input of this merge; choose another output")
    }
    #expect(folder.tree() == ["base/model.safetensors", "link -> base"])
  }

  @Test func outputThatHoldsAnInputIsNotReplaced() throws {
    folder.write("input", at: folder.path("models/base/model.safetensors"))
    let error = #expect(throws: OutputDirectoryError.self) {
      try OutputDirectory(
        path: folder.path("models"), policy: .replace, protecting: [folder.path("models/base")])
    }
    #expect(
      "\(try #require(error))"
        == "cannot write \(folder.path("models")): that would destroy the input "
        + "\(folder.path("models/base")); choose another output")
    let output = try OutputDirectory(
      path: folder.path("models"), policy: .overlay, protecting: [folder.path("models/base")])
    folder.write("new", at: output.file("model.safetensors"))
    try output.commit()
    #expect(folder.tree() == ["models/base/model.safetensors", "models/model.safetensors"])
  }

  @Test func inputFileInTheOutputIsNotReplaced() throws {
    folder.write("input", at: folder.path("out/model.safetensors"))
    folder.write("recipe", at: folder.path("out/recipe.lua"))
    #expect(throws: OutputDirectoryError.self) {
      try OutputDirectory(
        path: folder.path("out"), policy: .overlay,
        protecting: [folder.path("out/model.safetensors")])
    }
    #expect(throws: OutputDirectoryError.self) {
      try OutputDirectory(
        path: folder.path("out"), policy: .replace, protecting: [folder.path("out/recipe.lua")])
    }
    // The overlay leaves what is no weights.
    try OutputDirectory(
      path: folder.path("out"), policy: .overlay, protecting: [folder.path("out/recipe.lua")]
    ).discard()
  }

  @Test func outputWithinAnInput() throws {
    folder.write("input", at: folder.path("base/part/config.json"))
    #expect(throws: OutputDirectoryError.self) {
      try OutputDirectory(
        path: folder.path("base/part"), policy: .replace, protecting: [folder.path("base")])
    }
    let output = try OutputDirectory(
      path: folder.path("base/new"), policy: .replace,
      protecting: [folder.path("base"), folder.path("no such model")])
    output.discard()
    #expect(folder.tree() == ["base/part/config.json"])
  }

  @Test(arguments: [".", "/"])
  func workingDirectoryIsNotReplaced(path: String) {
    #expect(throws: OutputDirectoryError.holdsWorkingDirectory(FilePath(path))) {
      try OutputDirectory(path: FilePath(path), policy: .replace)
    }
  }

  // MARK: Mounts

  @Test(.enabled(if: isSharedMemoryAMount))
  func mountPointIsFilledFromWithin() throws {
    let output = try OutputDirectory(path: "/dev/shm", policy: .overlay)
    #expect(output.path.starts(with: "/dev/shm"))
    output.discard()
    #expect(!FileManager.default.fileExists(atPath: output.path.string))
  }

}

/// What runs left that were killed, or that the power was taken from.
@Suite struct InterruptedRunTests {
  let folder = ScratchFolder()

  /// The output, begun and given up again, and what it said.
  @discardableResult
  private func begin(
    _ name: String = "out", _ policy: OutputDirectory.Policy = .refuseNonEmpty
  ) throws -> [String] {
    let notices = try OutputDirectory.settleInterruptedRuns(at: folder.path(name))
    try OutputDirectory(path: folder.path(name), policy: policy).discard()
    return notices
  }

  /// Writes the record of an output `out` whose new files are whole.
  private func writeRecord(
    _ mode: String, displacesAll: Bool = true, steps: String = "[]", more: String = ""
  ) throws {
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path(".out.mergekit/new").string)
    let inode = try #require(attributes[.systemFileNumber] as? Int)
    folder.write(
      """
      {"version": 1, "target": "\(folder.path("out"))", "staging": "\(folder.path(".out.mergekit"))",
       "mode": "\(mode)", "displaces_all": \(displacesAll), "steps": \(steps),
       "identity": {"device": "0", "inode": "\(inode)", "files": []}, "members": []\(more)}
      """, at: folder.path(".out.mergekit/commit.json"))
  }

  private func words(_ end: String) -> [String] { ["\(folder.path("out")): \(end)"] }

  private let completed = "an interrupted run was completed; its output is in place"
  private let removed = "the unfinished files of an interrupted run were removed"

  @Test func unfinishedFilesAreRemoved() throws {
    folder.write("left", at: folder.path(".out.mergekit/new/model.safetensors"))
    folder.write("another output's", at: folder.path(".other.mergekit/new/x"))
    folder.write("half removed", at: folder.path(".out.mergekit-trash-abc123/x"))
    // Of a version that gave its directories other names; it may hold the only copy of something.
    folder.write("older", at: folder.path(".out.mergekit-123-abc123.old/x"))
    folder.write("strange", at: folder.path(".out.mergekit-notes/x"))
    #expect(try begin() == words(removed))
    #expect(
      folder.tree() == [
        ".other.mergekit/new/x", ".out.mergekit-123-abc123.old/x", ".out.mergekit-notes/x",
      ])
    #expect(try begin() == [])
  }

  /// A process's number is used again; the lock says who lives.
  @Test(arguments: ["1 - -", "", "nonsense"])
  func locksDecide(owner: String) throws {
    folder.write(owner, at: folder.path(".out.mergekit/owner"))
    folder.write("theirs", at: folder.path(".out.mergekit/new/x"))
    let lock = try FileDescriptor.open(folder.path(".out.mergekit/owner"), .readWrite)
    #expect(flock(lock.rawValue, LOCK_EX | LOCK_NB) == 0)
    let error = #expect(throws: OutputDirectoryError.self) { try begin() }
    #expect("\(try #require(error))".hasPrefix("\(folder.path("out")) is being written by another run"))
    #expect(folder.read(".out.mergekit/new/x") == "theirs")
    try lock.close()
    #expect(try begin() == words(removed))
    #expect(folder.tree() == [])
  }

  @Test func twoRunsDoNotMix() throws {
    let first = try OutputDirectory(path: folder.path("out"), policy: .overlay)
    let error = #expect(throws: OutputDirectoryError.busy(folder.path("out"), process: getpid())) {
      try OutputDirectory(path: folder.path("out"), policy: .overlay)
    }
    #expect(
      "\(try #require(error))"
        == "\(folder.path("out")) is being written by another run (process \(getpid())); wait for it, or choose another output"
    )
    folder.write("new", at: first.file("x"))
    try first.commit()
    #expect(folder.tree() == ["out/x"])
  }

  @Test func aWholeDirectoryIsPutInPlace() throws {
    folder.write("old", at: folder.path("out/config.json"))
    folder.write("new", at: folder.path(".out.mergekit/new/config.json"))
    try writeRecord("place")
    let error = #expect(throws: OutputDirectoryError.self) { try begin() }
    #expect(error == .notEmpty(folder.path("out")))
    #expect(folder.tree() == ["out/config.json"] && folder.read("out/config.json") == "new")
  }

  @Test func aDirectoryInPlaceStays() throws {
    folder.write("new", at: folder.path(".out.mergekit/new/config.json"))
    try writeRecord("place")
    let manager = FileManager.default
    try manager.moveItem(atPath: folder.path(".out.mergekit/new").string, toPath: folder.path("out").string)
    folder.write("old", at: folder.path(".out.mergekit/new/config.json"))
    #expect(try begin("out", .overlay) == words(completed))
    #expect(folder.tree() == ["out/config.json"] && folder.read("out/config.json") == "new")
  }

  /// Where the file system cannot exchange directories there was none for a moment.
  @Test func aDirectoryThatWasMovedOutGivesWay() throws {
    folder.write("old", at: folder.path(".out.mergekit/old/config.json"))
    folder.write("new", at: folder.path(".out.mergekit/new/config.json"))
    try writeRecord("place")
    #expect(try begin("out", .overlay) == words(completed))
    #expect(folder.tree() == ["out/config.json"] && folder.read("out/config.json") == "new")
  }

  /// At every point of filling a directory.
  @Test(arguments: 0...4) func aFillIsCompleted(moves: Int) throws {
    folder.write("mine", at: folder.path("out/notes.txt"))
    let places = [
      ("out/model.bin", ".out.mergekit/old/model.bin", "old"),
      ("out/config.json", ".out.mergekit/old/config.json", "old"),
      (".out.mergekit/new/config.json", "out/config.json", "new"),
      (".out.mergekit/new/model.safetensors", "out/model.safetensors", "new"),
    ]
    folder.makeDirectory(".out.mergekit/new")
    for (index, place) in places.enumerated() {
      folder.write(place.2, at: folder.path(index < moves ? place.1 : place.0))
    }
    try writeRecord(
      "fill", displacesAll: false,
      steps: """
        [{"displace": "model.bin"}, {"displace": "config.json"}, {"install": "config.json"},
         {"install": "model.safetensors"}]
        """)
    #expect(try begin("out", .overlay) == words(completed))
    #expect(folder.tree() == ["out/config.json", "out/model.safetensors", "out/notes.txt"])
    #expect(folder.read("out/config.json") == "new")
  }

  @Test(arguments: ["", "{}", #"{"version": 9}"#, "{"])
  func whatIsNotUnderstoodIsKept(record: String) throws {
    folder.write("perhaps old", at: folder.path(".out.mergekit/new/x"))
    folder.write(record, at: folder.path(".out.mergekit/commit.json"))
    #expect(
      try begin()
        == words(
          "what an interrupted run left is not understood, and is kept in \(folder.path(".out.mergekit-kept-1"))"
        ))
    #expect(folder.read(".out.mergekit-kept-1/new/x") == "perhaps old")
  }

  /// Somebody took the output since: what is in the staging directory is the old one.
  @Test func anOldDirectoryIsNotPutInPlace() throws {
    folder.write("new", at: folder.path(".out.mergekit/new/config.json"))
    try writeRecord("place")
    let manager = FileManager.default
    try manager.moveItem(atPath: folder.path(".out.mergekit/new").string, toPath: folder.path("taken").string)
    folder.write("old", at: folder.path(".out.mergekit/new/config.json"))
    #expect(try begin().count == 1)
    #expect(folder.read(".out.mergekit-kept-1/new/config.json") == "old" && !folder.exists("out"))
  }

  @Test func outputsWithinOneAreSettled() throws {
    folder.write("left", at: folder.path("out/.a.mergekit/new/x"))
    folder.write("left", at: folder.path("out/.b.mergekit/new/x"))
    #expect(
      try OutputDirectory.settleInterruptedRuns(at: folder.path("out")) == words(removed) + words(removed))
    #expect(folder.tree() == ["out/"])
  }

  /// A member of several outputs whose leader never decided.
  @Test func withoutTheLeaderNothingIsDecided() throws {
    folder.write("old", at: folder.path("out/config.json"))
    folder.write("new", at: folder.path(".out.mergekit/new/config.json"))
    try writeRecord("place", more: #", "leader": "\#(folder.path(".first.mergekit"))""#)
    #expect(try begin("out", .overlay) == words(removed))
    #expect(folder.tree() == ["out/config.json"] && folder.read("out/config.json") == "old")
  }
}

/// `discardAll` ends every output of the process, so it is tried in a process of its own.
@Suite struct OutputDirectoryInterruptionTests {
  @Test func discardAllRemovesEveryOpenOutput() async throws {
    await #expect(processExitsWith: .success) {
      let folder = ScratchFolder()
      let first = try OutputDirectory(path: folder.path("a/first"), policy: .refuseNonEmpty)
      let second = try OutputDirectory(path: folder.path("second"), policy: .refuseNonEmpty)
      let finished = try OutputDirectory(path: folder.path("finished"), policy: .refuseNonEmpty)
      folder.write("x", at: first.file("x"))
      folder.write("x", at: finished.file("x"))
      try finished.commit()
      OutputDirectory.discardAll()
      #expect(folder.tree() == ["finished/x"])
      #expect(throws: OutputDirectoryError.self) { try first.commit() }
      #expect(throws: OutputDirectoryError.self) { try second.commit() }
    }
  }
}

private let isSharedMemoryAMount: Bool = {
  let manager = FileManager.default
  func device(_ path: String) -> Int? {
    (try? manager.attributesOfItem(atPath: path))?[.systemNumber] as? Int
  }
  guard let memory = device("/dev/shm") else { return false }
  return manager.isWritableFile(atPath: "/dev/shm") && memory != device("/dev")
}()
