import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// What scripts see of tensors and lazy numbers. That the arithmetic is right is tested with `Tensors`.
@Suite struct TensorBindingTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  // MARK: Fields

  @Test func fieldsAndText() throws {
    try bench.makeModel("m", [TestTensor("w", .bf16, [2, 3], [1, 2, 3, 4, 5, 6])])
    let lines = try bench.lines(
      """
      local w = mk.model(here .. "m"):tensor("w")
      print(table.concat(w.shape, "x"), w.dtype, w.numel, w.ndim)
      print(w, w:sum(), mk.tensor(2.5):sum() * 2, mk.full({ 2 }, 1) + 1)
      print(w:sum().numel, w:sum().ndim, w:sum().dtype, #w:sum().shape)
      print(math.type(w.numel), mk.is_tensor(w), mk.is_tensor(w:sum()), mk.is_tensor(1), mk.is_tensor())
      """)
    #expect(
      lines == [
        "2x3\tbfloat16\t6\t2",
        "tensor [2, 3] bfloat16\tlazy number\tlazy number\ttensor [2] float32",
        "1\t0\tfloat32\t0",
        "integer\ttrue\ttrue\tfalse\tfalse",
      ])
  }

  @Test(arguments: [
    ("mk.tensor{1}.shap", "a tensor has no field or method 'shap' (did you mean 'shape'?)"),
    ("mk.tensor{1}:nrom()", "a tensor has no field or method 'nrom' (did you mean 'norm'?)"),
    ("mk.tensor{1}.wholly_unlike", "a tensor has no field or method 'wholly_unlike'"),
    ("mk.tensor{1}[1]", "a tensor has no elements to index; use narrow or index_select"),
    ("#mk.tensor{1}", "a tensor has no length; use x.shape[1], or x.numel for all elements"),
    ("mk.tensor{1} .. 'x'", "attempt to concatenate a tensor value"),
    ("mk.tensor{1} < 1", "'<' is not available for lazy tensors; use a:lt(b)"),
    ("1 <= mk.tensor{1}:sum()", "'<=' is not available for lazy tensors; use a:le(b)"),
    ("1 + mk.tensor{1} + {}", "+: cannot compute with a table value on the right"),
    ("'2' * mk.tensor{1}", "*: cannot compute with a string value on the left"),
    ("nil / mk.tensor{1}", "/: cannot compute with a nil value on the left"),
    ("mk.tensor{1} % 'x'", "%: cannot compute with a string value on the right"),
  ])
  func whatATensorHasNot(expression: String, expected: String) {
    #expect(bench.error("local _ = \(expression)") == "recipe.lua:1: \(expected)")
  }

  // MARK: Operators

  @Test func operatorsMixNumbersLazyNumbersAndTensors() throws {
    let before = "local t = mk.tensor{ 1, 2, 4 }; local s = t:sum(); "
    #expect(try bench.elements("2 * t + 1", before: before) == [3, 5, 9])
    #expect(try bench.elements("t / s * 7", before: before) == [1, 2, 4])
    #expect(try bench.elements("s - t", before: before) == [6, 5, 3])
    #expect(try bench.elements("-t ^ 2", before: before) == [-1, -4, -16])
    #expect(try bench.elements("2 ^ t", before: before) == [2, 4, 16])
    #expect(try bench.elements("t * t - t", before: before) == [0, 2, 12])
    #expect(try bench.number("(1 + mk.tensor{ 1, 2 }:sum() * 2 - 3 / mk.tensor(3):max()) ^ 2") == 36)
    // Lazy numbers are float64.
    #expect(try bench.number("mk.tensor{ 1 }:sum() / 3") == 1.0 / 3)
    #expect(try bench.number("mk.tensor{ 1 }:sum() + 1e-12 - 1") == 1 + 1e-12 - 1)
  }

  @Test func operandsAreStretched() throws {
    let before = "local t = mk.tensor{ { 1, 2, 3 }, { 4, 5, 6 } }; "
    #expect(try bench.elements("t + mk.tensor{ 10, 20, 30 }", before: before) == [11, 22, 33, 14, 25, 36])
    #expect(try bench.elements("t * mk.tensor{ { 1 }, { -1 } }", before: before) == [1, 2, 3, -4, -5, -6])
    #expect(try bench.elements("t - t:mean(1)", before: before) == [-1.5, -1.5, -1.5, 1.5, 1.5, 1.5])
    #expect(
      bench.error("local x = 1\nlocal _ = mk.zeros{ 2, 3 } + mk.zeros{ 3, 2 }")
        == "recipe.lua:2: +: shapes [2, 3] and [3, 2] cannot be broadcast")
  }

  @Test func dtypesOfResults() throws {
    try bench.makeModel(
      "m",
      [TestTensor("b", .bf16, [1], [1]), TestTensor("h", .f16, [1], [1]), TestTensor("d", .f64, [1], [1])])
    let lines = try bench.lines(
      """
      local m = mk.model(here .. "m")
      local b, h, d = m:tensor "b", m:tensor "h", m:tensor "d"
      print((b + 1).dtype, (b + b).dtype, (b + h).dtype, (h * d).dtype, (b * b:sum()).dtype)
      print(mk.zeros({ 1 }).dtype, (b + mk.zeros { 1 }).dtype, b:gt(0).dtype, b:to("float16").dtype)
      """)
    #expect(
      lines == ["bfloat16\tbfloat16\tfloat32\tfloat64\tbfloat16", "float32\tbfloat16\tfloat32\tfloat16"])
  }

  // MARK: Element by element

  @Test(
    arguments: [
      ("t:abs()", [2, 1.5, 0, 4]), ("t:neg()", [2, 1.5, 0, -4]), ("t:sign()", [-1, -1, 0, 1]),
      ("t:floor()", [-2, -2, 0, 4]), ("t:round()", [-2, -2, 0, 4]), ("t:abs():sqrt():round()", [1, 1, 0, 2]),
      ("(t * 0):exp()", [1, 1, 1, 1]), ("(t * 0 + 1):log()", [0, 0, 0, 0]), ("(t * 0):sin()", [0, 0, 0, 0]),
      ("(t * 0):cos()", [1, 1, 1, 1]), ("(t * 0 + 1):acos()", [0, 0, 0, 0]),
      ("t:minimum(-1)", [-2, -1.5, -1, -1]), ("t:maximum(u)", [1, 1, 1, 4]),
      ("t:eq(0)", [0, 0, 1, 0]), ("t:ne(0)", [1, 1, 0, 1]), ("t:lt(u)", [1, 1, 1, 0]),
      ("t:le(-1.5)", [1, 1, 0, 0]),
      ("t:gt(-2)", [0, 1, 1, 1]), ("t:ge(0)", [0, 0, 1, 1]),
      ("t:clamp(-1, 1)", [-1, -1, 0, 1]), ("t:clamp(nil, 1)", [-2, -1.5, 0, 1]),
      ("t:clamp(-1)", [-1, -1, 0, 4]),
      ("t:gt(0):where(t, u)", [1, 1, 1, 4]), ("mk.where(t:gt(0), 7, t)", [-2, -1.5, 0, 7]),
      ("mk.where(t:sum():gt(0), t, u)", [-2, -1.5, 0, 4]),
      ("mk.abs(t)", [2, 1.5, 0, 4]), ("mk.maximum(0, t)", [0, 0, 0, 4]), ("mk.gt(1, t)", [1, 1, 1, 0]),
      ("t:to('float8_e4m3fn') + u * 0", [-2, -1.5, 0, 4]),
      ("(t + 0.03):to('float8_e5m2')", [-2, -1.5, 0.03125, 4]),
    ] as [(String, [Float])])
  func elementByElement(expression: String, expected: [Float]) throws {
    let before = "local t = mk.tensor{ -2, -1.5, 0, 4 }; local u = mk.tensor{ 1, 1, 1, 1 }; "
    #expect(try bench.elements(expression, before: before) == expected)
  }

  @Test func functionsOfPlainNumbersGivePlainNumbers() throws {
    #expect(
      try bench.shown(
        "mk.abs(-2), mk.sqrt(9), mk.maximum(1, 3), mk.lt(1, 2), mk.where(1, 2, 3), mk.where(0, 2, 3)")
        == "2.0\t3.0\t3.0\t1.0\t2.0\t3.0")
    #expect(
      try bench.shown("mk.abs(mk.tensor(-2):sum()), mk.where(mk.tensor(0):sum(), 2, 3)")
        == "lazy number\tlazy number")
  }

  // MARK: Reductions and selection

  @Test(
    arguments: [
      ("t:sum()", 21), ("t:mean()", 3.5), ("t:min()", 1), ("t:max()", 6), ("t:norm()", 91.0.squareRoot()),
      ("t:dot(t)", 91), ("t:var()", 3.5), ("t:var(nil, 0)", 17.5 / 6), ("(t - 1):count_nonzero()", 5),
      ("t:kth_largest(2)", 5), ("t:softmax():sum()", 1),
    ] as [(String, Double)])
  func reductionsToANumber(expression: String, expected: Double) throws {
    let found = try bench.number(
      "(function(t) return \(expression) end)(mk.tensor{ { 1, 2, 3 }, { 4, 5, 6 } })")
    #expect(abs(found - expected) < 1e-7)
  }

  @Test(
    arguments: [
      ("t:sum(1)", [5, 7, 9], "1x3"), ("t:sum(2)", [6, 15], "2x1"), ("t:sum(-1)", [6, 15], "2x1"),
      ("t:mean(1)", [2.5, 3.5, 4.5], "1x3"), ("t:min(2)", [1, 4], "2x1"), ("t:max(1)", [4, 5, 6], "1x3"),
      ("t:dot(t, 2)", [14, 77], "2x1"), ("t:var(2)", [1, 1], "2x1"), ("t:var(2, 0) * 3", [2, 2], "2x1"),
      ("(t - 4):count_nonzero(1)", [1, 2, 2], "1x3"), ("t:norm(1) ^ 2", [17, 29, 45], "1x3"),
      ("t:softmax(1):sum(1)", [1, 1, 1], "1x3"), ("t:rank(2)", [1, 2, 3, 1, 2, 3], "2x3"),
      ("(-t):rank(1)", [2, 2, 2, 1, 1, 1], "2x3"), ("t:topk_mask(2)", [0, 0, 0, 0, 1, 1], "2x3"),
      ("(t * 0):topk_mask(2)", [1, 1, 0, 0, 0, 0], "2x3"),
      ("t:topk_mask(t:min() + 2)", [0, 0, 0, 1, 1, 1], "2x3"),
      ("t:topk_mask{ 1, 2 }[2]", [0, 0, 0, 0, 1, 1], "2x3"),
      ("t * 0 + t:kth_largest{ 1, 3, 6 }[2]", [4, 4, 4, 4, 4, 4], "2x3"),
    ] as [(String, [Float], String)])
  func reductionsAlongADimension(expression: String, expected: [Float], shape: String) throws {
    let before = "local t = mk.tensor{ { 1, 2, 3 }, { 4, 5, 6 } }; "
    let found = try bench.elements(expression, before: before)
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 } && found.count == expected.count)
    #expect(try bench.lines(before + "print(table.concat((\(expression)).shape, 'x'))") == [shape])
  }

  @Test(arguments: [
    ("t:sum(3)", "sum: no dimension 3 in shape [2, 3] (expected 1 to 2, or -1 to -2)"),
    ("t:sum(0)", "sum: no dimension 0 in shape [2, 3] (expected 1 to 2, or -1 to -2)"),
    ("t:sum():mean(1)", "mean: no dimension 1 in a scalar"),
    ("t:sum('1')", "bad argument #1 to 'sum' (number expected, got string)"),
    ("t:rank()", "bad argument #1 to 'rank' (number expected, got no value)"),
    ("t:dot(1)", "bad argument #1 to 'dot' (tensor expected, got number)"),
    ("t:dot(mk.zeros{ 3, 2 })", "dot: shapes [2, 3] and [3, 2] do not match"),
    ("t:kth_largest(0)", "kth_largest: k is 0, expected a whole number from 1 to 6"),
    ("t:kth_largest(7)", "kth_largest: k is 7, expected a whole number from 1 to 6"),
    ("t:topk_mask(1.5)", "topk_mask: k is 1.5, expected a whole number from 0 to 6"),
    ("t:topk_mask(t)", "topk_mask: k: expected one element, got shape [2, 3]"),
    ("t:topk_mask()", "bad argument #1 to 'topk_mask' (tensor or number expected, got no value)"),
    (
      "t:topk_mask{ 1, 'x' }",
      "bad argument #1 to 'topk_mask' (element 2: tensor or number expected, got string)"
    ),
    ("t:clamp()", "clamp: expected a lowest or a highest value"),
    ("t:clamp('x')", "bad argument #1 to 'clamp' (tensor or number expected, got string)"),
    ("t:to('bfloat15')", "unknown dtype 'bfloat15' (did you mean 'bfloat16'?)"),
    (
      "t:to('int64')",
      "to: dtype I64 is not one that can be computed (expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2)"
    ),
    ("t:to()", "bad argument #1 to 'to' (string expected, got no value)"),
    ("t:item()", "item: expected one element, got shape [2, 3]"),
    ("t:reshape(4)", "reshape: 6 elements of shape [2, 3] do not fill shape [4]"),
    ("t:reshape(-1, 4)", "reshape: 6 elements of shape [2, 3] do not fill shape [-1, 4]"),
    ("t:reshape{ -2, -3 }", "a shape has no negative sizes (got [-2, -3])"),
    ("t:transpose(1)", "bad argument #2 to 'transpose' (number expected, got no value)"),
    (
      "mk.zeros{ 1, 1, 1 }:transpose()",
      "transpose: expected the two dimensions to exchange, for a tensor of shape [1, 1, 1]"
    ),
    ("t:narrow(2, 3, 2)", "narrow: 2 elements from 3 on are not within a dimension of size 3"),
    ("t:narrow(2, 0, 1)", "narrow: 1 elements from 0 on are not within a dimension of size 3"),
    (
      "t:index_select(1, { 1, 3 })",
      "index_select: index 3 is not within a dimension of size 2 (expected 1 to 2)"
    ),
    ("t:index_select(1, 1)", "bad argument #2 to 'index_select' (table expected, got number)"),
    (
      "t:index_select(1, { 1.5 })",
      "bad argument #2 to 'index_select' (element 1: integer expected, got number)"
    ),
    ("t:pad(1, -1, 0)", "a shape has no negative sizes (got [-1, 0])"),
    ("t.sum(1)", "bad argument #1 to 'sum' (tensor expected, got number)"),
    ("mk.abs('x')", "bad argument #1 to 'abs' (tensor or number expected, got string)"),
    ("mk.maximum(t)", "bad argument #2 to 'maximum' (tensor or number expected, got no value)"),
  ])
  func badArguments(expression: String, expected: String) {
    let script = "local t = mk.zeros{ 2, 3 }\nlocal _ = \(expression)"
    #expect(bench.error(script) == "recipe.lua:2: \(expected)")
  }

  // MARK: Shape

  @Test(
    arguments: [
      ("t:reshape(3, 2)", [1, 2, 3, 4, 5, 6], "3x2"), ("t:reshape{ -1 }", [1, 2, 3, 4, 5, 6], "6"),
      ("t:transpose()", [1, 4, 2, 5, 3, 6], "3x2"), ("t:transpose(-1, 1)", [1, 4, 2, 5, 3, 6], "3x2"),
      ("t:narrow(2, 2, 2)", [2, 3, 5, 6], "2x2"), ("t:narrow(-2, 2, 1)", [4, 5, 6], "1x3"),
      ("t:index_select(2, { 3, 1, 3 })", [3, 1, 3, 6, 4, 6], "2x3"),
      ("t:pad(2, 1, 0)", [0, 1, 2, 3, 0, 4, 5, 6], "2x4"),
      ("t:pad(1, 0, 1, 9)", [1, 2, 3, 4, 5, 6, 9, 9, 9], "3x3"),
      ("mk.cat{ t, -t }", [1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6], "4x3"),
      ("mk.cat({ t, t:narrow(2, 1, 1) }, 2)", [1, 2, 3, 1, 4, 5, 6, 4], "2x4"),
      ("mk.stack{ t, -t }:narrow(3, 1, 1)", [1, 4, -1, -4], "2x2x1"),
      ("mk.stack({ t, -t }, 3)", [1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6], "2x3x2"),
      ("mk.stack({ t, -t }, -1):sum(-1) + t:reshape(2, 3, 1)", [1, 2, 3, 4, 5, 6], "2x3x1"),
    ] as [(String, [Float], String)])
  func shapes(expression: String, expected: [Float], shape: String) throws {
    let before = "local t = mk.tensor{ { 1, 2, 3 }, { 4, 5, 6 } }; "
    #expect(try bench.elements(expression, before: before) == expected)
    #expect(try bench.lines(before + "print(table.concat((\(expression)).shape, 'x'))") == [shape])
  }

  @Test func itemForcesNumbersAndSingleElements() throws {
    #expect(try bench.number("mk.tensor{ { 2.5 } }") == 2.5)
    #expect(try bench.number("mk.tensor{ 1, 2, 3 }:sum() * 2") == 12)
    #expect(try bench.shown("math.type(mk.tensor{ 3 }:item())") == "float")
  }

  @Test func copiedDtypesAreNotComputedWith() throws {
    try bench.makeModel("m", [TestTensor("ids", integers: [1, 2, 3])])
    let prefix = "local ids = mk.model(here .. 'm'):tensor('ids')\nlocal _ = "
    #expect(
      bench.error(prefix + "ids + 1")
        == "recipe.lua:2: +: a tensor of dtype I64 can only be copied, not computed with")
    #expect(
      bench.error(prefix + "ids:sum()")
        == "recipe.lua:2: sum: a tensor of dtype I64 can only be copied, not computed with")
    #expect(
      try bench.lines(prefix + "print(ids, ids.shape[1], ids.dtype)").first == "tensor [3] int64\t3\tint64")
  }
}
