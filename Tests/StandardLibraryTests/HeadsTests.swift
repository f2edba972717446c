import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Output layers that are the embedding by config.json, and the two ends of stacks.
@Suite struct HeadsTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  /// A model of two layers; `tie` as config.json says it, `nil` for nothing.
  private func makeModel(
    _ name: String, _ value: Float, rows: Int = 2, head: Float?, tie: Bool?, type: String = "llama"
  ) throws {
    var tensors = [
      TestTensor("model.embed_tokens.weight", .f32, [rows, 1], [Float](repeating: value, count: rows))
    ]
    for layer in 0..<2 { tensors.append(TestTensor("model.layers.\(layer).w", .f32, [1], [value])) }
    tensors.append(TestTensor("model.norm.weight", .f32, [1], [value]))
    if let head {
      tensors.append(TestTensor("lm_head.weight", .f32, [rows, 1], [Float](repeating: head, count: rows)))
    }
    let tied = tie.map { #", "tie_word_embeddings": \#($0)"# } ?? ""
    try bench.makeModel(name, tensors, config: #"{"model_type": "\#(type)", "vocab_size": \#(rows)\#(tied)}"#)
  }

  /// The head, the embedding and whether config.json ties them.
  private func ends(_ script: String) throws -> (head: [Float]?, embedding: [Float]?, tie: String) {
    let output = try bench.output(script)
    func elements(_ name: String) -> [Float]? { output.first { $0.name == name }?.elements }
    let tie = try bench.lines("print((function() \(script) end)().config.tie_word_embeddings)")
    return (elements("lm_head.weight"), elements("model.embed_tokens.weight"), tie[0])
  }

  private func linear(_ names: [String], _ fields: String = "") -> String {
    let list = names.map { "{ mk.model(here .. '\($0)'), weight = 1 }" }.joined(separator: ", ")
    return "return mk.merge { method = 'linear', models = { \(list) }, \(fields) }"
  }

  private func stack(_ below: String, _ above: String, _ fields: String = "") -> String {
    """
    return mk.merge { method = 'passthrough', slices = {
      { sources = { { mk.model(here .. '\(below)'), layers = { 0, 1 } } } },
      { sources = { { mk.model(here .. '\(above)'), layers = { 1, 2 } } } } }, \(fields) }
    """
  }

  private func makeModels() throws {
    try makeModel("untied", 1, head: 9, tie: false)
    try makeModel("tied", 3, head: nil, tie: true)
    try makeModel("repeating", 5, head: 5, tie: true)
    // Gemma's config says nothing of it, and its class ties.
    try makeModel("silent", 7, head: 7, tie: nil, type: "gemma2")
  }

  @Test func whatConfigsTieStaysTied() throws {
    try makeModels()
    for (first, second, mean) in [("tied", "repeating", 4), ("tied", "silent", 5)]
      as [(String, String, Float)]
    {
      for names in [[first, second], [second, first]] {
        let found = try ends(linear(names))
        #expect(found.head == nil)
        #expect(found.embedding == [mean, mean])
        #expect(found.tie != "false")
      }
    }
    #expect(bench.warnings.contains { $0.hasPrefix("'lm_head.weight' of model") })
  }

  /// An output layer that all files repeat is merged like any other tensor.
  @Test func whatAllFilesRepeatIsMerged() throws {
    try makeModels()
    try makeModel("again", 1, head: 1, tie: true)
    let found = try ends(linear(["repeating", "again"]))
    #expect(found.head == [3, 3])
    #expect(found.tie == "true")
  }

  @Test func anUntiedModelUntiesTheResult() throws {
    try makeModels()
    for (names, head) in [
      (["tied", "untied"], 6), (["untied", "tied"], 6), (["repeating", "untied"], 7),
      (["untied", "repeating"], 7),
    ] as [([String], Float)] {
      let found = try ends(linear(names))
      #expect(found.head == [head, head])
      #expect(found.tie == "false")
    }
  }

  @Test(
    arguments: [
      ("untied", "tied", [3, 3], "false"), ("untied", "repeating", [5, 5], "false"),
      ("tied", "untied", [9, 9], "false"), ("repeating", "untied", [9, 9], "false"),
      ("tied", "repeating", nil, "true"), ("repeating", "tied", nil, "true"),
    ] as [(String, String, [Float]?, String)])
  func theHeadOfAStackIsTheUpperModels(below: String, above: String, head: [Float]?, tie: String) throws {
    try makeModels()
    let found = try ends(stack(below, above))
    #expect(found.head == head)
    #expect(found.tie == tie)
    #expect(
      found.embedding == (try bench.tensors(below).first { $0.name == "model.embed_tokens.weight" }?.elements)
    )
  }

  // MARK: Two vocabularies

  @Test(arguments: [("untied", "large"), ("large", "untied"), ("untied", "large-tied"), ("tied", "large")])
  func aStackOfTwoVocabularies(below: String, above: String) throws {
    try makeModels()
    try makeModel("large", 2, rows: 3, head: 8, tie: false)
    try makeModel("large-tied", 2, rows: 3, head: nil, tie: true)
    let error = bench.outputError(stack(below, above))
    #expect(error.contains("the vocabularies differ: ["))
    #expect(error.contains("set `tokenizer` to align them"))
    // Cut to what both have.
    let found = try ends(stack(below, above, "truncate_embeddings = true"))
    #expect(found.head?.count == 2)
    #expect(found.embedding?.count == 2)
    let size = "(function() \(stack(below, above, "truncate_embeddings = true")) end)().config.vocab_size"
    #expect(try bench.shown(size) == "2")
  }

  /// Sizes of which only one reaches the output do not matter.
  @Test func anUpperModelThatGivesNoRows() throws {
    try makeModels()
    try makeModel("large-tied", 2, rows: 3, head: nil, tie: true)
    #expect(try ends(stack("tied", "large-tied")).embedding == [3, 3])
  }
}
