import Configs
import Testing

/// Configs of mixtures of experts, and their recipes.
@Suite struct ExpertsTests {
  @Test func aConfigAndItsRecipe() throws {
    let translation = try translate(fixture("experts.yml"), path: "configs/experts.yml")
    #expect(translation.recipe == (try fixture("experts.lua")))
    #expect(translation.warnings == [])
    for (path, place) in [
      ("base", "1:13"), ("gates", "2:12"), ("experts", "7:3"), ("experts[1]", "7:5"),
      ("experts[1][1]", "7:19"), ("experts[1].positive_prompts[2]", "10:9"),
      ("experts[2].noise_scale", "18:18"), ("experts[2].negative_prompts", "13:5"),
      ("shared_experts[1]", "20:5"), ("experts_per_token", "4:20"), ("architecture", "5:15"),
    ] {
      #expect(translation.place(ofPath: path) == "configs/experts.yml:\(place)", "\(path)")
    }
  }

  @Test func theShortestConfig() throws {
    let text = "{base_model: a, experts: [{source_model: b}, {source_model: a}], shared_experts: []}"
    #expect(
      try translate(text, options: TranslationOptions(allowAllSame: true)).recipe == """
        -- From config.yml
        local mk = require "mergekit"

        local a = mk.model "a"
        local b = mk.model "b"

        return mk.moe {
          base = a,
          experts = {
            b, a,
          },
          allow_all_same = true,
        }

        """)
  }

  /// Lua has room for 200 variables.
  @Test func manyExperts() throws {
    let experts = (1...250).map { "  - source_model: m\($0)\n" }.joined()
    let recipe = try translate("base_model: a\nexperts:\n\(experts)").recipe
    #expect(recipe.contains("local models = {\n  a = mk.model \"a\",\n  m1 = mk.model \"m1\",\n"))
    #expect(recipe.contains("  base = models.a,\n  experts = {\n    models.m1, models.m2, "))
  }

  @Test(arguments: [
    ("experts: [{source_model: a}]", "1:1: base_model is missing"),
    ("base_model: a\nexperts:", "1:1: experts is missing"),
    (
      "base_model: model:a\nexperts: [{source_model: b}]",
      "1:13: base_model: 'model:a' is how old versions said it; expected a"
    ),
    ("base_model: a\nexperts: []", "2:10: experts: the list is empty; expected at least one entry"),
    ("base_model: a\nexperts: b", "2:10: experts: expected a list of experts, found 'b'"),
    (
      "base_model: a\nexperts: [b]",
      "2:11: experts[1]: expected a mapping with the key source_model, found 'b'"
    ),
    (
      "base_model: a\nexperts: [{model: b}]",
      "2:11: experts[1]: source_model is missing"
    ),
    (
      "base_model: a\nexperts: [{source_model: b, positive_prompts: x}]",
      "2:47: experts[1].positive_prompts: expected a list of prompts, found 'x'"
    ),
    (
      "base_model: a\nexperts: [{source_model: b, positive_prompts: [[x]]}]",
      "2:48: experts[1].positive_prompts[1]: expected a text, found a list"
    ),
    (
      "base_model: a\nexperts: [{source_model: b, noise_scale: much}]",
      "2:42: experts[1].noise_scale: expected a number, found 'much'"
    ),
    (
      "base_model: a\nexperts: [{source_model: b}]\nexperts_per_token: 0",
      "3:20: experts_per_token: expected a count from 1 on, found '0'"
    ),
    (
      "base_model: a\nexperts: [{source_model: b}]\ngate_mode: hiden",
      "3:12: gate_mode: expected hidden or hidden_avg or hidden_last or cheap_embed or random or uniform_random, found 'hiden' (did you mean 'hidden'?)"
    ),
    (
      "base_model: a\nexperts: [{source_model: b}]\ndtype: int8",
      "3:8: dtype: 'int8' is not a dtype that models are written in; expected float16, bfloat16, float32, float64, float8_e4m3fn, float8_e5m2"
    ),
    (
      "base_model: a\nexperts: [{source_model: b}]\n---\nbase_model: c\nmodels: []",
      "2:1: experts: a mixture of experts cannot be one of several documents"
    ),
  ])
  func badConfigs(_ yaml: String, _ words: String) {
    #expect(message(yaml).hasPrefix("config.yml:\(words)"), "\(message(yaml))")
  }

  @Test func whatIsNotKnownIsLeftOut() throws {
    let text = "base_model: a\nexperts:\n  - source_model: b\n    prompts: [x]\nmerge_method: linear\n"
    #expect(
      try translate(text).warnings == [
        "config.yml:4:5: experts[1].prompts: unknown key, left out (known: source_model, positive_prompts, negative_prompts, noise_scale, residual_scale)",
        "config.yml:5:1: merge_method: unknown key, left out (known: base_model, experts, shared_experts, gate_mode, dtype, experts_per_token, architecture)",
      ])
    #expect(
      message(text, options: TranslationOptions(isStrict: true)).hasPrefix(
        "config.yml:5:1: merge_method: unknown key"))
  }
}
