import Foundation
import TestSupport
import Testing

/// Runs every Lua and YAML example of README.md, docs/ and the annotations of the API.
@Suite struct DocumentationTests {
  @Test(arguments: Example.all) func examplesRun(_ example: Example) throws {
    let tool = try Tool()
    try ExampleModels.write(to: tool)
    let file = try example.write(to: tool)
    let outcome = try tool.run(file, "out", "--quiet")
    #expect(outcome.status == 0, "\(example): \(outcome.errors)")
    #expect(!tool.tree().filter { $0.hasSuffix(".safetensors") }.isEmpty)
  }

  /// What the search for examples would miss if the files' form changed.
  @Test func thereAreExamples() {
    let files = Dictionary(grouping: Example.all, by: \.file).mapValues(\.count)
    #expect(files["README.md", default: 0] >= 9)
    #expect(files.keys.filter { $0.hasPrefix("docs/") }.count >= 5)
    #expect(files["stdlib/meta/mergekit.lua", default: 0] >= 8)
  }
}

/// A block of code in a document.
struct Example: CustomTestStringConvertible, Sendable {
  var file: String
  var line: Int
  var language: String
  var text: String

  var testDescription: String { "\(file):\(line)" }

  /// Writes the files that run it, and returns the one to run.
  func write(to tool: Tool) throws -> String {
    guard language == "lua" else {
      try tool.write(text, to: "example.yml")
      return "example.yml"
    }
    if let name = text.firstMatch(of: /^-- (\w+)\.lua\n/)?.1 {
      try tool.write(text, to: "\(name).lua")
      try tool.write(
        Self.prelude + Self.use(of: String(name), isMethod: text.contains("mk.method")), to: "example.lua")
    } else {
      try tool.write(Self.prelude + whole, to: "example.lua")
    }
    return "example.lua"
  }

  /// A recipe that it is, or that it is part of.
  private var whole: String {
    if text.trimmingCharacters(in: .whitespacesAndNewlines).hasSuffix(",") {
      let field = text.prefix { $0.isLetter || $0 == "_" }
      return field == "gates"
        ? "return mk.moe { base = base, experts = { { math_, positive_prompts = { 'a' } }, "
          + "{ code, positive_prompts = { 'b' } } }, \(text) }"
        : "return mk.merge { method = 'linear', base = base, "
          + (field == "models" ? "" : "models = { base, math_, chat }, ")
          + "parameters = { weight = 0.5 }, \(text) }"
    }
    return text.contains(#/(?m)^return\b/#) ? text : text + "\nreturn base"
  }

  /// What the text around an example has introduced, on the line before it.
  private static let prelude = """
    local mk = require 'mergekit'; local base, math_, code, chat = mk.model 'models/base', mk.model 'models/math', \
    mk.model 'models/code', mk.model 'models/chat'; local change, tensor, m = {}, base:tensor 'model.norm.weight', base; \
    local blend = mk.merge { method = 'slerp', base = math_, models = { code }, parameters = { t = 0.5 } }; \
    local final = blend; local a, b, prompts_a, prompts_b = math_, code, { { 4, 5, 6 } }, { { 7, 8 } }

    """

  private static func use(of name: String, isMethod: Bool) -> String {
    isMethod
      ? "return mk.merge { method = '\(name)', base = base, models = { math_, code } }"
      : "return mk.moe { base = base, experts = { math_, code }, gates = 'random', architecture = './\(name).lua' }"
  }

  // MARK: Finding them

  static let all: [Example] = {
    let docs =
      (try? FileManager.default.contentsOfDirectory(atPath: Tool.repository.appending(path: "docs").path))
      ?? []
    let pages = ["README.md"] + docs.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    return pages.flatMap { blocks(in: $0, comment: "") }
      + blocks(in: "stdlib/meta/mergekit.lua", comment: "--- ")
  }()

  /// The fenced blocks of a file, whose lines begin with a comment's sign.
  private static func blocks(in file: String, comment: String) -> [Example] {
    let text = (try? String(contentsOf: Tool.repository.appending(path: file), encoding: .utf8)) ?? ""
    var found: [Example] = []
    var open: Example?
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let sign = comment.trimmingCharacters(in: .whitespaces)
      guard line.hasPrefix(sign) else {
        open = nil
        continue
      }
      let content = line.hasPrefix(comment) ? line.dropFirst(comment.count) : line.dropFirst(sign.count)
      if var block = open {
        if content.hasPrefix("```") {
          found.append(block)
          open = nil
        } else {
          block.text += content + "\n"
          open = block
        }
      } else if let language = content.wholeMatch(of: /```(lua|yaml)/)?.1 {
        open = Example(file: file, line: number + 1, language: String(language), text: "")
      }
    }
    return found
  }
}

/// The models that the examples name: those of Tests/Fixtures, with tokenizers of one letter a token.
enum ExampleModels {
  static func write(to tool: Tool) throws {
    try FileManager.default.copyItem(atPath: tool.path("models/math"), toPath: tool.path("models/chat"))
    for name in ["base", "math", "code"] { try writeTokenizer(letters, to: "models/\(name)", tool) }
    // Another vocabulary.
    try writeTokenizer(letters.dropLast() + ["<|im_start|>"], to: "models/chat", tool)
    try FileManager.default.createDirectory(atPath: tool.path("fisher"), withIntermediateDirectories: false)
    for (name, model) in [("a", "math"), ("b", "code")] {
      try FileManager.default.copyItem(
        atPath: tool.path("models/\(model)"), toPath: tool.path("fisher/\(name)"))
    }
    for name in ["style", "tone"] { try writeAdapter(to: "loras/\(name)", tool) }
  }

  private static func writeAdapter(to folder: String, _ tool: Tool) throws {
    try tool.write(
      #"{"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q_proj"]}"#,
      to: "\(folder)/adapter_config.json")
    let entries = [("A", "[1, 16]", 0), ("B", "[16, 1]", 64)].map { factor, shape, start in
      #""base_model.model.model.layers.0.self_attn.q_proj.lora_\#(factor).weight": "#
        + #"{"dtype": "F32", "shape": \#(shape), "data_offsets": [\#(start), \#(start + 64)]}"#
    }
    try tool.write(
      safetensors(header: "{\(entries.joined(separator: ", "))}", data: [UInt8](repeating: 0, count: 128)),
      to: "\(folder)/adapter_model.safetensors")
  }

  private static let letters =
    ["<unk>", "<s>", "</s>", "Ġ"] + "abcdefghijklmnopqrstuvwxyz.,".map(String.init)

  private static func writeTokenizer(_ tokens: [String], to folder: String, _ tool: Tool) throws {
    let vocabulary = tokens.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
    let added = tokens.enumerated().filter { $1.hasPrefix("<") }.map {
      """
      {"id": \($0), "content": "\($1)", "single_word": false, "lstrip": false, "rstrip": false, \
      "normalized": false, "special": true}
      """
    }
    try tool.write(
      """
      {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [\(added.joined(separator: ", "))],
       "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
       "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": true, "use_regex": true},
       "model": {"type": "BPE", "unk_token": "<unk>", "vocab": {\(vocabulary)}, "merges": []}}
      """, to: "\(folder)/tokenizer.json")
    try tool.write(
      #"{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}"#,
      to: "\(folder)/tokenizer_config.json")
  }
}
