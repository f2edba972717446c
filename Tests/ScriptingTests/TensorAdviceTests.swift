import Foundation
import ScriptTestSupport
import Scripting
import Testing

/// What scripts in the habit of Torch, NumPy or plain numbers are told.
@Suite struct TensorAdviceTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private func failure(_ expression: String) -> String? {
    do {
      try bench.lines("local t, u = mk.tensor { 1, 2 }, mk.tensor { 1, 2 }\nlocal x = \(expression)")
      return nil
    } catch { return "\(error)" }
  }

  @Test(arguments: [
    (
      "t == u",
      "'==' cannot compare lazy tensors; use a:eq(b) for a mask, :item() for a number, or mk.defer for a condition on numbers that are known later"
    ),
    ("#t", "a tensor has no length; use x.shape[1], or x.numel for all elements"),
    ("t:view(2)", "a tensor has no field or method 'view'; write x:reshape(sizes)"),
    ("t:mul(2)", "a tensor has no field or method 'mul'; write x * y"),
    ("t.T", "a tensor has no field or method 'T'; write x:transpose()"),
    ("t:size(1)", "a tensor has no field or method 'size'; write x.shape"),
    ("t:tolist()", "a tensor has no field or method 'tolist'; write x:list()"),
    ("t:sums()", "a tensor has no field or method 'sums' (did you mean 'sum'?)"),
    ("t + { tensor = u }", "+: cannot compute with a table value on the right (did you mean '.tensor'?)"),
    ("{ tensor = u } * t", "*: cannot compute with a table value on the left (did you mean '.tensor'?)"),
    ("t + { other = u }", "+: cannot compute with a table value on the right"),
  ])
  func misuseSaysWhatToWrite(expression: String, message: String) {
    #expect(failure(expression) == "recipe.lua:2: \(message)")
  }

  /// An input of a method stands for a table; the tensor is a field of it.
  @Test func anInputIsNotItsTensor() throws {
    do {
      _ = try bench.elements(
        "mk.merge { method = mk.method { name = 'm', base = 'required', merge = function(t) return t.base + t.inputs[1] end }, base = mk.model(here .. 'one'), models = { mk.model(here .. 'one'):map(function(x) return x end) } }:tensor 'x'"
      )
      Issue.record("no error")
    } catch { #expect("\(error)".contains("(did you mean '.tensor'?)")) }
  }

  @Test func tensorsAreEqualToThemselves() throws {
    #expect(
      try bench.shown("(function() local t = mk.tensor { 1 } return t == t, t ~= t, t == nil end)()")
        == "true\tfalse\tfalse")
    #expect(
      try bench.shown(
        "(function() local m = mk.model(here .. 'one') return m:tensor 'x' == m:tensor 'x' end)()") == "true")
    #expect(try bench.shown("mk.tensor { 1 } == mk.model(here .. 'one')") == "false")
  }

  /// As Lua computes with numbers: quotients go down, remainders have the divisor's sign.
  @Test func divisionWithRemainder() throws {
    #expect(try bench.elements("mk.tensor { 7, -7, 6.5, 0 } // 3") == [2, -3, 2, 0])
    #expect(try bench.elements("mk.tensor { 7, -7, 6.5, 0 } % 3") == [1, 2, 0.5, 0])
    #expect(try bench.elements("7 % mk.tensor { 3, -3 }") == [1, -2])
    #expect(try bench.number("mk.tensor { 3, 4 }:norm() % 3") == 2)
  }

  @Test func shapesAreShown() throws {
    #expect(try bench.shown("mk.zeros { 24, 16 }.shape, mk.tensor(1).shape") == "[24, 16]\t[]")
    #expect(try bench.shown("mk.zeros { 2, 3 }.shape == mk.zeros { 2, 3 }.shape") == "true")
    #expect(try bench.shown("mk.zeros { 2, 3 }.shape == mk.zeros { 3, 2 }.shape") == "false")
    #expect(try bench.shown("mk.model(here .. 'one'):info('x').shape") == "[1]")
    #expect(try bench.shown("getmetatable(mk.zeros { 1 }.shape)") == "shape")
    // They are lists as before.
    #expect(
      try bench.shown("#mk.zeros { 4, 5 }.shape, table.concat(mk.zeros { 4, 5 }.shape, 'x')") == "2\t4x5")
    #expect(try bench.shown("mk.zeros(mk.zeros { 4, 5 }.shape)") == "tensor [4, 5] float32")
  }

  @Test func parametersBelongInParameters() {
    do {
      try bench.lines(
        "local m = mk.model(here .. 'one')\nmk.merge { method = 'slerp', base = m, models = { m }, t = 0.5 }")
      Issue.record("no error")
    } catch {
      #expect(
        "\(error)"
          == "recipe.lua:2: merge: unknown field 't': it is a parameter, write parameters = { t = … }")
    }
  }

  @Test(arguments: [
    (
      "mk.assert_close(1, 1.1)",
      "assert_close: 1 of 1 elements differ by more than 1e-06 + 1e-05 * |expected|; the largest difference is 0.1"
    ),
    (
      "mk.assert_close({ 1, 2, 3 }, { 1, 2.5, 5 }, { rtol = 0, atol = 0.1 })",
      "assert_close: 2 of 3 elements differ by more than 0.1 + 0 * |expected|; the largest difference is 2"
    ),
    ("mk.assert_close({ 1, 2 }, { 1 })", "assert_close: shape [2], expected [1]"),
    (
      "mk.assert_close({ 1 }, 'x')",
      "assert_close: the second argument: tensor, number or list expected, got string"
    ),
    ("mk.assert_close(1, 1, { tol = 1 })", "assert_close: unknown field 'tol' (did you mean 'rtol'?)"),
    ("mk.assert_close(1, 1, { atol = -1 })", "assert_close: atol: a number from 0 on expected, got -1"),
  ])
  func assertionsSayHowFarTheyAre(expression: String, message: String) {
    #expect(failure("\(expression)") == "recipe.lua:2: \(message)")
  }

  @Test func whatIsCloseIsCloseEnough() throws {
    try bench.lines(
      """
      mk.assert_close(1, 1 + 1e-7)
      mk.assert_close({ { 1, 2 }, { 3, 4 } }, mk.tensor { { 1, 2 }, { 3, 4 } })
      mk.assert_close({ 1 / 0 }, { 1 / 0 })
      mk.assert_close(mk.zeros { 0 }, {})
      assert(not pcall(mk.assert_close, { 0 / 0 }, { 0 / 0 }))
      """)
  }
}
