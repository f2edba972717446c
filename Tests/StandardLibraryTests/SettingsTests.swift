import Lua
import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Values that differ from tensor to tensor, in the forms that a recipe has for them.
@Suite struct SettingsTests {
  let bench: ScriptBench

  init() throws {
    bench = try ScriptBench()
    let layers = (0..<5).map { TestTensor("model.layers.\($0).self_attn.w", .f32, [1], [1]) }
    try bench.makeModel(
      "m",
      layers + [
        TestTensor("model.embed_tokens.weight", .f32, [1, 1], [1]),
        TestTensor("model.layers.4.mlp.w", .f32, [1], [1]),
      ])
  }

  /// The setting's value for each layer's attention, the embedding, and the last layer's MLP.
  private func values(_ setting: String, kind: String = "number", scope: String = "own") throws -> String {
    try bench.lines(
      """
      local m = mk.model(here .. "m")
      local show = mk.method { name = "show", per_input = { s = { type = "\(kind)" } }, merge = function(t)
        print(t.inputs[1].s)
        return t.inputs[1].tensor
      end }
      local setting = \(setting)
      local merged = \(scope == "own"
        ? "mk.merge { method = show, models = { { m, s = setting } } }"
        : "mk.merge { method = show, models = { m }, parameters = { s = setting } }")
      for layer = 0, 4 do local _ = merged:tensor("model.layers." .. layer .. ".self_attn.w") end
      local _ = merged:tensor("model.embed_tokens.weight"), merged:tensor("model.layers.4.mlp.w")
      """
    ).joined(separator: " ")
  }

  @Test(arguments: ["own", "shared"]) func forms(scope: String) throws {
    for (setting, kind, expected) in [
      ("0.5", "number", "0.5 0.5 0.5 0.5 0.5 0.5 0.5"),
      ("true", "boolean", "true true true true true true true"),
      ("'x'", "string", "x x x x x x x"),
      // Depth is layer / 4, and 0 for the embedding.
      ("{ 0, 1 }", "number", "0.0 0.25 0.5 0.75 1.0 0.0 1.0"),
      ("{ 0, 10, 0 }", "number", "0.0 5.0 10.0 5.0 0.0 0.0 0.0"),
      ("{ 3 }", "number", "3.0 3.0 3.0 3.0 3.0 3.0 3.0"),
      ("{ true, false, true }", "boolean", "true true false false true true true"),
      ("{ 'a', 'b' }", "string", "a a a a b a b"),
      ("{ filter = 'mlp', value = 2 }", "number", "nil nil nil nil nil nil 2"),
      ("{ value = 2 }", "number", "2 2 2 2 2 2 2"),
      (
        "{ { filter = 'mlp', value = 2 }, { filter = 'layers.4', value = 3 }, { filter = '*', value = 4 } }",
        "number", "4 4 4 4 3 4 2"
      ),
      ("{ { filter = 'self_attn', value = { 0, 8 } }, { value = 9 } }", "number", "0.0 2.0 4.0 6.0 8.0 9 9"),
      // Parts of a name are not patterns.
      (
        "{ { filter = '.*', value = 1 }, { filter = '%d', value = 1 }, { value = 2 } }", "number",
        "2 2 2 2 2 2 2"
      ),
      ("function(i) return i.layer and i.layer * 10 or -1 end", "number", "0 10 20 30 40 -1 40"),
      ("function(i) if i.kind == 'embedding' then return 7 end end", "number", "nil nil nil nil nil 7 nil"),
      ("function(i) return { 0, 4 } end", "number", "0.0 1.0 2.0 3.0 4.0 0.0 4.0"),
      ("function(i) return { { filter = 'mlp', value = 5 }, { value = 6 } } end", "number", "6 6 6 6 6 6 5"),
      ("function(i) return i.name:sub(-5) end", "string", "ttn.w ttn.w ttn.w ttn.w ttn.w eight mlp.w"),
    ] {
      #expect(try values(setting, kind: kind, scope: scope) == expected, "\(setting)")
    }
  }

  @Test func lazyNumbersAreSettings() throws {
    #expect(try values("mk.tensor { 2, 3 }:sum()").hasPrefix("lazy number lazy number"))
    #expect(try values("function(i) return m:tensor(i.name):norm() end").hasPrefix("lazy number"))
  }

  @Test func modelsAreTensorsOfTheNameThatIsMerged() throws {
    try bench.makeModel("stats", [TestTensor("model.layers.0.self_attn.w", .f32, [1], [3])])
    let sums = """
      local m, stats = mk.model(here .. "m"), mk.model(here .. "stats")
      local method = mk.method { name = "t", per_input = { s = { type = "tensor" } }, merge = function(t)
        return t.inputs[1].s or t.inputs[1].tensor
      end }
      for _, setting in ipairs {
        stats, function() return stats end, { { filter = "mlp", value = m }, { value = stats } },
        function(info) return stats:has(info.name) and stats:tensor(info.name) or nil end,
      } do
        local merged = mk.merge { method = method, models = { { m, s = setting } } }
        local numbers = {}
        for layer = 0, 1 do
          table.insert(numbers, ("%g"):format(merged:tensor("model.layers." .. layer .. ".self_attn.w"):sum():item()))
        end
        print(table.concat(numbers, " "))
      end
      """
    #expect(try bench.lines(sums) == ["3 1", "3 1", "3 1", "3 1"])
  }

  @Test(arguments: [
    ("3", "recipe.lua:7: merge: models[1].s: expected a model or a tensor, got number '3'"),
    (
      "{ m }",
      "recipe.lua:7: merge: models[1].s: expected a model or a tensor, or a list of { filter =, value = }, got a list of other things"
    ),
    (
      "function() return 'x' end",
      "recipe.lua:8: tensor 'model.layers.0.self_attn.w': models[1].s: expected a model or a tensor, got string 'x'"
    ),
  ])
  func tensorsAreNoPlainValues(setting: String, expected: String) {
    let error = #expect(throws: LuaError.self) { try values(setting, kind: "tensor") }
    #expect(error.map { "\($0)" } == expected)
  }

  @Test func modelsAreNoNumbers() throws {
    #expect(
      bench.error(
        "local m = mk.model(here .. 'm')\nlocal _ = mk.merge { method = 'linear', models = { { m, weight = m } } }"
      )
        == "recipe.lua:2: merge: models[1].weight: expected a number, got model 'm'")
    let missing = bench.error(
      """
      local m, one = mk.model(here .. 'm'), mk.model(here .. 'one')
      local method = mk.method { name = 't', per_input = { s = { type = 'tensor', required = true } }, merge = print }
      local _ = mk.merge { method = method, models = { { m, s = one } } }:tensor 'model.layers.0.self_attn.w'
      """)
    #expect(
      missing
        == "recipe.lua:3: models[1]: parameter 's' is required for model 'm': model 'one' has no tensor "
        + "'model.layers.0.self_attn.w'")
  }

  @Test(arguments: [
    ("print", "no error"),
    ("{}", "recipe.lua:2: merge: models[1].weight: an empty list"),
    (
      "{ 1, true }",
      "recipe.lua:2: merge: models[1].weight: a list of numbers, or of filters, is not mixed (number and boolean)"
    ),
    (
      "{ 1, { value = 2 } }",
      "recipe.lua:2: merge: models[1].weight: a list of numbers, or of filters, is not mixed (number and table)"
    ),
    (
      "{ { value = 2 }, 1 }",
      "recipe.lua:2: merge: models[1].weight: a list of numbers, or of filters, is not mixed (table and number)"
    ),
    ("{ 1, 2, nil, 4 }", "recipe.lua:2: merge: models[1].weight[3] is nil"),
    (
      "(function() local s = {} s.value = s return s end)()",
      "recipe.lua:2: merge: models[1].weight: settings within settings, more than 16 deep"
    ),
    ("{ 1, print }", "recipe.lua:2: merge: models[1].weight[2]: expected a number, got function"),
    ("{ { filter = 'x' } }", "recipe.lua:2: merge: models[1].weight[1]: expected { filter =, value = }"),
    ("{ filter = 'x' }", "recipe.lua:2: merge: models[1].weight: a filter without a value"),
    (
      "{ filter = 1, value = 2 }",
      "recipe.lua:2: merge: models[1].weight: filter: expected a string, got number"
    ),
    (
      "{ filtre = 'x', value = 2 }",
      "recipe.lua:2: merge: models[1].weight: unknown field 'filtre' (expected filter and value)"
    ),
    (
      "{ density = 2 }",
      "recipe.lua:2: merge: models[1].weight: unknown field 'density' (expected a list, or filter and value)"
    ),
    (
      "{ { value = { {} } } }", "recipe.lua:2: merge: models[1].weight[1][1]: expected { filter =, value = }"
    ),
  ])
  func badForms(setting: String, expected: String) {
    #expect(
      bench.error(
        "local m = mk.model(here .. 'm')\nreturn_ = mk.merge { method = 'linear', models = { { m, weight = \(setting) } } }"
      )
        == expected)
  }

  @Test(arguments: [
    ("'x'", "recipe.lua:7: merge: models[1].s: expected a number, got string 'x'"),
    ("{ 'a', 'b' }", "recipe.lua:7: merge: models[1].s[1]: expected a number, got string 'a'"),
    (
      "{ { filter = 'x', value = true } }",
      "recipe.lua:7: merge: models[1].s[1]: expected a number, got boolean 'true'"
    ),
    (
      "function() return true end",
      "recipe.lua:8: tensor 'model.layers.0.self_attn.w': models[1].s: expected a number, got boolean 'true'"
    ),
  ])
  func valuesOfTheWrongType(setting: String, expected: String) {
    let error = #expect(throws: LuaError.self) { try values(setting) }
    #expect(error.map { "\($0)" } == expected)
  }
}
