import Basics
import Foundation
import Merging
import SystemPackage
import Tensors
import Testing

/// Whole checkpoint directories.
@Suite struct ModelWriterTests {
  let folder = ScratchFolder()
  let graph = ExpressionGraph()

  private func open(_ name: String) throws -> CheckpointModel {
    try CheckpointModel(reference: folder.path(name).string, graph: graph)
  }

  private func write(
    _ model: any LazyModel, to name: String, _ options: OutputOptions = OutputOptions(),
    recipe: ModelWriter.Recipe? = nil, protecting: [FilePath] = [],
    report: @escaping MergeEventHandler = { _ in }
  ) throws {
    let evaluator = Evaluator(graph: graph, options: Evaluator.Options(threads: 2))
    try ModelWriter(
      graph: graph, evaluator: evaluator, recipe: recipe, protecting: protecting, report: report
    ).write([Output(model, path: folder.path(name), options: options)])
  }

  /// Calls `body` with each warning.
  private func warnings(_ body: @escaping (String) -> Void) -> MergeEventHandler {
    { event in if case .warning(let warning) = event { body(warning.description) } }
  }

  @Test func everythingThatBelongsToAModel() throws {
    try folder.makeModel("m", ["a": [1, 2], "b": [3]], config: #"{"torch_dtype": "float32", "eps": 1e-05}"#)
    folder.write("{}", at: folder.path("m/tokenizer.json"))
    folder.write("notes", at: folder.path("m/notes.txt"))
    let model = try open("m").mapped(graph: graph) { [graph] _, input in try graph.unary(.negate, input) }
    let recipe = ModelWriter.Recipe(fileName: "recipe.lua", text: "return 1\n", language: .lua)
    var events: [MergeEvent] = []
    try write(model, to: "out", recipe: recipe, report: { events.append($0) })
    #expect(try folder.readModel("out") == ["a": [-1, -2], "b": [-3]])
    #expect(
      folder.tree().filter { $0.hasPrefix("out/") }
        == ["README.md", "config.json", "model.safetensors", "recipe.lua", "tokenizer.json"].map {
          "out/\($0)"
        })
    #expect(folder.read("out/config.json") == "{\n  \"torch_dtype\": \"float32\",\n  \"eps\": 1e-05\n}\n")
    #expect(folder.read("out/recipe.lua") == "return 1\n")
    #expect(folder.read("out/README.md")?.contains("```lua\nreturn 1\n```") == true)
    let output = MergeEvent.Output(path: folder.path("out"), tensors: 2, bytes: 12)
    let (a, b) = (
      MergeEvent.Tensor(name: "a", output: 0, bytes: 8), MergeEvent.Tensor(name: "b", output: 0, bytes: 4)
    )
    #expect(events.first == .planned([output]) && events.last == .finished([output]) && events.count == 6)
    for tensor in [a, b] {
      let begun = try #require(events.firstIndex(of: .tensorBegun(tensor)))
      #expect(try #require(events.firstIndex(of: .tensorDone(tensor))) > begun)
    }
    #expect(folder.tree().allSatisfy { !$0.hasPrefix(".") })
  }

  @Test func cardAndTokenizerCanBeLeftOut() throws {
    try folder.makeModel("m", ["a": [1]], config: "{}")
    folder.write("{}", at: folder.path("m/tokenizer.json"))
    folder.write("{}", at: folder.path("m/generation_config.json"))
    let recipe = ModelWriter.Recipe(
      fileName: "mergekit_config.yml", text: "a: 1\n", language: .yaml,
      modules: { [("methods/mine.lua", [])] })
    try write(
      open("m"), to: "out",
      OutputOptions(writesModelCard: false, copiesTokenizer: false), recipe: recipe)
    #expect(
      folder.tree().filter { $0.hasPrefix("out/") }
        == ["config.json", "generation_config.json", "model.safetensors"].map { "out/\($0)" })
  }

  @Test func theCardOfAConfig() throws {
    try folder.makeModel("m", ["a": [1]])
    let base = try open("m")
    let definition = DerivedModel.Definition(
      label: "ties", names: ["a"], like: base, sources: [base],
      methods: [ModelCard.Method(prettyName: "TIES")],
      base: base, build: { _ in try base.expression(for: "a") })
    let recipe = ModelWriter.Recipe(fileName: "mergekit_config.yml", text: "a: 1\n", language: .yaml)
    try write(
      DerivedModel(definition, graph: graph), to: "out", recipe: recipe)
    #expect(folder.read("out/mergekit_config.yml") == "a: 1\n")
    let card = try #require(folder.read("out/README.md"))
    #expect(card.contains("The models were merged with the method TIES, with m as the base."))
    #expect(card.hasSuffix("### Configuration\n\n```yaml\na: 1\n```\n"))
  }

  @Test func shardsHaveAnIndex() throws {
    try folder.makeModel("m", ["a": [1, 2], "b": [3], "c": [4]])
    try write(open("m"), to: "out", OutputOptions(dtype: .f64, maximumShardBytes: 16))
    let index = try JSON(parsing: folder.read("out/model.safetensors.index.json") ?? "")
    #expect(index["metadata"]?["total_size"]?.intValue == 32)
    #expect(index["weight_map"]?["a"]?.stringValue == "model-00001-of-00002.safetensors")
    #expect(index["weight_map"]?["c"]?.stringValue == "model-00002-of-00002.safetensors")
    #expect(try open("out").specification(of: "a")?.dtype == .f64)
    #expect(!folder.exists("out/README.md") && !folder.exists("out/config.json"))
  }

  @Test func aFailureLeavesNothing() throws {
    try folder.makeModel("m", ["a": [1, 2], "b": [3]])
    let before = folder.tree()
    let failing = try open("m").mapped(graph: graph) { [graph] name, input in
      if name == "b" { return try graph.unary(.negate, input) }
      let far = try graph.constant(9)
      defer { graph.release(far) }
      let lazy = try graph.reduce(.sum, input, operation: "sum")
      defer { graph.release(lazy) }
      let k = try graph.binary(.add, lazy, far)
      defer { graph.release(k) }
      return try graph.topMask(input, k: k)
    }
    #expect(
      message { try write(failing, to: "deep/er/out") }
        == "tensor 'a': topk_mask: k is 12, expected a whole number from 0 to 2")
    #expect(folder.tree() == before)
  }

  @Test func badTokenizersAreFoundBeforeAnyTensorIsComputed() throws {
    try folder.makeModel("m", ["a": [1, 2]])
    folder.write("{", at: folder.path("m/tokenizer_config.json"))
    let base = try open("m")
    let definition = DerivedModel.Definition(
      label: "new", names: ["a"], like: base, sources: [base], chatTemplate: "x",
      build: { _ in try base.expression(for: "a") })
    let model = try DerivedModel(definition, graph: graph)
    var count = 0
    let words = message { try write(model, to: "out", report: { if case .tensorBegun = $0 { count += 1 } }) }
    #expect(words.hasPrefix("\(folder.path("m"))/tokenizer_config.json:1:2: "))
    #expect(count == 0)
  }

  @Test func aTemplateGoesWithAVocabularyOfSentencePiece() throws {
    try folder.makeModel("m", ["a": [1, 2]])
    let base = try open("m")
    let definition = DerivedModel.Definition(
      label: "new", names: ["a"], like: base, sources: [base], chatTemplate: "x",
      build: { _ in try base.expression(for: "a") })
    for name in ["special_tokens_map.json", "tokenizer.model"] {
      folder.write("{}", at: folder.path("m").appending(name))
      var warnings: [String] = []
      try write(
        DerivedModel(definition, graph: graph), to: "of \(name)",
        report: self.warnings { warnings.append($0) })
      #expect(warnings.isEmpty == (name == "tokenizer.model"))
    }
    #expect(!folder.exists("of special_tokens_map.json/chat_template.jinja"))
    #expect(folder.read("of tokenizer.model/chat_template.jinja") == "x")
  }

  @Test(arguments: [
    ([], "", true), (["README.md"], "---\n", false), (["README.md", "style.safetensors"], "---\n", false),
    (["README.md", "config.json"], "---\ntags", true), (["README.md", "model.safetensors"], "---\n", true),
    // Of a project that was merged into before.
    (["README.md", "config.json", "model.safetensors"], "# Mine\n", false),
    (["README.md", "config.json"], "", false),
  ])
  func readmesOfOthersAreKept(old: [String], text: String, isReplaced: Bool) throws {
    try folder.makeModel("m", ["a": [1]])
    for name in old + ["notes.txt"] { folder.write(text, at: folder.path("out").appending(name)) }
    let recipe = ModelWriter.Recipe(fileName: "mergekit_config.yml", text: "a: 1\n", language: .yaml)
    var warnings: [String] = []
    try write(
      open("m"), to: "out", OutputOptions(policy: .overlay), recipe: recipe,
      report: self.warnings { warnings.append($0) })
    #expect((folder.read("out/README.md") != text) == isReplaced)
    #expect(
      warnings
        == (isReplaced
          ? []
          : [
            "\(folder.path("out"))/README.md is kept: it is not the card of a model that was there before"
          ]))
    #expect(folder.read("out/mergekit_config.yml") == "a: 1\n" && folder.exists("out/notes.txt"))
  }

  @Test func inputsAreNotReplaced() throws {
    try folder.makeModel("m", ["a": [1]])
    folder.write("text", at: folder.path("work/recipe.lua"))
    folder.write("{}", at: folder.path("work/config.json"))
    let before = folder.tree()
    #expect(
      message { try write(open("m"), to: "m", OutputOptions(policy: .replace)) }
        == "cannot write \(folder.path("m")): it is an input of this merge; choose another output")
    #expect(
      message {
        try write(
          open("m"), to: "work",
          OutputOptions(policy: .replace), protecting: [folder.path("work/recipe.lua")])
      }
        == "cannot write \(folder.path("work")): that would destroy the input \(folder.path("work/recipe.lua")); choose another output"
    )
    #expect(folder.tree() == before)
  }

  /// Half of the weights would be the old ones.
  @Test(arguments: ["model.safetensors", "config.json", "tokenizer.json"])
  func inputsThatChangeAreAnError(name: String) throws {
    try folder.makeModel("m", ["a": [1, 2], "b": [3]], config: "{}")
    folder.write("{}", at: folder.path("m/tokenizer.json"))
    let path = folder.path("m").appending(name)
    let text = try #require(FileManager.default.contents(atPath: path.string))
    let model = try open("m")
    let words = message {
      try write(model, to: "out") { event in
        guard case .tensorDone(let tensor) = event, tensor.name == "a" else { return }
        try? text.write(to: URL(fileURLWithPath: path.string))
      }
    }
    #expect(words == "\(path) has changed while it was merged; nothing is written")
    #expect(!folder.exists("out") && folder.tree().allSatisfy { !$0.hasPrefix(".") })
  }

  @Test func warningsAreToldBeforeTheOutputAppears() throws {
    try folder.makeModel("m", ["a": [1]])
    folder.write(
      #"{"weight_map": {"a": "model.safetensors"}}"#, at: folder.path("m/model.safetensors.index.json"))
    try folder.makeModel("m", ["a": [1], "b": [1]])
    var told: [String] = []
    try write(
      open("m"), to: "out",
      report: warnings { [folder] in
        told.append($0)
        #expect(!folder.exists("out"))
      })
    #expect(told.count == 1 && told[0].contains("tensor 'b' ignored"))
    #expect(try folder.readModel("out") == ["a": [1]])
  }
}

/// Several models that are made of each other, written in one pass.
@Suite struct SeveralOutputsTests {
  let folder = ScratchFolder()
  let graph = ExpressionGraph()

  /// `stage` of a checkpoint, with as many tensors, and a model of every second tensor of that.
  private func models(_ asked: @escaping (String) -> Void = { _ in }) throws -> (
    stage: DerivedModel, last: DerivedModel
  ) {
    try folder.makeModel("m", ["a": [1, 2], "b": [3], "c": [4, 5, 6], "d": [7]], config: "{}")
    let source = try CheckpointModel(reference: folder.path("m").string, graph: graph)
    let graph = graph
    func model(_ label: String, of input: any LazyModel, _ names: [String]) throws -> DerivedModel {
      try DerivedModel(
        DerivedModel.Definition(
          label: label, names: names, like: input, sources: [input],
          specify: { try input.specification(of: $0) },
          build: { name in
            asked("\(label) \(name)")
            let x = try input.expression(for: name)
            defer { graph.release(x) }
            return try graph.binary(.add, x, x)
          }), graph: graph)
    }
    let stage = try model("stage", of: source, source.names)
    return (stage, try model("last", of: stage, ["b", "d"]))
  }

  private func write(
    _ outputs: [Output], report: @escaping MergeEventHandler = { _ in }
  ) throws {
    let evaluator = Evaluator(graph: graph, options: Evaluator.Options(threads: 2))
    try ModelWriter(graph: graph, evaluator: evaluator, report: report).write(outputs)
  }

  private func output(
    _ model: any LazyModel, _ name: String, _ options: OutputOptions = OutputOptions(),
    record: (() -> RunRecord)? = nil
  ) -> Output {
    Output(model, path: folder.path(name), options: options, record: record)
  }

  @Test func aStageIsBuiltOnceForAll() throws {
    var built: [String] = []
    let (stage, last) = try models { built.append($0) }
    var done: [MergeEvent.Tensor] = []
    try write([output(stage, "out/stage"), output(last, "out/last")]) {
      if case .tensorDone(let tensor) = $0 { done.append(tensor) }
    }
    #expect(try folder.readModel("out/stage") == ["a": [2, 4], "b": [6], "c": [8, 10, 12], "d": [14]])
    #expect(try folder.readModel("out/last") == ["b": [12], "d": [28]])
    // What is made of others comes first, and brings them along.
    #expect(built == ["last b", "stage b", "last d", "stage d", "stage a", "stage c"])
    #expect(done.count == 6 && done.reduce(0) { $0 + $1.bytes } == 36)
    #expect(done.filter { $0.output == 1 }.map(\.name).sorted() == ["b", "d"])
    #expect(graph.liveCount == 0)
  }

  @Test func outputsAppearTogether() throws {
    let (stage, last) = try models()
    let bad = try last.mapped(graph: graph) { [graph] _, input in
      let k = try graph.reduce(.sum, input, operation: "sum")
      defer { graph.release(k) }
      return try graph.topMask(input, k: k)
    }
    let found = message { try write([output(stage, "out/stage"), output(bad, "out/bad")]) }
    #expect(found.hasPrefix("tensor 'b'") || found.hasPrefix("tensor 'd'"))
    #expect(folder.tree().allSatisfy { !$0.hasPrefix("out") && !$0.hasPrefix(".") })
  }

  @Test func placesOfOutputs() throws {
    let (stage, last) = try models()
    #expect(
      message { try write([output(stage, "out"), output(last, "./out")]) }.hasPrefix(
        "two models are to be written to "))
    let within = message { try write([output(stage, "out"), output(last, "out/last")]) }
    #expect(within.hasSuffix("/out, which is written too; choose another output"))
    // Through a link, too.
    folder.makeDirectory("real")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link").string, withDestinationPath: "real")
    #expect(
      message { try write([output(stage, "real"), output(last, "link")]) }.hasPrefix(
        "two models are to be written to "))
    var overlay = OutputOptions()
    overlay.policy = .overlay
    try write([output(stage, "out", overlay), output(last, "out/last", overlay)])
    #expect(folder.exists("out/model.safetensors") && folder.exists("out/last/model.safetensors"))
  }

  @Test func recordsKnowTheFilesOfWeights() throws {
    let (stage, _) = try models()
    let record = RunRecord(
      version: "1", seed: 2, options: OutputOptions(), recipe: "return 1", sources: [], inputs: [])
    try write([output(stage, "out", OutputOptions(maximumShardBytes: 12), record: { record })])
    let found = try #require(try RunRecord(in: folder.path("out")))
    #expect(
      found.weights.map(\.name) == (1...3).map { "model-0000\($0)-of-00003.safetensors" })
    var rest = found
    rest.weights = []
    #expect(rest == record)
    #expect(try record.state(of: folder.path("out"), root: folder.root) == .finished(found))
  }
}
