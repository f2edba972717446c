import Basics
import SystemPackage

/// The files that a model needs beside config.json and its weights: tokenizer, generation and processor
/// settings, the code that its config refers to, the modules of sentence-transformers.
package struct CompanionFiles: Sendable {
  /// The files' names, sorted.
  package let names: [String]

  /// Weights in the folders of sentence-transformers modules (`2_Dense/model.safetensors`), which are
  /// neither merged nor copied, but without which those modules do not load.
  package let modulesWithWeights: [String]

  /// Those of `names` that make up the tokenizer, its chat templates included.
  package var tokenizerFiles: [String] { names.filter(Self.isTokenizer) }

  /// Those of `names` that are code, which config.json and its like refer to.
  package var code: [String] { names.filter(Self.isCode) }

  /// The code of a tokenizer whose class is its model's own: all of it, or none.
  package let tokenizerCode: [String]

  /// Whether there is a tokenizer, which could have a chat template.
  package var hasTokenizer: Bool {
    names.contains { Self.isTokenizer($0) && !Self.tokenizerExtras.contains($0) }
  }

  /// Whether a model's files have a tokenizer, of whatever form.
  package static func hasTokenizer(in files: any ModelFiles) -> Bool {
    ((try? files.names) ?? []).contains { isTokenizer($0) && !tokenizerExtras.contains($0) && files.has($0) }
  }

  private let files: any ModelFiles

  /// Looks for the companions among a model's files. Symbolic links are followed within their folder and into a hub
  /// cache's blobs; one that leads elsewhere is an error.
  ///
  /// Code (`*.py`) is listed only if config.json, tokenizer_config.json or a processor's config has an
  /// `auto_map`; then all of it, as files import one another. It is never run.
  package init(in files: any ModelFiles) throws {
    self.files = files
    let present = try files.names
    let referrers = present.filter { name in
      Self.codeReferrers.contains(name) && Self.readJSON(name, of: files)?["auto_map"] != nil
    }
    let needsCode = !referrers.isEmpty
    var names = try present.filter { name in
      try (Self.isCompanion(name) || needsCode && Self.isCode(name)) && files.holds(name)
    }
    var modulesWithWeights: [String] = []
    for folder in Self.moduleFolders(of: files) {
      // Elsewhere than here, it is not listed either.
      try FileLinks.requireContained(files.path(of: folder), in: files.path)
      guard present.contains(folder), try files.isFolder(folder) else { continue }
      for name in try files.names(in: folder) {
        let path = "\(folder)/\(name)"
        guard try files.holds(path) else { continue }
        if Self.isWeights(name) {
          if !modulesWithWeights.contains(folder) { modulesWithWeights.append(folder) }
        } else if name.hasSuffix(".json") || name.hasSuffix(".txt") || Self.isCompanion(name) {
          names.append(path)
        }
      }
    }
    for name in names { try FileLinks.requireContained(files.path(of: name), in: files.path) }
    self.names = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    tokenizerCode =
      referrers.contains("tokenizer_config.json") ? self.names.filter(Self.isCode) : []
    self.modulesWithWeights = modulesWithWeights
  }

  /// Copies the files' contents into a directory; owners and permissions are those of new files.
  ///
  /// - Parameters:
  ///   - shown: What errors call the directory; `nil` for its path.
  ///   - excluded: Relative paths of files that are not wanted, such as a tokenizer that the output has its
  ///     own of.
  /// - Returns: What was copied.
  @discardableResult
  package func copy(
    to target: FilePath, shownAs shown: FilePath? = nil, excluding excluded: Set<String> = []
  ) throws -> [String] {
    let wanted = names.filter { !excluded.contains($0) }
    for name in wanted {
      let (path, shownPath) = (target.pushing(FilePath(name)), (shown ?? target).pushing(FilePath(name)))
      if name.contains("/") {
        do throws(Errno) {
          try DirectoryFiles.makeDirectory(path.removingLastComponent())
        } catch .fileExists {
        } catch {
          throw FileError.system(action: "create", path: shownPath.removingLastComponent(), errno: error)
        }
      }
      try files.open(name).copy(to: path, shownAs: shownPath, atMost: largestHeldFile)
    }
    return wanted
  }

  /// Whether a file of these is in a directory with other contents.
  package func differs(_ name: String, in target: FilePath) -> Bool {
    guard let other = try? fileContents(target.pushing(FilePath(name))) else { return false }
    return (try? files.contents(name)) != other
  }

  // MARK: Which files

  private static let tokenizers: Set<String> = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja", "chat_template.json",
    "normalizer.json", "bpe.codes", "dict.txt", "vocab-src.json", "vocab-tgt.json", "tekken.json",
  ]

  /// Those of the tokenizer's files that are none by themselves.
  private static let tokenizerExtras: Set<String> = [
    "special_tokens_map.json", "added_tokens.json", "merges.txt", "chat_template.jinja",
    "chat_template.json", "normalizer.json",
  ]

  private static let companions: Set<String> = [
    // Generation and processors.
    "generation_config.json", "preprocessor_config.json", "processor_config.json",
    "image_processor_config.json", "video_preprocessor_config.json", "feature_extractor_config.json",
    "audio_tokenizer_config.json",
    // sentence-transformers.
    "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json",
    "sentence_xlm-roberta_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json",
  ]

  private static let codeReferrers: Set<String> = [
    "config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json",
    "generation_config.json",
  ]

  static func isCompanion(_ name: String) -> Bool {
    companions.contains(name) || isTokenizer(name)
  }

  private static func isTokenizer(_ name: String) -> Bool {
    // SentencePiece and tiktoken vocabularies: tokenizer.model, spiece.model, qwen.tiktoken.
    tokenizers.contains(name) || name.hasSuffix(".model") || name.hasSuffix(".tiktoken")
  }

  private static func isCode(_ name: String) -> Bool { name.hasSuffix(".py") }

  private static func isWeights(_ name: String) -> Bool {
    [".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".onnx", ".msgpack"]
      .contains { name.hasSuffix($0) } || name.hasSuffix(".index.json")
  }

  /// The folders that sentence-transformers' modules.json names, as far as they are plain names.
  private static func moduleFolders(of files: any ModelFiles) -> [String] {
    let modules = readJSON("modules.json", of: files)?.arrayValue ?? []
    var folders: [String] = []
    for module in modules {
      guard let name = module["path"]?.stringValue, let component = FilePath.Component(name),
        component.kind == .regular, !folders.contains(name)
      else { continue }
      folders.append(name)
    }
    return folders
  }

  /// A file's value; `nil` where it has none, which is not for a copy to judge.
  private static func readJSON(_ name: String, of files: any ModelFiles) -> JSON? { try? files.json(name) }
}
