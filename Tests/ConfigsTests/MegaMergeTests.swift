import Configs
import Testing

/// Files with several merges, which use each other by name.
@Suite struct MegaMergeTests {
  /// A document: a merge of models by linear interpolation.
  private func merge(_ name: String?, _ models: String...) -> String {
    let list = models.map { "{model: \($0)}" }.joined(separator: ", ")
    return (name.map { "name: \($0)\n" } ?? "")
      + "merge_method: linear\nmodels: [\(list)]\nparameters: {weight: 1}\n"
  }

  private func file(_ merges: String...) -> String { merges.joined(separator: "---\n") }

  @Test func kinds() throws {
    func kind(_ yaml: String) throws -> ConfigFile.Kind {
      try ConfigFile(text: yaml, path: "config.yml").kind
    }
    #expect(try kind(merge(nil, "a")) == .merge)
    #expect(try kind("---\n" + merge(nil, "a") + "---\n") == .merge)
    #expect(try kind(merge("x", "a")) == .megaMerge)
    #expect(try kind(file(merge("x", "a"), merge(nil, "x"))) == .megaMerge)
    #expect(try kind("base_model: a\nexperts: [{source_model: b}]") == .mixtureOfExperts)
    #expect(try kind("name: x\nexperts: [{source_model: b}]") == .mixtureOfExperts)
  }

  @Test func methodsOfAllDocuments() throws {
    let yaml = file(
      merge("x", "a"), "merge_method: ties\nslices: [{merge_method: slerp}, {merge_method: linear}]\n",
      "merge_method: ./own.lua\nmodules: {text: {slices: [{merge_method: karcher}]}, other: 3}\n")
    let config = try ConfigFile(text: yaml, path: "c.yml")
    #expect(config.methodNames == ["linear", "ties", "slerp", "./own.lua", "karcher"])
  }

  /// The locals and the result, in their order.
  private func statements(_ yaml: String) throws -> [String] {
    let lines = try translate(yaml).recipe.split(separator: "\n")
    return lines.filter { $0.hasPrefix("return") || $0.contains("= mk.") || $0.hasPrefix("  models") }
      .map { $0.replacing(" = mk.merge {", with: "").trimmingCharacters(in: [" ", ","]) }
  }

  @Test func order() throws {
    let yaml = file(merge("c", "b", "a"), merge(nil, "c", "x"), merge("b", "a"), merge("a", "x", "x@main"))
    #expect(
      try statements(yaml) == [
        "local x = mk.model \"x\"", "local x_2 = mk.model \"x@main\"", "local a", "models = { x, x_2 }",
        "local b",
        "models = { a }", "local c", "models = { b, a }", "return mk.merge {", "models = { c, x }",
      ])
  }

  /// Where all have names, the last that no other uses is the result.
  @Test func resultAmongNamed() throws {
    let yaml = file(merge("a", "x"), merge("b", "a"), merge("c", "x"), merge("d", "a"), merge("e", "x", "d"))
    let translation = try translate(yaml)
    #expect(translation.recipe.contains("return mk.merge {\n  name = \"e\",\n"))
    let locals = try statements(yaml).filter { $0.hasPrefix("local") }
    #expect(locals == ["local x = mk.model \"x\"", "local a", "local d"])
    #expect(
      translation.warnings == [
        "config.yml:6:7: name: the merge 'b' is left out: the result does not need it",
        "config.yml:11:7: name: the merge 'c' is left out: the result does not need it",
      ])
  }

  /// What only a merge that is left out uses is left out too.
  @Test func mergesThatTheResultDoesNotNeed() throws {
    let yaml = file(merge("a", "x"), merge("b", "a", "y"), merge(nil, "z"))
    let translation = try translate(yaml)
    #expect(
      try statements(yaml) == ["local z = mk.model \"z\"", "return mk.merge {", "models = { z }"])
    #expect(
      translation.warnings == [
        "config.yml:1:7: name: the merge 'a' is left out: the result does not need it",
        "config.yml:6:7: name: the merge 'b' is left out: the result does not need it",
      ])
  }

  @Test func oneNamedMerge() throws {
    #expect(
      try statements(merge("x", "a")) == ["local a = mk.model \"a\"", "return mk.merge {", "models = { a }"])
    #expect(try translate(merge("x", "a")).warnings == [])
  }

  @Test func namesThatLuaHasNot() throws {
    let yaml = file(merge("end", "b"), merge("1-a", "end"), merge("a", "1-a"), merge(nil, "a", "org/a"))
    #expect(
      try statements(yaml) == [
        "local b = mk.model \"b\"", "local a_2 = mk.model \"org/a\"", "local end_", "models = { b }",
        "local m_1_a", "models = { end_ }", "local a",
        "models = { m_1_a }", "return mk.merge {", "models = { a, a_2 }",
      ])
  }

  @Test(arguments: [
    (
      ["a", "b"], ["b", "c"], ["c", "a"], "13:18: the merge needs itself: a (1:7) → b (6:7) → c (11:7) → a"
    ),
    (
      ["a", "x"], ["b", "x", "b"], ["c", "a"],
      "8:30: the merge needs itself: b (6:7) → b (./b means the path)"
    ),
    (["a", "b"], ["b", "c"], ["c", "b"], "13:18: the merge needs itself: b (6:7) → c (11:7) → b"),
  ])
  func cycles(_ first: [String], _ second: [String], _ third: [String], _ words: String) {
    func merge(_ list: [String]) -> String {
      "name: \(list[0])\nmerge_method: linear\nmodels: ["
        + list.dropFirst().map { "{model: \($0)}" }
        .joined(separator: ", ") + "]\nparameters: {weight: 1}\n"
    }
    #expect(message(file(merge(first), merge(second), merge(third))) == "config.yml:\(words)")
  }

  @Test func badNames() {
    #expect(
      message(file(merge("a", "x"), merge(nil, "a"), merge("a", "y")))
        == "config.yml:10:7: name: the name 'a' is given to two merges, first at 1:7")
    #expect(
      message(file(merge(nil, "x"), merge("a", "x"), merge(nil, "y")))
        == "config.yml:10:1: two merges have no name, the first at 1:1; all but the last one of the tree "
        + "need a name"
    )
    #expect(
      message(file(merge("a", "x"), "experts: []\n"))
        == "config.yml:6:1: experts: a mixture of experts cannot be one of several documents")
  }

  @Test(arguments: ["a/b", "..", "a..b", ".", "\"a\\nb\""]) func namesThatAreNoDirectories(name: String) {
    let shown = name.replacing("\"", with: "").replacing("\\n", with: "\n  ")
    #expect(
      message(merge(name, "x"))
        == "config.yml:1:7: name: '\(shown)' cannot name a merge: a name has no '/' and no '..', and is not '.'"
    )
  }

  /// One model each, however often it is named, and in either form.
  @Test func adaptersOnMerges() throws {
    let yaml = file(
      merge("a", "x"), merge("b", "a+lora", "a"),
      "merge_method: linear\nmodels: [{model: a+lora}, {model: {model: a, lora: lora}}, {model: b+one+two}]\n"
        + "parameters: {weight: 1}\n")
    let translation = try translate(yaml)
    #expect(
      translation.recipe.split(separator: "\n").filter {
        $0.contains("with_lora") || $0.hasPrefix("  models")
      } == [
        "  models = { x },", "local a_lora = a:with_lora \"lora\"", "  models = { a_lora, a },",
        "local b_one_two = b:with_lora \"one+two\"",
        "  models = { a_lora, a_lora, b_one_two },",
      ])
    let last = try #require(translation.documents.last)
    #expect(last.references == ["x"] && last.adapters == ["lora", "one+two"])
    #expect(message(file(merge("a", "b+lora"), merge("b", "a"))).contains("the merge needs itself: a ("))
  }

  /// With strictness, which of several is the result is the user's to say.
  @Test func severalResults() {
    let yaml = file(merge("a", "x"), merge("b", "a"), merge("c", "a"))
    #expect(
      message(yaml, options: TranslationOptions(isStrict: true))
        == "config.yml:11:7: the file has several results, 'b' (6:7) and 'c' (11:7), and one is written: leave out "
        + "the name of that")
    #expect(
      message(merge("a", "x"), options: TranslationOptions(requiresNameless: true))
        == "config.yml:1:1: every merge has a name; --require-nameless asks for one without")
  }

  // MARK: All of them

  private func all(_ finished: [String: String] = [:], isDirectory: Bool = true) -> TranslationOptions {
    var options = TranslationOptions(results: .all(nameless: "config", isDirectory: isDirectory))
    options.finished = finished
    return options
  }

  @Test func allMergesInATable() throws {
    let yaml = file(merge("my-a", "x"), merge(nil, "my-a", "b"), merge("b", "y"), merge("c", "y"))
    let translation = try translate(yaml, options: all())
    #expect(translation.warnings == [])
    #expect(
      translation.recipe.hasSuffix(
        "return {\n  [\"my-a\"] = my_a,\n  b = b,\n  c = c,\n  config = config,\n}\n"))
    #expect(translation.documents.map(\.name) == ["my-a", "b", "c", "config"])
    #expect(translation.documents.map(\.isNamed) == [true, true, true, false])
    #expect(translation.documents.map(\.isResult) == [false, false, false, true])
    #expect(translation.documents.map(\.references) == [["x"], ["y"], ["y"], ["x", "y"]])
    #expect(translation.documents[1].location.description == "config.yml:10:1")
    // What other merges read is rounded as it would be on disk.
    #expect(translation.recipe.split(separator: "\n").count { $0 == "  as_stored = true," } == 2)
    #expect(
      translation.recipe(of: translation.documents[0]).hasSuffix(
        "return mk.merge {\n  name = \"my-a\",\n  method = \"linear\",\n  models = { x },\n  parameters = { weight = 1 },\n  as_stored = true,\n}\n"
      ))
  }

  @Test func finishedMergesAreOpened() throws {
    let yaml = file(merge("a", "x"), merge("b", "a", "y"), merge(nil, "b", "a"))
    let one = try translate(yaml, options: all(["a": "out/a"])).recipe
    #expect(one.contains("local y = mk.model \"y\"\n\nlocal a = mk.model \"out/a\"\n\nlocal b = mk.merge {"))
    #expect(!one.contains("mk.model \"x\"") && one.hasSuffix("return {\n  b = b,\n  config = config,\n}\n"))
    let both = try translate(yaml, options: all(["a": "out/a", "b": "out/b", "config": "out/config"])).recipe
    #expect(!both.contains("mk.model") && both.hasSuffix("return {}\n"))
  }

  @Test func theNameOfTheFile() throws {
    let yaml = file(merge("config", "x"), merge(nil, "config"))
    #expect(
      message(yaml, options: all())
        == "config.yml:1:7: name: the name 'config' is that of the config's file, under which the merge without a "
        + "name is written")
    #expect(
      try translate(yaml, options: all(isDirectory: false)).documents.map(\.name) == ["config", "config_"])
  }

  @Test func theDTypeOfAll() throws {
    var options = TranslationOptions()
    options.dtype = "float16"
    let yaml = file(merge("a", "x") + "out_dtype: bfloat16\n", merge(nil, "a"))
    let recipe = try translate(yaml, options: options).recipe
    #expect(recipe.contains("  out_dtype = \"bfloat16\",\n  as_stored = \"float16\",\n}\n"))
    #expect(recipe.split(separator: "\n").count { $0.contains("float16\"") } == 2)
    #expect(try !translate(merge(nil, "x"), options: options).recipe.contains("float16"))
  }

  @Test func longChains() throws {
    var documents = [merge("m0", "x")]
    for index in 1...3000 { documents.append(merge("m\(index)", "m\(index - 1)")) }
    let recipe = try translate(documents.reversed().joined(separator: "---\n")).recipe
    #expect(recipe.contains("local merges = {}\n"))
    #expect(
      recipe.contains(
        "merges.m7 = mk.merge {\n  name = \"m7\",\n  method = \"linear\",\n  models = { merges.m6 },"))
    #expect(
      recipe.hasSuffix(
        "  name = \"m3000\",\n  method = \"linear\",\n  models = { merges.m2999 },\n  parameters = { "
          + "weight = 1 },\n}\n"
      ))
  }
}
