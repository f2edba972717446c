import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Functions of the API that make tensors from nothing or from several, and those of the host.
@Suite struct TensorFunctionTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  // MARK: Constants

  @Test func constants() throws {
    #expect(try bench.elements("mk.zeros{ 2 }") == [0, 0])
    #expect(try bench.elements("mk.full({ 2, 1 }, 2.5)") == [2.5, 2.5])
    #expect(try bench.elements("mk.tensor{ { 1, 2 }, { 3, 4 } }:transpose()") == [1, 3, 2, 4])
    #expect(try bench.elements("mk.tensor{ { { 1 } } } + mk.tensor(1)") == [2])
    #expect(try bench.elements("mk.tensor({ 1.03 }, 'bfloat16')") == [1.03125])
    #expect(
      try bench.shown("mk.zeros({ 1 }, 'half'), mk.full({}, 1, 'BF16'), mk.tensor({}), mk.tensor{ {}, {} }")
        == "tensor [1] float16\ttensor [] bfloat16\ttensor [0] float32\ttensor [2, 0] float32")
  }

  @Test(arguments: [
    ("mk.zeros(2)", "bad argument #1 to 'zeros' (table expected, got number)"),
    ("mk.zeros{ 'x' }", "bad argument #1 to 'zeros' (element 1: integer expected, got string)"),
    ("mk.zeros{ -1 }", "a shape has no negative sizes (got [-1])"),
    (
      "mk.zeros{ 1 << 40, 1 << 40 }", "a tensor of shape [1099511627776, 1099511627776] has too many elements"
    ),
    (
      "mk.zeros({ 1 }, 'int8')",
      "full: dtype I8 is not one that can be computed (expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2)"
    ),
    ("mk.full({ 1 })", "bad argument #2 to 'full' (number expected, got no value)"),
    ("mk.tensor()", "bad argument #1 to 'tensor' (table expected, got no value)"),
    ("mk.tensor{ 1, 'x' }", "bad argument #1 to 'tensor' (number or list expected, got string)"),
    ("mk.tensor{ { 1, 2 }, { 3 } }", "bad argument #1 to 'tensor' (lists of 2 and 1 elements side by side)"),
    ("mk.tensor{ 1, { 2, 3 } }", "bad argument #1 to 'tensor' (numbers and lists side by side)"),
    ("mk.tensor{ { 1 }, 2 }", "bad argument #1 to 'tensor' (numbers and lists side by side)"),
    ("mk.tensor{ 1, {} }", "bad argument #1 to 'tensor' (numbers and lists side by side)"),
    ("mk.tensor{ { 1, { 2 } } }", "bad argument #1 to 'tensor' (numbers and lists side by side)"),
    ("mk.tensor{ {}, 1 }", "bad argument #1 to 'tensor' (numbers and lists side by side)"),
    ("mk.tensor{ {}, { 1 } }", "bad argument #1 to 'tensor' (lists of 0 and 1 elements side by side)"),
    ("mk.tensor{ 1, nil, 3 }", "element 2 of a list of 3 is nil"),
    ("mk.tensor({ 1 }, 'f33')", "unknown dtype 'f33' (did you mean 'F32'?)"),
    ("mk.cat{}", "cat: expected at least one tensor"),
    ("mk.cat{ mk.zeros{ 2, 2 }, mk.zeros{ 2, 3 } }", "cat: shapes [2, 2] and [2, 3] do not match"),
    ("mk.cat{ mk.zeros{}, mk.zeros{} }", "cat: no dimension 1 in a scalar"),
    ("mk.stack({ mk.zeros{ 1 } }, 3)", "stack: no dimension 3 in shape [1] (expected 1 to 1, or -1 to -1)"),
    ("mk.stack{ mk.zeros{ 1 }, mk.zeros{ 2 } }", "stack: shapes [1] and [2] do not match"),
    ("mk.stack(3)", "stack: expected a list of tensors, or of { model, layers = { first, last } }"),
    ("mk.rand{ -1 }", "a shape has no negative sizes (got [-1])"),
    (
      "mk.dtype_name('int64')",
      "dtype: dtype I64 is not one that can be computed (expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2)"
    ),
  ])
  func badArguments(expression: String, expected: String) {
    #expect(bench.error("local x = 1\nlocal _ = \(expression)") == "recipe.lua:2: \(expected)")
  }

  // MARK: Random numbers

  @Test func sameSeedAndPlaceGiveTheSameNumbers() throws {
    func draw(_ script: String, seed: UInt64 = 42, threads: Int = 2) throws -> [Float] {
      let bench = try ScriptBench(threads: threads, tileSize: threads == 2 ? nil : 7, seed: seed)
      return try bench.elements(script)
    }
    let numbers = try draw("mk.randn{ 100 }")
    #expect(try draw("mk.randn{ 100 }") == numbers)
    #expect(try draw("mk.randn{ 100 }", threads: 3) == numbers)
    #expect(try draw("mk.randn{ 100 }", seed: 43) != numbers)
    // The second draw for a tensor is another one, and its shape has no part in it.
    #expect(try draw("(function() local _ = mk.rand{ 1 }; return mk.randn{ 100 } end)()") != numbers)
    #expect(try draw("mk.randn{ 10, 10 }:reshape(100)") == numbers)
    // So is that for another tensor.
    #expect(try draw("mk.stream('y', function() return mk.randn{ 100 } end)") != numbers)
    #expect(try draw("mk.stream('x', function() return mk.randn{ 100 } end)") == numbers)
  }

  @Test func streamsNestAndCountForThemselves() throws {
    let lines = try bench.lines(
      """
      local function show(t) print(("%.9g"):format(t:sum():item())) end
      mk.stream("a", function()
        show(mk.rand { 5 })
        mk.stream("b", function() show(mk.rand { 5 }) end)
        show(mk.rand { 5 })
      end)
      mk.stream("b", function() show(mk.rand { 5 }) end)
      mk.stream("a", function() show(mk.rand { 5 }); show(mk.rand { 5 }) end)
      print(mk.stream("c", function() return 1, "two" end))
      print(pcall(mk.stream, "c", function() error("inside", 0) end))
      mk.stream("a", function() show(mk.rand { 5 }) end)
      """)
    #expect(lines[1] == lines[3])
    #expect(lines[4] == lines[0])
    #expect(lines[5] == lines[2])
    #expect(Set(lines[0...2]).count == 3)
    #expect(lines[6] == "1\ttwo")
    #expect(lines[7].hasPrefix("false\t") && lines[7].hasSuffix("inside"))
    #expect(lines[8] == lines[0])
  }

  @Test func distributions() throws {
    let uniform = try bench.elements("mk.rand{ 10000 }")
    #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(abs(uniform.reduce(0, +) / 10000 - 0.5) < 0.02)
    let normal = try bench.elements("mk.randn{ 10000 }")
    #expect(abs(normal.reduce(0, +) / 10000) < 0.05)
    #expect(abs(normal.map { $0 * $0 }.reduce(0, +) / 10000 - 1) < 0.1)
    let coins = try bench.elements("mk.bernoulli(0.3, { 10000 })")
    #expect(Set(coins) == [0, 1])
    #expect(abs(coins.reduce(0, +) / 10000 - 0.3) < 0.03)
    // The same uniform numbers, below each element's own probability.
    let each = try bench.elements("mk.full({ 10000 }, 0.3):bernoulli()")
    #expect(each == coins)
    #expect(try bench.elements("mk.tensor{ 0, 1, 0, 1 }:bernoulli()") == [0, 1, 0, 1])
  }

  // MARK: Deferred numbers

  @Test func deferGivesLazyNumbers() throws {
    let lines = try bench.lines(
      """
      local t = mk.tensor { 3, 1, 2 }
      local low, high = mk.defer({ t:min(), t:max(), 10 }, function(a, b, c)
        print("computed", a, b, c)
        if a > b then return 0, 0 end
        return a + c, b + c
      end, 2)
      print(low, high)
      print(low:item(), high:item(), (low * high):item())
      -- A deferred number is an input of the next, and of tensors.
      local sum = mk.defer({ low, high }, function(a, b) return a + b end)
      print((t * sum):sum():item())
      print(select("#", mk.defer({}, function() return 1 end)))
      local first, second = mk.defer({}, function() return 1 end)
      print(first:item(), second:item() ~= second:item())
      """)
    #expect(
      lines == [
        "lazy number\tlazy number", "computed\t1.0\t3.0\t10.0", "11.0\t13.0\t143.0", "144.0", "8",
        "1.0\ttrue",
      ])
  }

  @Test(arguments: [
    (
      "mk.defer({ t }, function() end)",
      "recipe.lua:2: defer: expected one element, got shape [2]"
    ),
    (
      "mk.defer({ t:sum() }, 3)",
      "recipe.lua:2: bad argument #2 to 'defer' (function expected, got number)"
    ),
    (
      "local n = mk.defer({ t:sum() }, function(a) return a, a end, 3)\nprint(n:item())",
      "recipe.lua:2: defer: the function returned 2 results, expected 3"
    ),
    (
      "local n = mk.defer({ t:sum() }, function(a) return 'x' end)\nprint(n:item())",
      "recipe.lua:2: defer: result 1 of the function is no number, but string"
    ),
    (
      "local n = mk.defer({ t:sum() }, function(a)\n  error('not ' .. a)\nend)\nprint(n:item())",
      "recipe.lua:3: not 2.0"
    ),
    (
      "local n = mk.defer({ t:sum() }, function(a)\n  return t:max():item()\nend)\nprint(n:item())",
      "recipe.lua:3: item: not within a function given to defer, whose arguments are numbers already"
    ),
    (
      "local n = mk.defer({ t:sum() }, function(a)\n  mk.model(here .. 'one'):save(here .. 'out')\nend)\nprint(n:item())",
      "recipe.lua:3: save: not within a function given to defer"
    ),
    ("mk.defer({}, print, 0)", "recipe.lua:2: bad argument #3 to 'defer' (1 to 200 results expected, got 0)"),
  ])
  func deferredErrors(script: String, expected: String) throws {
    #expect(bench.error("local t = mk.tensor{ 1, 1 }\n\(script)") == expected)
    #expect(try bench.entries() == ["one"])
  }

  @Test func deferredErrorsWhileAnOutputIsWrittenNameItsTensor() {
    let found = bench.outputError(
      """
      return mk.model(here .. "one"):map(function(x)
        return x * mk.defer({ x:sum() }, function(a)
          error("no " .. a)
        end)
      end)
      """)
    #expect(found == "recipe.lua:3: tensor 'x': no 0.0")
  }

  // MARK: The host's functions

  @Test func helpersForMethods() throws {
    #expect(
      try bench.shown("mk.nearest('wieght', { 'weight', 'scale' }), mk.nearest('q', { 'weight' })")
        == "weight\tnil")
    #expect(
      try bench.shown("mk.promote{ 'bf16', 'f16' }, mk.promote{ 'bf16' }, mk.promote{}")
        == "float32\tbfloat16\tnil")
    #expect(try bench.shown("mk.is_float('f8_e4m3'), mk.is_float('int8')") == "true\tfalse")
    #expect(
      try bench.shown("mk.dtype_name('half'), mk.module_exists('methods/linear'), mk.module_exists('nope')")
        == "float16\ttrue\tfalse")
    #expect(
      try bench.shown("table.concat(mk.method_names(), ' ')").contains(
        "model_stock multislerp nearswap nuslerp passthrough"))
    #expect(bench.error("local x = 1\nmk.fail('words')") == "recipe.lua:2: words")
  }

  @Test func identicalTensorsAreCopied() throws {
    try bench.makeModel("a", [TestTensor("ids", integers: [1, 2, 3])])
    try bench.makeModel("b", [TestTensor("ids", integers: [1, 2, 3])])
    try bench.makeModel("c", [TestTensor("ids", integers: [1, 2, 4])])
    func merged(_ names: String) -> String {
      """
      local tensors = {}
      for name in ("\(names)"):gmatch "." do tensors[#tensors + 1] = mk.model(here .. name):tensor "ids" end
      return mk.model(here .. "a"):map(function() return mk.identical(tensors) end)
      """
    }
    #expect(try bench.tensor(merged("ab"), "ids") == TestTensor("ids", integers: [1, 2, 3]))
    #expect(
      bench.outputError(merged("abc"))
        == #"tensor 'ids': a/model.safetensors: tensor 'ids' and c/model.safetensors: tensor 'ids' differ, and their dtype can only be copied"#
    )
  }
}
