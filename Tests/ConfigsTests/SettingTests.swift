import Configs
import Testing

/// Values of parameters, in the spellings of YAML 1.1 and 1.2, and the forms of settings.
@Suite struct SettingTests {
  /// The Lua text of the weight of the first model.
  private func weight(_ yaml: String) throws -> String {
    let recipe = try translate(linear(weight: yaml)).recipe
    let line = try #require(recipe.split(separator: "\n").first { $0.contains("weight = ") })
    return line.hasPrefix("    { a, ")
      ? String(line.trimmingPrefix("    { a, weight = ").dropLast(" },".count))
      : String(line.trimmingPrefix("      weight = ").dropLast())
  }

  @Test(arguments: [
    // As they are written, where Lua reads the same.
    ("1", "1"), ("0.50", "0.50"), ("-.5", "-.5"), (".5", ".5"), ("5.", "5."), ("1e-5", "1e-5"),
    ("1E+3", "1E+3"), ("0x10", "0x10"), ("'0.5'", "0.5"), ("\" 2 \"", "2"), ("1e400", "1e400"),
    ("123456789012345678901234567890", "123456789012345678901234567890"),
    // What Lua reads otherwise, or not at all.
    ("+1", "1"), ("+.5", "0.5"), ("1_000", "1000"), ("1_000.5", "1000.5"), ("017", "15"), ("0o17", "15"),
    ("0b101", "5"), ("-0x1_0", "-16"), ("0xffffffffffffffff", "1.8446744073709552e+19"), ("08", "08"),
    ("-0x8000000000000000", "-9.223372036854776e+18"),
    ("-9_223_372_036_854_775_808", "-9.223372036854776e+18"),
    ("9_223_372_036_854_775_807", "9.223372036854776e+18"), ("-9_007_199_254_740_991", "-9007199254740991"),
    (".inf", "math.huge"), ("-.INF", "-math.huge"), (".nan", "0 / 0"), ("+1_0e-20", "1e-19"),
    // Booleans are numbers, as in mergekit.
    ("true", "1"), ("off", "0"),
  ])
  func numbers(_ yaml: String, _ lua: String) throws {
    #expect(try weight(yaml) == lua)
  }

  @Test(arguments: [
    "half", "1:30", "1e", "e5", "_1", "0x", "0xg", "0x+1", "1 2", "+-1", "'true'", "--1", ".", "+", "0b2",
    "+.nan", "1.2.3", "inf", "1e5.0", "2024-01-01",
  ])
  func notNumbers(_ yaml: String) {
    let text = yaml.filter { $0 != "'" }
    #expect(
      message(linear(weight: yaml))
        == "config.yml:5:15: models[1].parameters.weight: expected a number, a list of them, filters or "
        + "{lua: …}, "
        + "found '\(text)'")
  }

  @Test func tensorsAreModels() throws {
    let config = "merge_method: fisher\nmodels: [{model: a, parameters: {fisher: %}}]"
    let recipe = try translate(config.replacing("%", with: "grams/a")).recipe
    #expect(recipe.contains(#"{ a, fisher = mk.model "grams/a" }"#), "\(recipe)")
    let filtered = try translate(config.replacing("%", with: "[{filter: mlp, value: grams/a}]")).recipe
    #expect(filtered.contains(#"{ filter = "mlp", value = mk.model "grams/a" }"#), "\(filtered)")
    #expect(
      message(config.replacing("%", with: "[]")).hasSuffix(
        "models[1].parameters.fisher: the list is empty; expected paths of models"))
  }

  /// The Lua text of a global parameter of a method.
  private func parameter(_ name: String, _ yaml: String, of method: String) throws -> String {
    let recipe = try translate(
      "merge_method: \(method)\nbase_model: c\nmodels: [{model: a}, {model: b}]\nparameters:\n  \(name): "
        + "\(yaml)"
    ).recipe
    let line = try #require(recipe.split(separator: "\n").first { $0.contains("\(name) = ") })
    return String(line.trimmingPrefix("  parameters = { \(name) = ").dropLast(" },".count))
  }

  @Test(arguments: [
    ("true", "true"), ("Yes", "true"), ("ON", "true"), ("y", "true"), ("'t'", "true"), ("1", "true"),
    ("1.0", "true"), ("false", "false"), ("no", "false"), ("off", "false"), ("N", "false"), ("f", "false"),
    ("'0'", "false"), ("[yes, no]", "{ true, false }"),
  ])
  func booleans(_ yaml: String, _ lua: String) throws {
    #expect(try parameter("normalize", yaml, of: "ties") == lua)
  }

  @Test(arguments: [
    ("10", "10"), ("'10'", "10"), ("1e1", "10"), ("10.0", "10"), ("true", "1"), ("0x1F", "31"),
  ])
  func integers(_ yaml: String, _ lua: String) throws {
    #expect(try parameter("max_iter", yaml, of: "karcher") == lua)
  }

  @Test(arguments: [
    ("row", "\"row\""), ("'0.5'", "\"0.5\""), ("yes", "\"yes\""), ("''", "\"\""),
    ("[a, b]", "{ \"a\", \"b\" }"),
    (#""q\" b\\ t\t\0e""#, #""q\" b\\ t\t\000e""#),
  ])
  func strings(_ yaml: String, _ lua: String) throws {
    #expect(try parameter("mode", yaml, of: "nuslerp") == lua)
  }

  @Test(arguments: [
    ("[0, 0.5, 1]", "{ 0, 0.5, 1 }"), ("[0.5]", "{ 0.5 }"),
    ("{filter: mlp, value: 0.5}", "{ { filter = \"mlp\", value = 0.5 } }"),
    ("{value: 0.5}", "{ { value = 0.5 } }"),
    (
      "[{filter: mlp, value: [0, 1]}, {filter: '', value: 2}, {filter: ~, value: 3}]",
      "{ { filter = \"mlp\", value = { 0, 1 } }, { filter = \"\", value = 2 }, { value = 3 } }"
    ),
    ("{lua: depth}", "function(info) return info.depth end"),
    ("[{value: {lua: depth}}]", "{ { value = function(info) return info.depth end } }"),
  ])
  func forms(_ yaml: String, _ lua: String) throws {
    #expect(try weight(yaml) == lua)
  }

  @Test(arguments: [
    (
      "",
      "5:14: models[1].parameters.weight: expected a number, a list of them, filters or {lua: …}, found "
        + "nothing"
    ),
    ("[]", "5:15: models[1].parameters.weight: the list is empty; expected numbers"),
    ("[0.1, half]", "5:21: models[1].parameters.weight[2]: expected a number, found 'half'"),
    ("[0.1, [0.2]]", "5:21: models[1].parameters.weight[2]: expected a number, found a list"),
    ("[0.1, ~]", "5:21: models[1].parameters.weight[2]: expected a number, found nothing"),
    ("[0.1, {value: 1}]", "5:21: models[1].parameters.weight[2]: expected a number, found a mapping"),
    (
      "[{value: 1}, 2]",
      "5:28: models[1].parameters.weight[2]: expected {filter, value} like the entries before, found '2'"
    ),
    (
      "[0.1, {lua: depth}]",
      "5:21: models[1].parameters.weight[2]: a rule {lua: …} is a setting by itself or the value of a "
        + "filter, "
        + "not an entry of a list"
    ),
    (
      "[{lua: depth}]",
      "5:16: models[1].parameters.weight[1]: a rule {lua: …} is a setting by itself or the value of a "
        + "filter, "
        + "not an entry of a list"
    ),
    ("{filter: mlp}", "5:15: models[1].parameters.weight: a filter needs a value"),
    (
      "[{filter: [a], value: 1}]",
      "5:25: models[1].parameters.weight[1].filter: expected a part of tensors' names, or '*', found a list"
    ),
    (
      "{filter: mlp, value: {filter: up, value: 1}}",
      "5:36: models[1].parameters.weight.value: expected a number, a list of them, filters or {lua: …}, "
        + "found a mapping"
    ),
    (
      "{filter: mlp, value: abc}",
      "5:36: models[1].parameters.weight.value: expected a number, a list of them, filters or {lua: …}, "
        + "found 'abc'"
    ),
    (
      "{lua: depth, filter: mlp}",
      "5:28: models[1].parameters.weight.filter: a rule {lua: …} has no other keys"
    ),
    (
      "{lua: }",
      "5:21: models[1].parameters.weight.lua: the rule is empty; expected a Lua expression such as "
        + "0.2 + 0.6 * depth"
    ),
    (
      "{lua: ' '}",
      "5:21: models[1].parameters.weight.lua: the rule is empty; expected a Lua expression such as "
        + "0.2 + 0.6 * depth"
    ),
    ("{lua: [1]}", "5:21: models[1].parameters.weight.lua: expected a Lua expression, found a list"),
    ("{lua: '(1'}", "5:21: models[1].parameters.weight.lua: the rule has a '(' without its counterpart"),
    ("{lua: '1)'}", "5:21: models[1].parameters.weight.lua: the rule has a ')' without its counterpart"),
    ("{lua: '\"a'}", "5:21: models[1].parameters.weight.lua: the rule ends within a string"),
    ("{lua: '[[a]'}", "5:21: models[1].parameters.weight.lua: the rule ends within a long string"),
    ("{lua: '1 --[=[ ]]'}", "5:21: models[1].parameters.weight.lua: the rule ends within a long comment"),
  ])
  func badForms(_ yaml: String, _ words: String) {
    #expect(message(linear(weight: yaml)) == "config.yml:\(words)")
  }

  @Test(arguments: [
    (
      "karcher", "max_iter", "10.5",
      "expected a whole number, a list of them, filters or {lua: …}, found '10.5'"
    ),
    (
      "karcher", "max_iter", "1e30",
      "expected a whole number, a list of them, filters or {lua: …}, found '1e30'"
    ),
    ("ties", "normalize", "2", "expected true or false, a list of them, filters or {lua: …}, found '2'"),
    ("ties", "normalize", "[yes, maybe]", "expected true or false, found 'maybe'"),
    ("nuslerp", "mode", "[[a]]", "expected text, found a list"),
  ])
  func badTypes(_ method: String, _ name: String, _ yaml: String, _ words: String) {
    let text = message(
      "merge_method: \(method)\nbase_model: c\nmodels: [{model: a}, {model: b}]\nparameters:\n  \(name): "
        + "\(yaml)"
    )
    #expect(text.hasPrefix("config.yml:5:") && text.hasSuffix(": " + words), "\(text)")
  }

  // MARK: Rules

  @Test(arguments: [
    ("0.2 + 0.6 * depth", "0.2 + 0.6 * info.depth"),
    ("name:find 'mlp' and layer/num_layers or 1", "info.name:find 'mlp' and info.layer/info.num_layers or 1"),
    ("info.depth + info . layer", "info.depth + info . layer"),
    (
      "kind == 'norm' and \"depth\" or [[layer]] .. [==[ name]] ]==]",
      "info.kind == 'norm' and \"depth\" or [[layer]] .. [==[ name]] ]==]"
    ),
    ("'it\\'s depth'..name", "'it\\'s depth'..info.name"),
    (
      "({ name = 1, [depth] = layer, kind == 'x' })[1]",
      "({ name = 1, [info.depth] = info.layer, info.kind == 'x' })[1]"
    ),
    ("0x1p-1 + 1e-3 + 3layer", "0x1p-1 + 1e-3 + 3layer"),
    ("--[[ depth ]] depth", "--[[ depth ]] info.depth"),
    (
      "math.min(depth, 1) + _G.name + mk:kind(module, template, shape[1], dtype)",
      "math.min(info.depth, 1) + _G.name + mk:kind(info.module, info.template, info.shape[1], info.dtype)"
    ),
    ("{ named = 1, _depth = 2, depth2 = 3 }", "{ named = 1, _depth = 2, depth2 = 3 }"),
    ("1 + dépth", "1 + dépth"),
    ("1 ..depth.. 2", "1 ..info.depth.. 2"), ("info.ending + info.x", "info.ending + info.x"),
  ])
  func rules(_ rule: String, _ body: String) throws {
    let yaml = "{lua: \"\(rule.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\"}"
    #expect(try weight(yaml) == "function(info) return \(body) end")
  }

  /// Which of a function's variables a name means is Lua's to tell.
  @Test(arguments: [
    (
      "(function(name) return 1 end)(name)",
      "function(info) local name = info.name return (function(name) return 1 end)(name) end"
    ),
    ("(function() return 1 end)()", "function(info) return (function() return 1 end)() end"),
    (
      "(function(x) local depth = depth; if x then return layer else return depth end end)(kind)",
      "function(info) local depth, layer, kind = info.depth, info.layer, info.kind return "
        + "(function(x) local depth = depth; if x then return layer else return depth end end)(kind) end"
    ),
    (
      "(function() for i = 1, 2 do while i do break end end repeat local x until x do end return 1 end)()",
      "function(info) return (function() for i = 1, 2 do while i do break end end repeat local x until x do end "
        + "return 1 end)() end"
    ),
  ])
  func rulesWithFunctions(_ rule: String, _ function: String) throws {
    #expect(try weight("{lua: \"\(rule)\"}") == function)
  }

  @Test func rulesWithFunctionsOnSeveralLines() throws {
    let recipe = try translate(
      linear(weight: "{lua: \"(function(d)\\n  return d\\nend)(depth)\"}")
    ).recipe
    #expect(
      recipe.contains(
        """
              weight = function(info)
                local depth = info.depth
                return (function(d)
                  return d
                end)(depth)
              end,

        """))
  }

  /// Names that are neither fields, nor Lua's, nor variables of the rule.
  @Test(arguments: [
    ("0.2 + depht", "variable 'depht' is not defined (did you mean 'depth'?)"),
    ("layers / 2", "variable 'layers' is not defined (did you mean 'layer'?)"),
    ("mth.min(depth, 1)", "variable 'mth' is not defined (did you mean 'math'?)"),
    ("weight * depth", "variable 'weight' is not defined"),
    ("kind == norm", "variable 'norm' is not defined"),
    ("f{ name = frobnicate }", "variable 'f' is not defined"),
    ("(function(x) return y end)(1)", "variable 'y' is not defined"),
    ("(function() local z = w; return z end)(1)", "variable 'w' is not defined"),
  ])
  func unknownNames(_ rule: String, _ words: String) {
    #expect(
      message(linear(weight: "{lua: \"\(rule)\"}"))
        == "config.yml:5:21: models[1].parameters.weight.lua: \(words)")
  }

  @Test(arguments: [
    "(function(a, b) local c <const>, d = a, b; for i, v in ipairs { c } do goto on ::on:: end return d end)(1)",
    "(function() local function f(n) return n end; for i = 1, 2 do f(i) end return f(2) end)()",
    "true and nil or false", "tostring(1) .. type(2) .. string.rep('a', 2) .. utf8.char(3)", "#shape // 1",
    "({ a = 1 }).a + select('#', table.unpack { 1 })",
  ])
  func knownNames(_ rule: String) throws {
    let rule = rule.replacing("\"", with: "\\\"")
    #expect(try translate(linear(weight: "{lua: \"\(rule)\"}")).warnings == [])
  }

  @Test func rulesAreHandedOn() throws {
    let rules = try translate(linear(weight: "{filter: mlp, value: {lua: 0.2 + * depth}}")).rules
    #expect(rules.map(\.text) == ["0.2 + * depth"])
    #expect(
      rules.map { "\($0.location): \($0.keyPath)" } == [
        "config.yml:5:42: models[1].parameters.weight.value.lua"
      ])
  }

  @Test(arguments: [
    ("1 end, x = function() return 2", "a rule is one expression, found 'end'"),
    ("1 end", "a rule is one expression, found 'end'"),
    ("depth, 1", "a rule is one expression, found ','"),
    ("1; return 2", "a rule is one expression, found ';'"),
    ("return depth", "a rule is one expression, found 'return'"),
    ("if depth > 1 then 2 else 3", "a rule is one expression, found 'if'"),
    ("(do 1 end)", "a rule is one expression, found 'do'"),
    ("function() return 1", "the rule has a 'function' without its counterpart"),
    ("function() return 1 end end", "a rule is one expression, found 'end'"),
    ("f(function() return 1) end", "the rule has a ')' without its counterpart"),
    ("(function() if x until x end)", "the rule has a 'until' without its counterpart"),
    ("f(function() return (1 end)", "the rule has a 'end' without its counterpart"),
  ])
  func notOneExpression(_ rule: String, _ words: String) {
    #expect(
      message(linear(weight: "{lua: \"\(rule)\"}"))
        == "config.yml:5:21: models[1].parameters.weight.lua: \(words)")
  }

  /// Lines within a long string are not indented.
  @Test func rulesOfSeveralLines() throws {
    let yaml = """
      merge_method: linear
      models:
        - model: a
          parameters:
            weight:
              lua: |
                #[[
                  depth]] + depth
      """
    let translation = try translate(yaml)
    #expect(
      translation.recipe.contains(
        "      weight = function(info) return #[[\n  depth]] + info.depth\nend,\n"))
    let line =
      try #require(
        translation.recipe.split(separator: "\n", omittingEmptySubsequences: false)
          .firstIndex { $0.contains("info.depth") }) + 1
    #expect(translation.place(ofLine: line) == "config.yml:6:9")
  }
}
