import Merging
import SystemPackage
import Tensors
import Testing

/// Where chat templates stand, and what becomes of them.
@Suite struct ChatTemplateTests {
  let folder = ScratchFolder()
  let graph = ExpressionGraph()

  private func fill(_ files: [String: String]) {
    for (name, text) in files { folder.write(text, at: folder.path("m/\(name)")) }
  }

  // MARK: Reading

  @Test(arguments: [
    (["tokenizer_config.json": #"{"chat_template": "a"}"#], "a"),
    (["chat_template.jinja": "b\n"], "b\n"),
    (["chat_template.jinja": "b", "tokenizer_config.json": #"{"chat_template": "a"}"#], "b"),
    (["chat_template.json": #"{"chat_template": "c"}"#], "c"),
    (["tokenizer_config.json": #"{"chat_template": {"tool": "x", "default": "a"}}"#], "a"),
    (
      [
        "tokenizer_config.json":
          #"{"chat_template": [{"name": "tool", "template": "x"}, {"name": "default", "template": "a"}]}"#
      ], "a"
    ),
    (["tokenizer_config.json": #"{"chat_template": [{"name": "tool", "template": "x"}]}"#], nil),
    (["tokenizer_config.json": #"{"chat_template": null}"#], nil),
    (["tokenizer_config.json": #"{"chat_template": "#], nil),
    (["tokenizer.json": "{}"], nil),
  ])
  func theTemplateOfAModel(files: [String: String], expected: String?) throws {
    try folder.makeModel("m", ["a": [1]])
    fill(files)
    let model = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    #expect(model.companions.chatTemplate == expected)
    #expect(model.companions.newChatTemplate == nil)
  }

  // MARK: Writing

  /// The files of an output whose model sets a template, and the warnings.
  private func output(
    _ files: [String: String], copiesTokenizer: Bool = true
  ) throws -> (files: [String: String], warnings: [String]) {
    try folder.makeModel("m", ["a": [1]])
    fill(files)
    let source = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    let definition = DerivedModel.Definition(
      label: "merge", names: ["a"], like: source, sources: [source], chatTemplate: "{{ \"new\" }}\n",
      build: { _ in try source.expression(for: "a") })
    var warnings: [String] = []
    let evaluator = Evaluator(graph: graph, options: Evaluator.Options(threads: 1))
    try ModelWriter(
      graph: graph, evaluator: evaluator,
      report: { if case .warning(let warning) = $0 { warnings.append(warning.description) } }
    ).write([
      Output(
        DerivedModel(definition, graph: graph), path: folder.path("out"),
        options: OutputOptions(copiesTokenizer: copiesTokenizer))
    ])
    var found: [String: String] = [:]
    for path in folder.tree() where path.hasPrefix("out/") && !path.hasSuffix(".safetensors") {
      found[String(path.dropFirst(4))] = folder.read(path)
    }
    return (found, warnings)
  }

  @Test(arguments: [
    "\"old\"", #"[{"name": "default", "template": "old"}, {"name": "x", "template": "old"}]"#,
  ])
  func inTheTokenizersConfigAllElseSurvives(old: String) throws {
    let config = """
      {
        "model_max_length": 1000000000000000019884624838656,
        "chat_template": \(old),
        "eos_token": "é</s>",
        "rate": 1e-05
      }

      """
    let (files, warnings) = try output(["tokenizer_config.json": config])
    #expect(
      files == [
        "tokenizer_config.json": config.replacing(
          "\"chat_template\": \(old)", with: #""chat_template": "{{ \"new\" }}\n""#)
      ])
    #expect(warnings == [])
  }

  @Test(arguments: [["chat_template.jinja": "old"], [:]])
  func inAFileOfItsOwn(old: [String: String]) throws {
    let config = #"{"eos_token": "</s>"}"#
    let (files, warnings) = try output(["tokenizer_config.json": config].merging(old) { first, _ in first })
    #expect(files == ["tokenizer_config.json": config, "chat_template.jinja": "{{ \"new\" }}\n"])
    #expect(warnings == [])
  }

  @Test func inEveryPlaceThatHasOne() throws {
    let old = #"{"chat_template":"old"}"#
    let (files, _) = try output([
      "tokenizer.json": "{}", "tokenizer_config.json": old, "chat_template.jinja": "old",
      "chat_template.json": old, "processor_config.json": old,
    ])
    #expect(files.count == 5)
    #expect(files.values.allSatisfy { !$0.contains("old") })
    let new = "{\n  \"chat_template\": \"{{ \\\"new\\\" }}\\n\"\n}\n"
    #expect(files["tokenizer_config.json"] == new && files["processor_config.json"] == new)
  }

  @Test func withoutATokenizerItIsNotSaved() throws {
    let (files, warnings) = try output(["generation_config.json": "{}"])
    #expect(files == ["generation_config.json": "{}"])
    #expect(
      warnings == ["chat_template: model '\(folder.path("m"))' has no tokenizer, so it is not saved"])
  }

  @Test func withoutCopyingTheTokenizerItIsNotSaved() throws {
    let (files, warnings) = try output(["tokenizer.json": "{}"], copiesTokenizer: false)
    #expect(files == [:])
    #expect(warnings == ["chat_template: the tokenizer is not copied, so it is not saved"])
  }
}
