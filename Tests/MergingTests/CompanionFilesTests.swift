import Basics
import Foundation
import Merging
import SystemPackage
import Testing

@Suite struct CompanionFilesTests {
  let folder = ScratchFolder()

  private func fill(_ names: [String]) {
    for name in names { folder.write("of \(name)", at: folder.path("model").pushing(FilePath(name))) }
  }

  @Test func tokenizerGenerationAndProcessorFilesAreCompanions() throws {
    let companions = [
      "added_tokens.json", "chat_template.jinja", "generation_config.json", "merges.txt",
      "preprocessor_config.json", "qwen.tiktoken", "sentencepiece.bpe.model", "special_tokens_map.json",
      "spiece.model", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
      "video_preprocessor_config.json", "vocab.json", "vocab.txt",
    ]
    fill(companions)
    fill([
      "config.json", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "README.md",
      "LICENSE", "notes.txt", "modeling.py", "model.gguf", ".gitattributes", "tokenizer.json.bak",
      "original/tokenizer.model",
    ])
    folder.makeDirectory("model/vocab.bpe.model")
    let files = try CompanionFiles(in: ModelDirectory(folder.path("model")))
    #expect(files.names == companions)
    #expect(files.modulesWithWeights == [])
    let processors = ["generation_config.json", "preprocessor_config.json", "video_preprocessor_config.json"]
    #expect(files.tokenizerFiles == companions.filter { !processors.contains($0) })
    #expect(files.hasTokenizer)
    folder.makeDirectory("out")
    #expect(try files.copy(to: folder.path("out")) == companions)
    #expect(folder.tree().filter { $0.hasPrefix("out/") } == companions.map { "out/\($0)" })
    #expect(folder.read("out/spiece.model") == "of spiece.model")
  }

  @Test func someCanBeLeftOut() throws {
    fill(["tokenizer.json", "tokenizer_config.json"])
    folder.makeDirectory("out")
    let files = try CompanionFiles(in: ModelDirectory(folder.path("model")))
    #expect(
      try files.copy(to: folder.path("out"), excluding: ["tokenizer.json"]) == ["tokenizer_config.json"])
    #expect(!folder.exists("out/tokenizer.json"))
  }

  @Test(arguments: ["config.json", "tokenizer_config.json"])
  func codeComesAlongWhereAConfigRefersToIt(config: String) throws {
    fill(["modeling_x.py", "configuration_x.py", "convert.sh"])
    folder.write(#"{"auto_map": {"AutoModel": "modeling_x.X"}}"#, at: folder.path("model/\(config)"))
    let files = try CompanionFiles(in: ModelDirectory(folder.path("model")))
    #expect(files.names.filter { $0 != config } == ["configuration_x.py", "modeling_x.py"])
    folder.write(#"{"auto_maps": {}"#, at: folder.path("model/\(config)"))
    #expect(try CompanionFiles(in: ModelDirectory(folder.path("model"))).names.filter { $0 != config } == [])
  }

  @Test func sentenceTransformersModules() throws {
    fill([
      "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
      "2_Dense/pytorch_model.bin", "3_Normalize/notes.md", "sentence_bert_config.json",
      "config_sentence_transformers.json", "other/config.json",
    ])
    folder.write("secret", at: folder.path("outside/config.json"))
    folder.write(
      """
      [{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Dense"}, {"path": "3_Normalize"},
       {"path": "../outside"}, {"path": ".."}, {"path": "."}, {"path": "/etc"}, {"path": 3}, {},
       {"path": "1_Pooling"}, {"path": "missing"}, 7]
      """, at: folder.path("model/modules.json"))
    let files = try CompanionFiles(in: ModelDirectory(folder.path("model")))
    #expect(
      files.names == [
        "1_Pooling/config.json", "2_Dense/config.json", "config_sentence_transformers.json",
        "modules.json", "sentence_bert_config.json",
      ])
    #expect(files.modulesWithWeights == ["2_Dense"])
    folder.makeDirectory("out")
    try files.copy(to: folder.path("out"))
    #expect(folder.read("out/1_Pooling/config.json") == "of 1_Pooling/config.json")
    #expect(folder.read("out/2_Dense/config.json") == "of 2_Dense/config.json")
  }

  @Test func linksOfHubCachesAreFollowed() throws {
    let contents = String(repeating: "0123456789abcdef", count: 50_000)
    folder.write(contents, at: folder.path("models--a--b/blobs/1"))
    folder.makeDirectory("models--a--b/snapshots/c")
    let manager = FileManager.default
    try manager.createSymbolicLink(
      atPath: folder.path("models--a--b/snapshots/c/tokenizer.json").string,
      withDestinationPath: "../../blobs/1")
    try manager.createSymbolicLink(
      atPath: folder.path("models--a--b/snapshots/c/vocab.json").string,
      withDestinationPath: "../../blobs/missing")
    chmod(folder.path("models--a--b/blobs/1").string, 0o400)
    folder.makeDirectory("out")
    try CompanionFiles(in: ModelDirectory(folder.path("models--a--b/snapshots/c"))).copy(
      to: folder.path("out"))
    #expect(folder.tree().filter { $0.hasPrefix("out/") } == ["out/tokenizer.json"])
    #expect(folder.read("out/tokenizer.json") == contents)
    let permissions = try manager.attributesOfItem(atPath: folder.path("out/tokenizer.json").string)
    #expect((permissions[.posixPermissions] as? Int ?? 0) & 0o600 == 0o600)
  }

  @Test(arguments: ["tokenizer.model", "chat_template.jinja", "1_Pooling/config.json"])
  func linksThatLeadOutAreRefused(name: String) throws {
    folder.write("a secret", at: folder.path("secret/config.json"))
    folder.write(#"[{"path": "1_Pooling"}]"#, at: folder.path("model/modules.json"))
    let link = name.contains("/") ? "model/1_Pooling" : "model/\(name)"
    try FileManager.default.createSymbolicLink(
      atPath: folder.path(link).string,
      withDestinationPath: folder.path(name.contains("/") ? "secret" : "secret/config.json").string)
    let error = #expect(throws: FileError.self) {
      try CompanionFiles(in: ModelDirectory(folder.path("model")))
    }
    #expect(
      error
        == .linkLeadsOut(
          path: folder.path(link),
          target: try DirectoryFiles.realPath(
            folder.path(name.contains("/") ? "secret" : "secret/config.json"))))
  }

  @Test func pipesAreNoFiles() throws {
    folder.makeDirectory("model")
    mkfifo(folder.path("model/tokenizer.json").string, 0o600)
    #expect(try CompanionFiles(in: ModelDirectory(folder.path("model"))).names == [])
  }

  @Test func errorsNameTheFile() throws {
    fill(["tokenizer.json"])
    let files = try CompanionFiles(in: ModelDirectory(folder.path("model")))
    let missing = #expect(throws: FileError.self) { try files.copy(to: folder.path("missing")) }
    #expect(
      "\(try #require(missing))"
        == "cannot write \(folder.path("missing/tokenizer.json")): No such file or directory")
    #expect(throws: (any Error).self) { try CompanionFiles(in: ModelDirectory(folder.path("missing"))) }
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func fullDiskIsAnError() throws {
    fill(["tokenizer.json"])
    folder.makeDirectory("out")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("out/tokenizer.json").string, withDestinationPath: "/dev/full")
    let files = try CompanionFiles(in: ModelDirectory(folder.path("model")))
    let error = #expect(throws: FileError.self) { try files.copy(to: folder.path("out")) }
    #expect(
      "\(try #require(error))"
        == "cannot write \(folder.path("out/tokenizer.json")): No space left on device")
  }
}
