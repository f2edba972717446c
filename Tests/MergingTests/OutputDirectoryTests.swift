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
    #expect(output.path.lastComponent?.string.hasPrefix(".out.mergekit-") == true)
    #expect(folder.path(output.path.lastComponent?.string ?? "") == output.path)
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
    folder.write("old", at: folder.path("out/notes.txt"))
    folder.write("old", at: folder.path("out/deep/er/notes.txt"))
    chmod(folder.path("out").string, 0o750)
    let output = try OutputDirectory(path: folder.path("out"), policy: .replace)
    folder.write("new", at: output.file("x"))
    #expect(folder.read("out/notes.txt") == "old")
    try output.commit()
    #expect(folder.tree() == ["out/x"])
    let permissions = try FileManager.default.attributesOfItem(atPath: folder.path("out").string)
    #expect(permissions[.posixPermissions] as? Int == 0o750)
  }

  @Test func discardedReplacementKeepsTheOld() throws {
    folder.write("old", at: folder.path("out/notes.txt"))
    let output = try OutputDirectory(path: folder.path("out"), policy: .replace)
    folder.write("new", at: output.file("x"))
    output.discard()
    #expect(folder.tree() == ["out/notes.txt"])
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

  @Test(arguments: [OutputDirectory.Policy.replace, .overlay])
  func failedCommitKeepsTheOld(policy: OutputDirectory.Policy) throws {
    folder.write("old", at: folder.path("out/model.safetensors"))
    let output = try OutputDirectory(path: folder.path("out"), policy: policy)
    folder.write("new", at: output.file("model.safetensors"))
    // Where the old contents would be moved, something stands in the way.
    let place = try #require(output.path.lastComponent).string + ".old"
    folder.write("in the way", at: folder.path(place).appending("x"))
    #expect(throws: OutputDirectoryError.self) { try output.commit() }
    #expect(folder.read("out/model.safetensors") == "old")
    output.discard()
    #expect(folder.tree() == ["\(place)/x", "out/model.safetensors"])
  }

  @Test func vanishedTemporaryDirectoryIsAnError() throws {
    folder.write("old", at: folder.path("out/x"))
    let output = try OutputDirectory(path: folder.path("out"), policy: .replace)
    try FileManager.default.removeItem(atPath: output.path.string)
    let error = #expect(throws: OutputDirectoryError.self) { try output.commit() }
    #expect(
      "\(try #require(error))"
        == "cannot move the finished files to \(folder.path("out")): No such file or directory")
    #expect(folder.tree() == ["out/x"])
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

  // MARK: What dead processes left

  @Test func deadProcesssDirectoriesAreRemoved() throws {
    let dead = try deadProcess()
    folder.write("left", at: folder.path(".out.mergekit-\(dead)-abc123/model.safetensors"))
    folder.write("left", at: folder.path(".out.mergekit-\(dead)-def456.old/notes.txt"))
    folder.write("another output's", at: folder.path(".other.mergekit-\(dead)-abc123/x"))
    folder.write("a living one's", at: folder.path(".out.mergekit-\(getppid())-abc123/x"))
    folder.write("strange", at: folder.path(".out.mergekit-notes/x"))
    let output = try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    folder.write("new", at: output.file("x"))
    try output.commit()
    #expect(
      folder.tree() == [
        ".other.mergekit-\(dead)-abc123/x", ".out.mergekit-\(getppid())-abc123/x",
        ".out.mergekit-notes/x", "out/x",
      ])
  }

  @Test func predecessorWithTheSameNumberIsDead() throws {
    // In a container every run may be process 1.
    folder.write("left", at: folder.path(".out.mergekit-\(getpid())-abc123/x"))
    let living = try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    let second = try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    #expect(!folder.exists(".out.mergekit-\(getpid())-abc123"))
    #expect(FileManager.default.fileExists(atPath: living.path.string))
    second.discard()
    living.discard()
  }

  @Test func lockedDirectoryIsAlive() throws {
    // As that of a process in another container, whose number means nothing here.
    let left = folder.path(".out.mergekit-\(try deadProcess())-abc123")
    folder.write("theirs", at: left.appending("x"))
    let descriptor = try FileDescriptor.open(left, .readOnly, options: .directory)
    defer { try? descriptor.close() }
    #expect(flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0)
    try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty).discard()
    #expect(FileManager.default.fileExists(atPath: left.appending("x").string))
  }

  @Test func contentsMovedAsideComeBack() throws {
    let dead = try deadProcess()
    // Killed between moving the old directory aside and the new one in.
    folder.write("old", at: folder.path(".out.mergekit-\(dead)-abc123.old/notes.txt"))
    folder.write("new", at: folder.path(".out.mergekit-\(dead)-abc123/x"))
    #expect(throws: OutputDirectoryError.notEmpty(folder.path("out"))) {
      try OutputDirectory(path: folder.path("out"), policy: .refuseNonEmpty)
    }
    #expect(folder.tree() == ["out/notes.txt"])
  }

  @Test func contentsMovedOutOfAnOverlayComeBack() throws {
    let dead = try deadProcess()
    folder.write("new", at: folder.path("out/config.json"))
    folder.write("old", at: folder.path(".out.mergekit-\(dead)-abc123.old/config.json"))
    folder.write("old", at: folder.path(".out.mergekit-\(dead)-abc123.old/model.safetensors"))
    folder.write("new", at: folder.path(".out.mergekit-\(dead)-abc123/x"))
    try OutputDirectory(path: folder.path("out"), policy: .overlay).discard()
    #expect(folder.tree() == ["out/config.json", "out/model.safetensors"])
  }

  private func deadProcess() throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/true")
    try process.run()
    process.waitUntilExit()
    return process.processIdentifier
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
