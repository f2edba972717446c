import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// `mk.method`: declarations, and how a recipe names a method.
@Suite struct MethodTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  @Test(arguments: [
    ("1", "method: expected a table, got number"),
    ("{}", "method: expected a name"),
    ("{ name = '' }", "method: expected a name"),
    ("{ name = 'm' }", "method 'm': merge: expected a function, got nil"),
    ("{ name = 'm', merg = print }", "method 'm': unknown field 'merg' (did you mean 'merge'?)"),
    (
      "{ name = 'm', merge = print, base = 'needed' }",
      "method 'm': base: unknown policy 'needed' (expected one of required, optional, ignored)"
    ),
    (
      "{ name = 'm', merge = print, base = 'requird' }",
      "method 'm': base: unknown policy 'requird' (did you mean 'required'?)"
    ),
    (
      "{ name = 'm', merge = print, missing = 'skip' }",
      "method 'm': missing: unknown policy 'skip' (expected one of copy_extras, error, passthrough_singleton, passthrough_base_singleton, base_or_skip)"
    ),
    ("{ name = 'm', merge = print, parameters = 1 }", "method 'm': parameters: expected a table, got number"),
    (
      "{ name = 'm', merge = print, per_input = { 'weight' } }",
      "method 'm': per_input: expected names with defaults, got a list"
    ),
    (
      "{ name = 'm', merge = print, parameters = { p = print } }",
      "method 'm': the default of parameter 'p' is a function, expected a number, boolean or string"
    ),
    (
      "{ name = 'm', merge = print, parameters = { p = { defualt = 1 } } }",
      "method 'm': parameter 'p': unknown field 'defualt' (did you mean 'default'?)"
    ),
    (
      "{ name = 'm', merge = print, parameters = { p = { type = 'int' } } }",
      "method 'm': parameter 'p': unknown type 'int' (expected one of number, integer, boolean, string, tensor)"
    ),
    (
      "{ name = 'm', merge = print, parameters = { p = { default = 1, type = 'string' } } }",
      "method 'm': the default of parameter 'p' is a number, expected a string"
    ),
    (
      "{ name = 'm', merge = print, parameters = { p = 1 }, per_input = { p = 1 } }",
      "method 'm': 'p' is both a shared and a per-input parameter"
    ),
    ("{ name = 'm', merge = print, min_inputs = 'x' }", "method 'm': min_inputs: expected a count, got x"),
    ("{ name = 'm', merge = print, max_inputs = 1.5 }", "method 'm': max_inputs: expected a count, got 1.5"),
    (
      "{ name = 'm', merge = print, min_inputs = 3, max_inputs = 2 }",
      "method 'm': min_inputs is 3, max_inputs 2"
    ),
    ("{ name = 'm', merge = print, reference = 5 }", "method 'm': reference: expected a string, got number"),
  ])
  func badDeclarations(declaration: String, expected: String) {
    #expect(bench.error("local x\nx = mk.method(\(declaration))") == "recipe.lua:2: \(expected)")
  }

  @Test(arguments: [
    "name", "shape", "dtype", "layer", "num_layers", "depth", "kind", "module", "template", "base",
    "base_input",
    "inputs", "tensor", "model",
  ])
  func reservedNames(name: String) {
    #expect(
      bench.error("local x = mk.method { name = 'm', merge = print, per_input = { \(name) = 1 } }")
        == "recipe.lua:1: method 'm': parameter '\(name)' has a name that the method's argument uses itself")
  }

  @Test func methodsAreValues() throws {
    #expect(try bench.shown("mk.method { name = 'm', merge = print }") == "method 'm'")
    #expect(try bench.shown("mk.required") == "required")
  }

  @Test func parametersHaveDefaultsOrNone() throws {
    let lines = try bench.lines(
      """
      local m = mk.model(here .. "one")
      local mine = mk.method { name = "mine",
        parameters = { a = 1, b = { default = "x" }, c = { type = "boolean" }, d = { required = true, type = "string" } },
        per_input = { e = { default = mk.required, type = "boolean" } },
        merge = function(t) print(t.a, t.b, t.c, t.d, t.inputs[1].e); return t.inputs[1].tensor end }
      local _ = mk.merge { method = mine, models = { { m, e = false } }, parameters = { d = "y" } }:tensor("x")
      print(pcall(function() return mk.merge { method = mine, models = { m }, parameters = { d = "y" } }:tensor("x") end))
      print(pcall(function() return mk.merge { method = mine, models = { { m, e = true } } }:tensor("x") end))
      """)
    #expect(lines[0] == "1\tx\tnil\ty\tfalse")
    #expect(lines[1].contains("tensor 'x': models[1]: parameter 'e' is required for model '"))
    #expect(lines[2].hasSuffix("tensor 'x': parameter 'd' is required"))
  }

  // MARK: By name, by file, by value

  @Test func byNameByPathAndByValue() throws {
    func method(_ name: String, _ factor: Int) -> String {
      "local mk = require 'mergekit'\nreturn mk.method { name = '\(name)', merge = function(t) return t.inputs[1].tensor + \(factor) end }"
    }
    try bench.write(method("mine", 1), to: "mine.lua")
    try bench.write(method("deep", 2), to: "lib/deep.lua")
    // A file beside the recipe goes before the built-in of that name.
    try bench.write(method("linear", 3), to: "methods/linear.lua")
    for (name, expected) in [
      ("'mine'", 1), ("'./mine.lua'", 1), ("'mine.lua'", 1), ("'lib/deep'", 2), ("'./lib/deep.lua'", 2),
      ("require 'lib.deep'", 2), ("'linear'", 3),
    ] as [(String, Float)] {
      let script = "return mk.merge { method = \(name), models = { mk.model(here .. 'one') } }"
      #expect(try bench.tensor(script, "x").elements == [expected], "\(name)")
    }
  }

  @Test func whatIsNoMethod() throws {
    try bench.write("return 5", to: "five.lua")
    func error(_ method: String) -> String {
      bench.error(
        "local m = mk.model(here .. 'one')\nlocal x = mk.merge { method = '\(method)', models = { m } }")
    }
    #expect(
      error("five")
        == "recipe.lua:2: method file 'five' returned a number, expected what mk.method makes: is there a 'return mk.method{…}'?"
    )
    #expect(
      error("./five.lua")
        == "recipe.lua:2: method file './five.lua' returned a number, expected what mk.method makes: is there a 'return mk.method{…}'?"
    )
    #expect(error("./nine.lua").hasPrefix("recipe.lua:2: module 'nine' not found; looked for '"))
    #expect(
      error("../up.lua").hasPrefix(
        "recipe.lua:2: module name '../up' must be a path below the script's folder"))
    #expect(
      error("task_arithmetc")
        == "recipe.lua:2: unknown method 'task_arithmetc' (did you mean 'task_arithmetic'?)")
  }
}
