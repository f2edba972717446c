import Configs
import Testing

/// Whole configs and their recipes.
@Suite struct RecipeTests {
  /// Each NAME.yml of Tests/Fixtures/configs, beside the NAME.lua that a person would write.
  @Test(arguments: [
    "ties", "slices", "modules", "rules", "anchors", "names", "chat-template", "mega",
    "tokenizer",
  ])
  func recipe(of name: String) throws {
    let translation = try translate(fixture("\(name).yml"), path: "configs/\(name).yml")
    #expect(translation.recipe == (try fixture("\(name).lua")))
    let warnings = [
      "slices": ["configs/slices.yml:18:5: slices[2].residual_weight: has no effect, as in mergekit"]
    ]
    #expect(translation.warnings == warnings[name] ?? [])
  }

  @Test func optionsOfTheCommandLine() throws {
    let options = TranslationOptions(truncateEmbeddings: true, allowCrimes: true)
    let recipe = try translate("{merge_method: passthrough, models: [{model: a}]}", options: options).recipe
    #expect(
      recipe == """
        -- From config.yml
        local mk = require "mergekit"

        local a = mk.model "a"

        return mk.merge {
          method = "passthrough",
          models = { a },
          truncate_embeddings = true,
          allow_crimes = true,
        }

        """)
  }

  @Test(arguments: [
    ("tokenizer_source: union", "\"union\""), ("tokenizer_source: base", "\"base\""),
    ("tokenizer_source: a", "a"), ("tokenizer_source: org/other@x", "other"),
    ("tokenizer: {}", "{ source = \"union\" }"), ("tokenizer: {tokens: {}}", "{ source = \"union\" }"),
    ("tokenizer: {source: {model: a}}", "{ source = a }"),
    ("tokenizer: {source: base, pad_to_multiple_of: 0x40}", "{ source = \"base\", pad_to_multiple_of = 64 }"),
  ])
  func tokenizers(_ line: String, _ lua: String) throws {
    let translation = try translate("merge_method: passthrough\nmodels: [{model: a}]\n\(line)")
    #expect(translation.warnings == [])
    #expect(translation.recipe.contains("  tokenizer = \(lua),\n"))
    #expect(translation.recipe.contains("local other = mk.model \"org/other@x\"\n") == (lua == "other"))
    #expect(translation.place(ofPath: "tokenizer") == "config.yml:3:\(line.prefix { $0 != ":" }.count + 3)")
  }

  /// What is empty is taken for absent, as in mergekit.
  @Test(arguments: [
    "slices: []", "modules: {}", "slices: ", "modules: {}\nslices: []", "dtype: ''", "out_dtype: \"\"",
    "chat_template: ''",
  ])
  func emptyValues(_ line: String) throws {
    let yaml = "merge_method: passthrough\nmodels: [{model: a}]\n"
    let translation = try translate(yaml + line)
    #expect(translation.recipe == (try translate(yaml).recipe))
    #expect(translation.warnings == [])
  }

  @Test func emptyListsOfAModule() throws {
    let recipe = try translate(
      "{merge_method: passthrough, modules: {text: {slices: [], models: [{model: a}]}}}"
    ).recipe
    #expect(recipe.contains("text = { models = { a } },"))
  }

  @Test func aModuleWithoutLayersIsOneSlice() throws {
    let recipe = try translate(
      "{merge_method: passthrough, modules: {shared: {slices: [{sources: [{model: a, layer_range: [0, 0]}]}]}}}"
    ).recipe
    #expect(recipe.contains("{ a, layers = { 0, 0 } }"))
  }

  @Test func methodOfAFile() throws {
    let yaml = """
      merge_method: ./consensus.lua
      base_model: a
      models: [{model: b, parameters: {power: 2}}]
      """
    #expect(try ConfigFile(text: yaml, path: "config.yml").methodNames == ["./consensus.lua"])
    let recipe = try translate(yaml).recipe
    #expect(recipe.contains("  method = \"./consensus.lua\",\n"))
    #expect(recipe.contains("    { b, power = 2 },\n"))
  }

  @Test func longListsAreFilled() throws {
    let numbers = (1...40).map(String.init).joined(separator: ", ")
    let recipe = try translate(linear(weight: "[\(numbers)]")).recipe
    #expect(
      recipe.contains(
        """
            {
              a,
              weight = {
                1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
                26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
              },
            },
            { b, weight = 1 },

        """))
  }

  /// Lua has room for 200 local variables.
  @Test func manyModelsAreInATable() throws {
    let models = (1...195).map { "{model: org/m\($0)}" }.joined(separator: ", ")
    let recipe = try translate("{merge_method: linear, parameters: {weight: 1}, models: [\(models)]}").recipe
    #expect(!recipe.contains("local m1 "))
    #expect(recipe.contains("local models = {\n  m1 = mk.model \"org/m1\",\n  m2 = mk.model \"org/m2\",\n"))
    #expect(recipe.contains("    models.m1, models.m2, models.m3,"))
  }

  // MARK: Places

  @Test func placesOfLines() throws {
    let translation = try translate(fixture("slices.yml"), path: "slices.yml")
    let lines = translation.recipe.split(separator: "\n", omittingEmptySubsequences: false)
    func place(_ text: String) throws -> String? {
      translation.place(ofLine: try #require(lines.firstIndex { $0.contains(text) }) + 1)
    }
    #expect(try place("-- From") == nil)
    #expect(try place("local code =") == "slices.yml:14:17")
    #expect(try place("return mk.merge") == "slices.yml:1:1")
    #expect(try place("method = \"ties\"") == "slices.yml:21:15")
    #expect(try place("{ math_, layers = { 0, 2 }") == "slices.yml:8:9")
    #expect(try place("base = code") == "slices.yml:14:17")
    #expect(try place("method = \"slerp\"") == "slices.yml:15:19")
    #expect(try place("parameters = { t =") == "slices.yml:17:7")
    #expect(translation.place(ofLine: 0) == nil)
    #expect(translation.place(ofLine: 1000) == nil)
  }

  @Test(arguments: [
    ("base", "22:13"), ("method", "21:15"), ("slices", "2:3"), ("slices[1]", "2:5"),
    ("slices[1].sources[1].layers", "4:22"), ("slices[1].sources[1].density", "7:20"),
    ("slices[1].sources[1].density[1].value", "7:41"), ("slices[1].sources[1].epsilon", "3:9"),
    ("slices[2].base", "14:17"), ("slices[2].parameters.t", "17:10"), ("slices[2].parameters.t[2]", "17:14"),
    ("slices[2].parameters.x.y", "17:7"), ("slices[9]", "2:3"), ("parameters.normalize", "24:14"),
  ])
  func placeOfPath(_ path: String, _ place: String) throws {
    let translation = try translate(fixture("slices.yml"), path: "slices.yml")
    #expect(translation.place(ofPath: path) == "slices.yml:\(place)")
    #expect(translation.place(ofPath: "dtype") == nil)
  }

  @Test func placesInSeveralMerges() throws {
    let translation = try translate(fixture("mega.yml"), path: "mega.yml")
    let lines = translation.recipe.split(separator: "\n", omittingEmptySubsequences: false)
    let chat = try #require(lines.firstIndex { $0.hasPrefix("local chat = ") }) + 1
    let deep = try #require(lines.firstIndex { $0.hasPrefix("local deep = ") }) + 1
    #expect(translation.place(ofLine: chat) == "mega.yml:16:1")
    #expect(translation.place(ofPath: "method", atLine: chat) == "mega.yml:17:15")
    #expect(translation.place(ofPath: "slices[2].sources[1].layers", atLine: deep) == "mega.yml:14:49")
    #expect(translation.place(ofPath: "models[2]") == "mega.yml:6:5")
    #expect(translation.place(ofPath: "method", atLine: 2) == nil)
  }
}
