import Foundation
import Merging
import SystemPackage
import TestSupport
import Testing

/// Outputs that are single files.
@Suite struct OutputFileTests {
  let folder = ScratchFolder()

  private func begin(
    _ name: String = "out.safetensors", _ policy: OutputDirectory.Policy = .refuseNonEmpty,
    protecting inputs: [String] = []
  ) throws -> OutputDirectory {
    try OutputDirectory(path: folder.path(name), policy: policy, protecting: inputs.map { folder.path($0) })
  }

  private func write(_ text: String, _ output: OutputDirectory) {
    folder.write(text, at: output.file("out.safetensors"))
  }

  private func writeModel(_ name: String) throws {
    try folder.makeModel("m", ["a": [1]])
    try FileManager.default.moveItem(
      atPath: folder.path("m/model.safetensors").string, toPath: folder.path(name).string)
    try FileManager.default.removeItem(atPath: folder.path("m").string)
  }

  private func rejection(_ body: () throws -> Void) -> String {
    message(body).replacingOccurrences(of: folder.root.string, with: "DIR")
  }

  @Test func aFileAppearsAtTheCommit() throws {
    let output = try begin("a/b/out.safetensors")
    #expect(
      output.fileName?.string == "out.safetensors" && output.target == folder.path("a/b/out.safetensors"))
    write("new", output)
    #expect(!folder.exists("a/b/out.safetensors"))
    try output.commit()
    #expect(folder.tree() == ["a/b/out.safetensors"] && folder.read("a/b/out.safetensors") == "new")
  }

  @Test func discardLeavesNothing() throws {
    let output = try begin("a/b/out.safetensors")
    write("new", output)
    output.discard()
    #expect(folder.tree() == [])
  }

  @Test func whatIsThereStaysWithoutForce() throws {
    try writeModel("out.safetensors")
    let old = folder.tree()
    #expect(rejection { _ = try begin() } == "DIR/out.safetensors exists; pass --force to replace it")
    #expect(folder.tree() == old)
    // Or comes meanwhile.
    let output = try begin("new.safetensors")
    folder.write("new", at: output.file("new.safetensors"))
    folder.write("theirs", at: folder.path("new.safetensors"))
    #expect(rejection { try output.commit() }.contains("exists; pass --force"))
    #expect(folder.read("new.safetensors") == "theirs")
  }

  @Test func modelsAreReplaced() throws {
    try writeModel("out.safetensors")
    #expect(chmod(folder.path("out.safetensors").string, 0o640) == 0)
    let output = try begin("out.safetensors", .replace)
    write("new", output)
    #expect(folder.read("out.safetensors") != "new")
    try output.commit()
    #expect(folder.tree() == ["out.safetensors"] && folder.read("out.safetensors") == "new")
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("out.safetensors").string)
    #expect(attributes[.posixPermissions] as? Int == 0o640)
  }

  @Test func otherFilesAreKept() throws {
    folder.write("notes", at: folder.path("out.safetensors"))
    #expect(
      rejection { _ = try begin("out.safetensors", .replace) }
        == "DIR/out.safetensors exists and is no safetensors file; --force replaces models only, --force-all moves it aside"
    )
    for number in 1...2 {
      let output = try begin("out.safetensors", .moveAside)
      write("new \(number)", output)
      try output.commit()
    }
    #expect(
      folder.tree() == ["out.safetensors", "out.safetensors.old-1", "out.safetensors.old-2"])
    #expect(folder.read("out.safetensors") == "new 2" && folder.read("out.safetensors.old-1") == "notes")
    #expect(folder.read("out.safetensors.old-2") == "new 1")
    let overlay = try begin("out.safetensors", .overlay)
    write("newer", overlay)
    try overlay.commit()
    #expect(folder.read("out.safetensors") == "newer")
  }

  @Test func aLinkItselfIsReplaced() throws {
    try writeModel("model.safetensors")
    let link = folder.path("out.safetensors").string
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "model.safetensors")
    #expect(
      rejection { _ = try begin("out.safetensors", .replace, protecting: ["model.safetensors"]) }
        .hasPrefix("cannot write DIR/model.safetensors: it is an input of this merge"))
    let output = try begin("out.safetensors", .replace)
    write("new", output)
    try output.commit()
    #expect(folder.tree() == ["model.safetensors", "out.safetensors"])
    #expect(folder.read("model.safetensors") != "new" && folder.read("out.safetensors") == "new")
  }

  @Test func inputsAreNotReplaced() throws {
    try writeModel("out.safetensors")
    for policy in [OutputDirectory.Policy.replace, .overlay, .moveAside] {
      #expect(
        rejection { _ = try begin("out.safetensors", policy, protecting: ["out.safetensors"]) }
          == "cannot write DIR/out.safetensors: it is an input of this merge; choose another output")
    }
  }

  @Test func pathsThatAreNoFiles() throws {
    folder.makeDirectory("dir.safetensors")
    #expect(try begin("dir.safetensors").fileName == nil)
    for name in ["m.bin", "m.pt", "m.pth", "m.ckpt"] {
      #expect(
        rejection { _ = try begin(name) }
          == "cannot write DIR/\(name): only safetensors are written; name OUT a directory, or a file that ends in .safetensors"
      )
    }
    #expect(mkfifo(folder.path("pipe.safetensors").string, 0o600) == 0)
    #expect(
      rejection { _ = try begin("pipe.safetensors") }
        == "DIR/pipe.safetensors exists and is not a regular file")
    folder.write("x", at: folder.path("file"))
    #expect(
      rejection { _ = try begin("file/out.safetensors") }
        == "cannot write DIR/file/out.safetensors: DIR/file is not a directory")
    // One of these names may be a directory's, as before.
    folder.makeDirectory("m.bin")
    #expect(try begin("m.bin").fileName == nil)
  }

  @Test func twoRunsDoNotMix() throws {
    let first = try begin()
    #expect(rejection { _ = try begin() }.hasPrefix("DIR/out.safetensors is being written by another run"))
    write("new", first)
    try first.commit()
    #expect(folder.tree() == ["out.safetensors"])
  }

  @Test func severalAppearTogether() throws {
    try writeModel("out.safetensors")
    let first = try begin("out.safetensors", .replace)
    let second = try OutputDirectory(path: folder.path("other"), policy: .refuseNonEmpty)
    write("new", first)
    folder.write("new", at: second.file("x"))
    try FileManager.default.removeItem(atPath: second.path.string)
    #expect(throws: OutputDirectoryError.self) { try OutputDirectory.commit([first, second]) }
    #expect(folder.read("out.safetensors") != "new" && folder.exists("out.safetensors"))
  }

  // MARK: Interrupted runs

  /// At every point of taking the place of a file.
  @Test(arguments: 0...3) func aFileIsCompleted(moves: Int) throws {
    let staging = ".out.safetensors.mergekit"
    folder.makeDirectory("\(staging)/new")
    if moves < 3 { folder.write("new", at: folder.path("\(staging)/new/out.safetensors")) }
    if moves > 0 { folder.write("old", at: folder.path("\(staging)/old/out.safetensors")) }
    // With a file system that has no second names, there is none for a moment.
    if moves != 2 { folder.write(moves == 3 ? "new" : "old", at: folder.path("out.safetensors")) }
    folder.write(
      """
      {"version": 1, "target": "\(folder.root)", "staging": "\(folder.path(staging))", "mode": "fill",
       "displaces_all": false, "steps": [{"overwrite": "out.safetensors"}], "members": []}
      """, at: folder.path("\(staging)/commit.json"))
    #expect(
      try OutputDirectory.settleInterruptedRuns(at: folder.path("out.safetensors")) == [
        "\(folder.path("out.safetensors")): an interrupted run was completed; its output is in place"
      ])
    #expect(folder.tree() == ["out.safetensors"] && folder.read("out.safetensors") == "new")
  }

  @Test func unfinishedFilesAreRemoved() throws {
    folder.write("half", at: folder.path(".out.safetensors.mergekit/new/out.safetensors"))
    folder.write("old", at: folder.path("out.safetensors"))
    #expect(
      try OutputDirectory.settleInterruptedRuns(at: folder.path("out.safetensors")) == [
        "\(folder.path("out.safetensors")): the unfinished files of an interrupted run were removed"
      ])
    #expect(folder.tree() == ["out.safetensors"])
  }
}
