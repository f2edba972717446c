import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Linear algebra as scripts see it. That the numbers are right is tested with `Tensors`.
@Suite struct LinearAlgebraTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private func expectNear(_ expression: String, _ expected: [Float], before: String = "") throws {
    let found = try bench.elements(expression, before: before)
    #expect(
      found.count == expected.count && zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 }, "\(found)")
  }

  private static let matrices =
    "local a = mk.tensor{ { 3, 0 }, { 0, -2 }, { 0, 0 } }; local s = mk.tensor{ { 2, 1 }, { 1, 2 } }; "

  @Test func products() throws {
    try expectNear("a:matmul(s)", [6, 3, -2, -4, 0, 0], before: Self.matrices)
    try expectNear("a:transpose():matmul(a)", [9, 0, 0, 4], before: Self.matrices)
    try expectNear("mk.gram(a)", [9, 0, 0, 4], before: Self.matrices)
    try expectNear("mk.gram(a, 1)", [9, 0, 0, 0, 4, 0, 0, 0, 0], before: Self.matrices)
    try expectNear("mk.low_rank(a, s, 0.5)", [3, 1.5, -1, -2, 0, 0], before: Self.matrices)
    try expectNear("mk.eye(3)", [1, 0, 0, 0, 1, 0, 0, 0, 1])
  }

  @Test func decompositions() throws {
    let parts = Self.matrices + "local u, d, vt = a:svd(); "
    try expectNear("d", [3, 2], before: parts)
    try expectNear("vt", [1, 0, 0, 1], before: parts)
    try expectNear("(u * d):matmul(vt)", [3, 0, 0, -2, 0, 0], before: parts)
    try expectNear("u", [1, 0, 0], before: Self.matrices + "local u = a:svd{ rank = 1, iterations = 1 }; ")
    try expectNear("values", [1, 3], before: Self.matrices + "local values = s:eigh(); ")
    try expectNear("s:solve(mk.tensor{ 3, 3 })", [1, 1], before: Self.matrices)
    try expectNear("s:solve(mk.tensor{ 4, 4 }, { ridge = 1 })", [1, 1], before: Self.matrices)
    try expectNear(
      "s:solve(mk.tensor{ 4, 4 }, { ridge = mk.tensor{ 1 }:sum() })", [1, 1], before: Self.matrices)
  }

  @Test func composedOfThem() throws {
    try expectNear("mk.polar(a)", [1, 0, 0, -1, 0, 0], before: Self.matrices)
    try expectNear("mk.pinv(a)", [1.0 / 3, 0, 0, 0, -0.5, 0], before: Self.matrices)
    // A value that is nothing but rounding has no inverse.
    try expectNear("mk.pinv(mk.tensor{ { 1, 0 }, { 0, 1e-9 } })", [1, 0, 0, 0])
    let root = Self.matrices + "local r = mk.inverse_sqrt(s); "
    try expectNear("r:matmul(s):matmul(r)", [1, 0, 0, 1], before: root)
    try expectNear("mk.matrix_power(s, 2)", [5, 4, 4, 5], before: Self.matrices)
  }

  @Test func rowsAndOrder() throws {
    let t = "local t = mk.tensor{ { 3, 1, 2 }, { 6, 9, 6 } }; "
    try expectNear("t:sort(2)", [1, 2, 3, 6, 6, 9], before: t)
    try expectNear("t:argsort(-1)", [2, 3, 1, 1, 3, 2], before: t)
    try expectNear("t:cumsum(1)", [3, 1, 2, 9, 10, 8], before: t)
    try expectNear("t:topk_mask(1, 2)", [1, 0, 0, 0, 1, 0], before: t)
    try expectNear("t:topk_mask(2)", [0, 0, 0, 1, 1, 0], before: t)
    try expectNear("t:argmax(2)", [1, 2], before: t)
    try expectNear("t:quantile(0.5, 2)", [2, 6], before: t)
    try expectNear(
      "t:index_select(2, t:argsort(2):narrow(1, 1, 1):reshape(3))", [1, 2, 3, 9, 6, 6], before: t)
    try expectNear("mk.assign(mk.tensor{ { 1, 5 }, { 2, 9 } })", [1, 2])
    try expectNear("mk.tanh(mk.tensor{ 0, 100 })", [0, 1])
    #expect(try bench.number("mk.tensor{ 4, 1, 3 }:kth_smallest(2)") == 3)
    #expect(try bench.number("mk.tensor{ 4, 1, 3 }:argmax()") == 1)
    #expect(try bench.number("mk.tensor{ 4, 1, 3 }:quantile(0.25)") == 2)
  }

  @Test func listsOfElements() throws {
    let lines = try bench.lines(
      """
      local x = mk.tensor{ { 1, 2 }, { 3, 4.5 } } * 2
      local rows = x:list()
      print(#rows, rows[1][2], rows[2][2], x:sum():list(), #mk.zeros{ 0, 2 }:list())
      """)
    #expect(lines == ["2\t4.0\t9.0\t21.0\t0"])
  }

  @Test(arguments: [
    (
      "a:matmul(a)",
      "matmul: shapes [3, 2] and [3, 2] cannot be multiplied (expected [m, k] and [k, n], with the same leading dimensions or none)"
    ),
    ("a:svd{ rank = 3 }", "svd: rank is 3, expected 1 to 2"),
    ("a:svd{ ranks = 3 }", "bad argument #1 to 'svd' (unknown option 'ranks' (did you mean 'rank'?))"),
    ("a:svd{ rank = 'x' }", "bad argument #1 to 'svd' (whole numbers expected, got string)"),
    ("a:eigh()", "eigh: expected a square matrix, got shape [3, 2]"),
    ("s:solve(a)", "solve: shapes [2, 2] and [3, 2] do not match"),
    ("mk.gram(mk.tensor{ 1 })", "gram: expected a matrix, got shape [1]"),
    ("mk.polar(1)", "polar: expected a matrix"),
    ("mk.eye(1.5)", "eye: expected a whole number"),
    (
      "mk.tensor{ { 1, 2 }, { 3, 4 } }:eigh():sum():item()",
      "eigh: the matrix is not symmetric (elements [2, 1] and [1, 2] differ)"
    ),
    (
      "mk.tensor{ { 1, 2 }, { 2, 1 } }:solve(mk.tensor{ 1, 1 }):sum():item()",
      "solve: the matrix is not positive definite (pivot 2 of 2); a ridge may help"
    ),
  ])
  func badInput(expression: String, expected: String) {
    #expect(bench.error("\(Self.matrices)local _ = \(expression)") == "recipe.lua:1: \(expected)")
  }
}
