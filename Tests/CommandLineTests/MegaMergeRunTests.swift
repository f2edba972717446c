import Foundation
import Testing

/// Configs of several documents: in one pass, beside the documents one by one through disk.
@Suite struct MegaMergeRunTests {
  let tool: Tool

  init() throws {
    tool = try Tool()
    try tool.write(Self.tree, to: "tree.yml")
  }

  /// A model used three times, methods that select, draw and stack, dtypes of all kinds; a slice of another
  /// method, a rule, and a SLERP of stacks.
  private static let tree = """
    name: dared
    merge_method: dare_ties
    base_model: models/base
    models:
      - {model: blend, parameters: {weight: 0.6, density: 0.5}}
      - {model: tied, parameters: {weight: 0.4, density: 0.7}}
    out_dtype: float16
    ---
    name: blend
    merge_method: slerp
    base_model: models/base
    models: [{model: models/base}, {model: models/math}]
    parameters: {t: [0.2, 0.8]}
    dtype: bfloat16
    ---
    name: tied
    merge_method: ties
    base_model: models/base
    models:
      - {model: blend, parameters: {weight: {lua: "0.3 + 0.4 * depth"}, density: 0.5}}
      - {model: models/code, parameters: {weight: 0.4, density: 0.7}}
    ---
    name: stack
    merge_method: passthrough
    slices:
      - sources: [{model: dared, layer_range: [0, 3]}]
      - sources: [{model: blend, layer_range: [1, 4]}]
    ---
    merge_method: dare_linear
    base_model: stack
    slices:
      - sources: [{model: stack, layer_range: [0, 4]}, {model: tied, layer_range: [0, 4], parameters: {weight: 0.5, density: 0.6}}]
      - merge_method: slerp
        sources: [{model: stack, layer_range: [4, 6]}, {model: blend, layer_range: [2, 4]}]
        parameters: {t: 0.3}

    """

  private let order = ["blend", "tied", "dared", "stack", "tree"]

  private func weights(_ folder: String) -> Data? {
    FileManager.default.contents(atPath: tool.path("\(folder)/model.safetensors"))
  }

  private func dropIn(_ name: String, _ arguments: String...) throws -> Tool.Outcome {
    let link = tool.path(name)
    if !FileManager.default.fileExists(atPath: link) {
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: Tool.binary)
    }
    return try tool.run(arguments, executable: link)
  }

  /// Runs the documents of `tree` one after the other, each written to `by-hand`.
  private func runByHand(_ options: [String] = []) throws {
    var documents: [String: String] = [:]
    for document in Self.tree.components(separatedBy: "---\n") {
      var text = document.split(separator: "\n").filter { !$0.hasPrefix("name:") }.joined(separator: "\n")
      for name in order.dropLast() {
        text = text.replacing("model: \(name)", with: "model: by-hand/\(name)")
      }
      let name = document.hasPrefix("name: ") ? String(document.prefix { $0 != "\n" }.dropFirst(6)) : "tree"
      documents[name] = text
    }
    for name in order {
      try tool.write(documents[name]! + "\n", to: "by-hand/\(name).yml")
      let outcome = try tool.run(["by-hand/\(name).yml", "by-hand/\(name)", "--quiet"] + options)
      #expect(outcome == Tool.Outcome(0))
    }
  }

  // MARK: The same bytes

  @Test(arguments: [[], ["--dtype", "float16"], ["--seed", "7", "-j3"]])
  func onePassGivesTheBytesOfOneByOne(options: [String]) throws {
    try runByHand(options)
    #expect(try tool.run(["tree.yml", "one", "--quiet"] + options) == Tool.Outcome(0))
    #expect(weights("one") != nil && weights("one") == weights("by-hand/tree"))
    #expect(tool.text("one/config.json") == tool.text("by-hand/tree/config.json"))
    #expect(
      try tool.run(["tree.yml", "out", "--intermediate-dir", "kept", "--quiet"] + options)
        == Tool.Outcome(0))
    #expect(weights("out") == weights("one"))
    for name in order.dropLast() {
      #expect(weights("kept/\(name)") != nil && weights("kept/\(name)") == weights("by-hand/\(name)"))
      #expect(tool.text("kept/\(name)/config.json") == tool.text("by-hand/\(name)/config.json"))
    }
  }

  @Test func theDropIns() throws {
    #expect(try tool.run("tree.yml", "one", "--quiet") == Tool.Outcome(0))
    #expect(try dropIn("mergekit-mega", "tree.yml", "--quiet", "--cuda") == Tool.Outcome(0))
    #expect(
      try dropIn("mergekit-multi", "tree.yml", "-I", "stages", "--out-path", "final", "--quiet")
        == Tool.Outcome(0))
    #expect(weights("merged/tree") == weights("one") && weights("final") == weights("one"))
    for name in order.dropLast() {
      #expect(weights("merged/\(name)") != nil && weights("merged/\(name)") == weights("stages/\(name)"))
    }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: tool.path("merged")).sorted()
        == ["blend", "dared", "stack", "tied", "tree"])
  }

  // MARK: What is finished

  /// The lines that tell what is rebuilt and what is not.
  private func notices(_ outcome: Tool.Outcome) -> [String] {
    #expect(outcome.status == 0)
    return outcome.errors.split(separator: "\n").map(String.init)
      .filter { $0.hasPrefix("rebuilding") || $0.contains("up to date") }
  }

  private func multi(_ options: String...) throws -> [String] {
    try notices(
      tool.run(["tree.yml", "out", "--intermediate-dir", "kept"] + options))
  }

  @Test func whatIsFinishedIsNotMadeAgain() throws {
    #expect(try multi() == [])
    let before = try #require(weights("out"))
    #expect(
      try multi() == (order.dropLast().map { "kept/\($0)" } + ["out"]).map {
        "\($0) is up to date, skipping"
      }
        + ["everything is up to date: nothing to do"])
    // What has gone is made from what is left.
    try FileManager.default.removeItem(atPath: tool.path("out"))
    try FileManager.default.removeItem(atPath: tool.path("kept/tied"))
    #expect(
      try multi() == ["blend", "dared", "stack"].map { "kept/\($0) is up to date, skipping" })
    #expect(weights("out") == before)
    // A half-written one does not count.
    try tool.write("half", to: "kept/blend/model.safetensors")
    #expect(
      try multi().first == "rebuilding kept/blend: its model.safetensors is incomplete")
    #expect(weights("kept/blend").map(\.count) ?? 0 > 4)
    let again = try tool.run("tree.yml", "out", "--intermediate-dir", "kept", "--no-lazy")
    #expect(again.status == 1)
    #expect(again.errors == "error: out exists and is not empty; pass --force to replace it\n")
    #expect(try multi("--no-lazy", "--force") == [])
  }

  @Test func whatIsStaleIsMadeAgain() throws {
    #expect(try multi() == [])
    try tool.write(Self.tree.replacing("t: 0.3", with: "t: 0.4"), to: "tree.yml")
    #expect(
      try multi() == order.dropLast().map { "kept/\($0) is up to date, skipping" }
        + ["rebuilding out: its document, or one that it uses, has changed"])
    #expect(try multi("--seed", "7").first == "rebuilding kept/blend: it was made with seed 42")
    #expect(try multi("--seed", "7").last == "everything is up to date: nothing to do")
    // A file that has been written anew is another one.
    let model = tool.path("models/code/model.safetensors")
    let bytes = try #require(FileManager.default.contents(atPath: model))
    try bytes.write(to: URL(fileURLWithPath: model))
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: model)
    let notices = try multi("--seed", "7")
    #expect(notices[0] == "kept/blend is up to date, skipping")
    #expect(notices[1] == "rebuilding kept/tied: models/code/model.safetensors has changed")
  }

  /// `--dtype` is part of what is finished, of a merge without stages too.
  @Test func anotherDTypeIsMadeAgain() throws {
    try tool.write(
      "merge_method: linear\nmodels: [{model: models/base}, {model: models/code}]\nparameters: {weight: 1}\n",
      to: "config.yml")
    func run(_ options: String...) throws -> [String] {
      try notices(tool.run(["config.yml", "out", "--intermediate-dir", "kept"] + options))
    }
    #expect(try run() == [])
    #expect(try run("--dtype", "float32") == ["rebuilding out: --dtype differs"])
    #expect(tool.text("out/config.json")?.contains("float32") == true)
    #expect(try run("--dtype", "float32").count == 2)
  }

  /// Weights of the same size that something else has put in the place of a stage's.
  @Test func weightsOfSomethingElseAreMadeAgain() throws {
    #expect(try multi() == [])
    let before = weights("kept/blend")
    try tool.write(
      "merge_method: passthrough\nmodels: [{model: models/code}]\ndtype: bfloat16\n", to: "other.yml")
    #expect(try dropIn("mergekit-yaml", "other.yml", "kept/blend", "--quiet") == Tool.Outcome(0))
    #expect(weights("kept/blend") != before && weights("kept/blend")?.count == before?.count)
    #expect(
      try multi().first
        == "rebuilding kept/blend: its model.safetensors has been written by something else")
    #expect(weights("kept/blend") == before)
  }

  /// A byte that a disk or a program has changed, with nothing to be seen from outside.
  @Test func damagedWeightsAreRebuilt() throws {
    #expect(try multi() == [])
    let before = try #require(weights("kept/blend"))
    let path = tool.path("kept/blend/model.safetensors")
    let date = try #require(
      FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date)
    #expect(
      try tool.shell(
        "touch -r kept/blend/model.safetensors time; printf x | "
          + "dd of=kept/blend/model.safetensors bs=1 seek=\(before.count - 9) conv=notrunc status=none; "
          + "touch -r time kept/blend/model.safetensors") == Tool.Outcome(0))
    #expect(
      try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date == date
        && weights("kept/blend") != before)
    #expect(
      try multi().first
        == "rebuilding kept/blend: its model.safetensors is damaged: its checksum is not that of what was written"
    )
    #expect(weights("kept/blend") == before)
  }

  /// A method that requires a file only while it merges; the result reads the finished stage.
  @Test func filesThatMethodsRequireLate() throws {
    try tool.write(
      """
      local mk = require "mergekit"
      return mk.method {
        name = "mine",
        merge = function(t) return t.inputs[1].tensor * require("late").factor end,
      }
      """, to: "mine.lua")
    try tool.write("return { factor = 2 }", to: "late.lua")
    try tool.write(
      "name: first\nmerge_method: ./mine.lua\nmodels: [{model: models/base}]\n---\n"
        + "merge_method: passthrough\nmodels: [{model: first}]\n", to: "tree.yml")
    #expect(try multi() == [])
    try FileManager.default.removeItem(atPath: tool.path("out"))
    #expect(try multi() == ["kept/first is up to date, skipping"])
    try tool.write("return { factor = 3 }", to: "late.lua")
    #expect(
      try multi() == ["kept/first", "out"].map { "rebuilding \($0): the file of a method has changed" })
    #expect(weights("out") != nil && weights("out") == weights("kept/first"))
  }

  /// The name that the config's file gives to the merge without one is no model's.
  @Test func aConfigNamedAsAModel() throws {
    try FileManager.default.moveItem(atPath: tool.path("models/base"), toPath: tool.path("base"))
    try tool.write(
      "name: first\nmerge_method: passthrough\nmodels: [{model: base}]\n---\n"
        + "merge_method: linear\nmodels: [{model: base}, {model: first}]\nparameters: {weight: 1}\n",
      to: "base.yml")
    #expect(try tool.run("base.yml", "one", "--quiet") == Tool.Outcome(0))
    #expect(try dropIn("mergekit-mega", "base.yml", "all", "--quiet") == Tool.Outcome(0))
    #expect(weights("one") != nil && weights("all/base") == weights("one"))
  }

  @Test func aMixtureOfExpertsHasNoStages() throws {
    try tool.write("base_model: models/base\nexperts: [{source_model: models/math}]\n", to: "moe.yml")
    let words =
      "error: moe.yml asks for a mixture of experts, which has no stages; mergekit-lua moe.yml OUT writes it\n"
    #expect(try dropIn("mergekit-mega", "moe.yml", "out", "--quiet").errors.hasSuffix(words))
    #expect(try tool.run("moe.yml", "out", "-I", "kept", "--quiet").errors.hasSuffix(words))
    #expect(!tool.tree().contains("out"))
  }

  @Test func whatOthersHaveMadeIsNoneOfOurs() throws {
    try tool.write("mine", to: "kept/blend/notes.txt")
    let outcome = try tool.run("tree.yml", "out", "--intermediate-dir", "kept", "--quiet")
    #expect(
      outcome.status == 1
        && outcome.errors == "error: kept/blend exists and is not empty; pass --force to replace it\n")
    #expect(!tool.tree().contains("out"))
    // The drop-in writes into it, as mergekit does.
    let multi = try dropIn("mergekit-multi", "tree.yml", "-I", "kept", "--out-path", "out")
    #expect(
      notices(multi) == [
        "rebuilding kept/blend: without mergekit_stage.json it is not known what it is made from"
      ])
    #expect(tool.text("kept/blend/notes.txt") == "mine" && weights("out") != nil)
  }

  // MARK: Messages

  private let small = """
    name: first
    merge_method: linear
    models:
      - {model: models/base, parameters: {weight: 1}}
      - {model: models/code, parameters: {weight: [{filter: nope, value: 1}, {value: 1}]}}
    ---
    merge_method: slerp
    base_model: first
    models:
      - model: models/math
    parameters: {t: [{filter: nothing, value: 1}, {value: 0.25}]}

    """

  @Test func warningsNameTheirDocument() throws {
    try tool.write(small, to: "config.yml")
    #expect(
      try tool.run("config.yml", "out", "--quiet")
        == Tool.Outcome(
          0,
          errors: "warning: config.yml:5:47: models[2].weight: filter 'nope' matches no tensor\n"
            + "warning: config.yml:11:17: parameters.t: filter 'nothing' matches no tensor\n"))
  }

  @Test func aNameThatIsAPathWins() throws {
    try tool.write("{}", to: "first/config.json")
    try tool.write(small, to: "config.yml")
    let outcome = try tool.run("config.yml", "out")
    #expect(outcome.status == 0)
    #expect(
      outcome.errors.contains(
        "\nconfig.yml:8:13: 'first' is the merge of that name; the path first on disk is not used (./first means that)\n"
      ))
  }

  @Test func unknownNames() throws {
    try tool.write(small.replacing("base_model: first", with: "base_model: frist"), to: "config.yml")
    #expect(
      try tool.run("config.yml", "out", "--quiet").errors
        == "warning: config.yml:1:7: name: the merge 'first' is left out: the result does not need it\n"
        + "error: config.yml:8:13: no merge has the name 'frist', and there is no such path (did you mean 'first'?)\n"
    )
  }

  @Test func usageErrors() throws {
    try tool.write(small, to: "config.yml")
    let missing = try dropIn("mergekit-multi", "config.yml", "-I", "stages", "--quiet")
    #expect(missing.status == 2)
    #expect(
      missing.errors.hasPrefix(
        "error: --out-path is missing: the merge at config.yml:7:1 has no name, and goes there\n"))
    #expect(try dropIn("mergekit-multi", "config.yml").status == 2)
    try tool.write(
      "name: last\n" + small.components(separatedBy: "---\n")[0].replacing("name: first\n", with: ""),
      to: "named.yml")
    #expect(
      try dropIn("mergekit-mega", "named.yml", "-R", "--quiet")
        == Tool.Outcome(
          1, errors: "error: named.yml:1:1: every merge has a name; --require-nameless asks for one without\n"
        ))
    let recipe = try tool.recipe("return mk.model 'models/base'", "out", "--intermediate-dir", "x")
    #expect(recipe.status == 2)
    #expect(!tool.tree().contains("out") && !tool.tree().contains("stages"))
  }

  @Test func severalResultsOfARecipe() throws {
    let text =
      "local b = mk.model 'models/base'; return { b = b, twice = b:map(function(t) return t * 2 end) }"
    let outcome = try tool.recipe(text)
    #expect(
      outcome.status == 0
        && outcome.errors.contains("wrote out/b: 39 tensors\nwrote out/twice: 39 tensors in "))
    #expect(weights("out/b") != nil && weights("out/twice") != weights("out/b"))
    let again = try tool.recipe(text)
    #expect(again.status == 1 && again.errors.hasPrefix("error: out/b exists and is not empty"))
    #expect(try tool.recipe(text, "out", "--force", "--quiet") == Tool.Outcome(0))
  }

  @Test func plansOfSeveral() throws {
    let outcome = try tool.run("tree.yml", "out", "--intermediate-dir", "kept", "--dry-run", "--quiet")
    #expect(outcome.status == 0 && outcome.errors == "")
    let lines = outcome.output.split(separator: "\n").filter {
      $0.hasPrefix("writes") || $0.hasPrefix("reads")
    }
    #expect(lines.count == 8 && lines[0].hasSuffix(" to kept/blend") && lines[4].hasSuffix(" to out"))
    #expect(
      outcome.output.contains(
        "\ncomputes blend along with tied, dared, stack, tree: not materialised in between, its reductions run once a tensor\n"
      ))
    #expect(!tool.tree().contains("kept"))
  }
}
