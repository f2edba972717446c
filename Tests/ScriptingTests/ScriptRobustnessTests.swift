import ScriptTestSupport
import Scripting
import Testing

/// Scripts that mean harm, or are wrong in ways that could.
@Suite struct ScriptRobustnessTests {
  let bench: ScriptBench

  init() throws {
    bench = try ScriptBench()
    try bench.makeModel("one", [TestTensor("x", .f32, [2], [1, 2])])
  }

  @Test(arguments: [
    // Sizes behind a zero overflow where parts of the shape are multiplied.
    ("mk.zeros { 0, 1 << 62, 1 << 62 }:sum(1)", "has too many elements"),
    ("mk.zeros { 0, 2 }:pad(2, math.maxinteger, math.maxinteger)", "has too many elements"),
    (
      "local s = {} for i = 1, 65 do s[i] = 1 end mk.zeros(s)",
      "a tensor of 65 dimensions (expected at most 64)"
    ),
    // A length that Lua finds in a table with holes.
    ("mk.cat { mk.zeros { 1 }, nil, mk.zeros { 1 } }", "element 2 of a list of 3 is nil"),
    ("mk.merge { method = 'linear', models = { one, nil, one } }", "merge: models[2] is nil"),
    // An error object that raises itself when it is described.
    (
      "local e = {} error(setmetatable(e, { __tostring = function() error(e) end }))",
      "error object whose __tostring failed"
    ),
    // Models of models without end.
    ("local m = one while true do m = m:map(function(t) return t end) end", "a chain of 91 models"),
    ("cod = nil print(cod)", "variable 'cod' is not defined"),
  ])
  func isRefused(script: String, expected: String) {
    let message = bench.error("local one = mk.model(here .. 'one')\n\(script)")
    #expect(message.hasPrefix("recipe.lua:2: "))
    #expect(message.contains(expected))
  }

  @Test func listsThatShareListsCountAsOftenAsTheyStand() {
    let message = bench.error(
      """
      local row, plane, cube = {}, {}, {}
      for i = 1, 1000 do row[i], plane[i], cube[i] = i, row, plane end
      mk.tensor(cube)
      """)
    #expect(message.contains("of memory (--memory-limit)"))
  }

  /// Each worker holds what it ranks, which for long rows is far more than a tile.
  @Test func rankingLongRowsCounts() throws {
    bench.options.limits.memoryBytes = 16 << 20
    let rank = { (row: Int) in "mk.zeros { 2, \(row) }:rank(2)" }
    #expect(try bench.shown(rank(50_000)) == "tensor [2, 50000] float32")
    let message = bench.error("local r = \(rank(1 << 20))")
    #expect(message.contains("of memory (--memory-limit)"))
  }

  /// What is held while a pass runs and grows with a row, a result or a script, not with a tile.
  @Test(arguments: [
    ("mk.zeros { 2, N }:sort(2)", 50_000, 1 << 20), ("mk.zeros { 2, N }:argsort(2)", 50_000, 1 << 20),
    ("mk.zeros { 2, N }:topk_mask(9, 2)", 50_000, 1 << 20), ("mk.zeros { N, 2 }:sort(1)", 50_000, 1 << 20),
    ("mk.zeros { 2, N }:cumsum(2)", 50_000, 4 << 20),
    ("mk.zeros { 40, N }:sum(1)", 50_000, 2 << 20),
    (
      "(function() local s = 0 for i = 1, N do s = s + mk.full({ 1 << 20 }, i):kth_largest(9) end return s end)()",
      20, 200
    ),
  ])
  func workingSetsCount(expression: String, small: Int, large: Int) throws {
    bench.options.limits.memoryBytes = 16 << 20
    let sized = { (size: Int) in expression.replacing("N", with: String(size)) }
    #expect(try !bench.shown(sized(small)).isEmpty)
    let message = bench.error("local r = " + sized(large))
    #expect(message.contains("of memory (--memory-limit)"), "\(message)")
  }

  @Test func resultsHeldInMemoryCount() {
    let message = bench.error(
      """
      local held = {}
      for i = 1, 1000 do
        local sums = mk.full({ 1000000, 2 }, i):sum(2)
        held[i] = sums
        local total = sums:sum():item()
      end
      """)
    #expect(message.contains("of memory (--memory-limit)"))
  }

  @Test func chainsAreNotWalkedAgainAndAgain() throws {
    let output = try bench.output(
      """
      local one = mk.model(here .. "one")
      local m = one
      for i = 1, 60 do
        m = mk.merge { method = "linear", models = { { m, weight = 0.5 }, { one, weight = 0.5 } } }
      end
      return m
      """)
    #expect(output.map(\.elements) == [[1, 2]])
  }

  @Test func weakTablesMayShrinkWhileTheyAreSorted() throws {
    let lines = try bench.lines(
      """
      for round = 1, 200 do
        local weak = setmetatable({}, { __mode = "v" })
        for i = 1, 200 do weak["key" .. i] = { i } end
        local seen = 0
        for key, value in pairs(weak) do seen = seen + #value end
      end
      print("whole")
      """)
    #expect(lines == ["whole"])
  }
}
