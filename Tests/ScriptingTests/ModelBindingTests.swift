import Foundation
import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Models as scripts see them.
@Suite struct ModelBindingTests {
  let bench: ScriptBench
  let base = "local base = mk.model '\(fixture("models/base"))'; "

  init() throws { bench = try ScriptBench() }

  /// As many as Lua can build through, with some calls to spare.
  @Test func chainsHaveAnEnd() throws {
    let chain = base + "local m = base\nfor _ = 1, COUNT do m = m:map(function(t) return -t end) end\n"
    let shape = try bench.lines(
      chain.replacing("COUNT", with: "90") + "print(#m:tensor('model.norm.weight').shape)")
    #expect(shape == ["1"])
    #expect(
      bench.error(chain.replacing("COUNT", with: "91"))
        == "recipe.lua:2: a chain of 91 models made of models is too long (Lua's stack has room for 90); save one in between"
    )
  }

  // MARK: Looking

  @Test func fields() throws {
    let lines = try bench.lines(
      base + """
        print(base.num_layers, base.name == "\(fixture("models/base"))", #base:names(), base:names()[1])
        print(base:has("lm_head.weight"), base:has("lm_head"), mk.is_model(base), mk.is_model(1), mk.is_model())
        print(#base.modules, base.modules[1].name, base.modules[1].num_layers, base.modules[1].prefix)
        print(tostring(mk.model(here .. "one")) == "model '" .. here .. "one'")
        """)
    #expect(
      lines == [
        "4\ttrue\t39\tmodel.embed_tokens.weight", "true\tfalse\ttrue\tfalse\tfalse",
        "1\tdefault\t4\tmodel.layers",
        "true",
      ])
  }

  @Test func configIsATable() throws {
    try bench.makeModel(
      "m", [TestTensor("w", .f32, [1], [0])],
      config: #"{"a": 1, "b": 2.5, "c": [1, "x", true], "d": {"e": null, "f": 1e-5}, "g": 10000.0}"#)
    let lines = try bench.lines(
      """
      local c = mk.model(here .. "m").config
      print(math.type(c.a), c.b, #c.c, c.c[2], c.c[3], c.d.e, c.d.f, math.type(c.g))
      c.a = 5
      print(mk.model(here .. "m").config.a)
      """)
    #expect(lines == ["integer\t2.5\t3\tx\ttrue\tnil\t1e-05\tfloat", "1"])
    #expect(try bench.shown("mk.model('\(fixture("safetensors/values.safetensors"))').config") == "nil")
  }

  @Test func infoTellsWhatATensorIs() throws {
    let lines = try bench.lines(
      base + """
        local function show(name)
          local i = base:info(name)
          print(i.name, table.concat(i.shape, "x"), i.dtype, i.kind, i.layer, i.num_layers, i.module, i.template)
          print(i.depth)
        end
        show "model.embed_tokens.weight"
        show "model.layers.1.mlp.up_proj.weight"
        show "model.layers.3.input_layernorm.weight"
        show "lm_head.weight"
        """)
    #expect(
      lines == [
        "model.embed_tokens.weight\t32x16\tbfloat16\tembedding\tnil\t4\tdefault\tmodel.embed_tokens.weight",
        "0.0",
        "model.layers.1.mlp.up_proj.weight\t24x16\tbfloat16\tweight\t1\t4\tdefault\tmodel.layers.{layer}.mlp.up_proj.weight",
        "0.33333333333333",
        "model.layers.3.input_layernorm.weight\t16\tbfloat16\tnorm\t3\t4\tdefault\tmodel.layers.{layer}.input_layernorm.weight",
        "1.0", "lm_head.weight\t32x16\tbfloat16\thead\tnil\t4\tdefault\tlm_head.weight", "0.0",
      ])
  }

  @Test func specificationAndNamesInCommon() throws {
    try bench.makeModel("ab", [TestTensor("a", .f32, [2, 1], [0, 0]), TestTensor("b", .bf16, [], [0])])
    try bench.makeModel("ba", [TestTensor("b", .f32, [1], [0]), TestTensor("a", .f32, [1], [0])])
    try bench.makeModel("ac", [TestTensor("a", .f32, [1], [0]), TestTensor("c", .f32, [1], [0])])
    try bench.makeModel("abc", ["a", "b", "c"].map { TestTensor($0, .f32, [1], [0]) })
    let lines = try bench.lines(
      """
      local function model(name) return mk.model(here .. name) end
      local ab, ba, ac, abc = model "ab", model "ba", model "ac", model "abc"
      local shape, dtype = ab:specification("a")
      print(table.concat(shape, "x"), dtype, #ab:specification("b"), select(2, ab:specification("b")))
      print(ab:has_same_names(ab), ab:has_same_names(ba), ab:has_same_names(ac))
      print(ab:has_same_names(abc), abc:has_same_names(ab))
      """)
    #expect(lines == ["2x1\tfloat32\t0\tbfloat16", "true\ttrue\tfalse", "false\tfalse"])
    #expect(bench.error("mk.model(here .. 'ab'):specification('x')").contains("has no tensor 'x'"))
  }

  @Test func depthInASingleLayerIsOne() throws {
    try bench.makeModel(
      "m",
      [
        TestTensor("model.layers.0.w", .f32, [1], [0]),
        TestTensor("model.embed_tokens.weight", .f32, [1, 1], [0]),
      ])
    #expect(
      try bench.lines(
        """
        local m = mk.model(here .. "m")
        for name in m:tensors() do print(name, m:info(name).depth) end
        """) == ["model.layers.0.w\t1.0", "model.embed_tokens.weight\t0.0"])
  }

  @Test func tensorsInOrder() throws {
    let lines = try bench.lines(
      base + """
        local names = {}
        for name, tensor in base:tensors() do
          assert(mk.is_tensor(tensor) and tensor.dtype == "bfloat16")
          names[#names + 1] = name
        end
        print(#names == #base:names() and table.concat(names) == table.concat(base:names()))
        """)
    #expect(lines == ["true"])
  }

  @Test func oneModelIsEqualToItselfOnly() throws {
    #expect(
      try bench.lines(
        """
        local a, b = mk.model(here .. "one"), mk.model(here .. "one")
        local function double(x) return x * 2 end
        local c, d = a:map(double), a:map(double)
        print(a == b, c == c, c == d, a == c, a == mk.tensor(1))
        """) == ["true\ttrue\tfalse\tfalse\tfalse"])
  }

  @Test(arguments: [
    (
      "base:tensor('lm_head.wieght')",
      "model 'base' has no tensor 'lm_head.wieght' (did you mean 'lm_head.weight'?)"
    ),
    ("base:info('x')", "model 'base' has no tensor 'x'"),
    ("base:tensor()", "bad argument #1 to 'tensor' (string expected, got no value)"),
    ("base:has(1)", "bad argument #1 to 'has' (string expected, got number)"),
    ("base.tensor('x')", "bad argument #1 to 'tensor' (model expected, got string)"),
    ("base.layers", "a model has no field or method 'layers'"),
    ("base.num_layer", "a model has no field or method 'num_layer' (did you mean 'num_layers'?)"),
    ("base:map(1)", "bad argument #1 to 'map' (function expected, got number)"),
    ("base:save()", "bad argument #1 to 'save' (string expected, got no value)"),
    ("base:save('x', 1)", "bad argument #2 to 'save' (table expected, got number)"),
    (
      "base:save('x', { shards = 1 })",
      "bad argument #2 to 'save' (unknown option 'shards', expected dtype, shard_size or force)"
    ),
    ("base:save('x', { dtype = 'bf15' })", "unknown dtype 'bf15' (did you mean 'BF16'?)"),
    ("base:save('x', { dtype = 1 })", "bad argument #2 to 'save' (dtype: string expected, got number)"),
    (
      "base:save('x', { dtype = 'int8' })",
      "save: dtype I8 is not one that can be computed (expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2)"
    ),
    (
      "base:save('x', { shard_size = 'many' })",
      "expected a size such as 5GB, 500MB, 1GiB, 5B (5 billion) or a number of bytes, found 'many'"
    ),
  ])
  func badArguments(expression: String, expected: String) {
    let found = bench.error(base + "\nlocal _ = \(expression)")
    #expect(
      found.replacingOccurrences(of: fixture("models/base"), with: "base") == "recipe.lua:2: \(expected)")
  }

  @Test func quantizedModelsAreRefused() throws {
    try bench.makeModel(
      "q", [TestTensor("w", .f32, [1], [0])], config: #"{"quantization_config": {"quant_method": "gptq"}}"#)
    #expect(
      bench.error("\nlocal m = mk.model(here .. 'q')").replacingOccurrences(of: bench.folder + "/", with: "")
        == "recipe.lua:2: model 'q' is quantized (quantization_config: gptq); merge the original weights instead"
    )
    try bench.makeModel("n", [TestTensor("w", .f32, [1], [0])], config: #"{"quantization_config": null}"#)
    #expect(bench.error("mk.model(here .. 'n')") == "no error")
  }

  // MARK: Maps

  @Test func mapMakesAModel() throws {
    try bench.makeModel(
      "m",
      [TestTensor("a", .bf16, [2], [1, 2]), TestTensor("b", .f16, [1], [8]), TestTensor("n", integers: [7])])
    let script = """
      local m = mk.model(here .. "m")
      return m:map(function(t, info)
        assert(info.dtype == t.dtype and info.shape[1] == t.shape[1])
        if info.name == "a" then return (t / 3):to("float32") end
        if info.name == "b" then return mk.cat { t, t } end
        return t
      end)
      """
    let output = try bench.output(script)
    #expect(
      output.sorted { $0.name < $1.name } == [
        TestTensor("a", .f32, [2], [1.0 / 3, 2.0 / 3]), TestTensor("b", .f16, [2], [8, 8]),
        TestTensor("n", integers: [7]),
      ])
  }

  @Test func mapsAreBuiltOnlyWhenAskedFor() throws {
    let lines = try bench.lines(
      """
      local m = mk.model(here .. "one"):map(function(x) print "built"; return x + 1 end)
      print(m:has "x", m:has "y", #m:names(), m.name:sub(-9))
      print(m:info("x").dtype)
      print(m:tensor("x"):sum():item())
      """)
    #expect(lines == ["true\tfalse\t1\t (mapped)", "built", "float32", "1.0"])
  }

  @Test func randomMapsAreTheSameEachTime() throws {
    let script =
      base + "return base:map(function(t, info) return t + mk.randn(t.shape) * mk.rand(t.shape) end)"
    let output = try bench.output(script)
    #expect(try bench.output(script) == output)
    bench.options.threads = 3
    bench.options.tileSize = 7
    #expect(try bench.output(script) == output)
    // A tensor built twice, or for another reason than the output, is still the same.
    let looked = try bench.lines(
      base + """
        local m = base:map(function(t) return t + mk.randn(t.shape) end)
        local function look() local v = m:tensor("model.norm.weight"):sum():item(); collectgarbage(); return v end
        local first = look()
        local _ = mk.randn { 3 }
        print(first == look(), first == mk.stream("other", look))
        """)
    #expect(looked == ["true\ttrue"])
    bench.options.seed = 1
    #expect(try bench.output(script) != output)
  }

  // MARK: Saving

  @Test func saveWritesWithinAScript() throws {
    try bench.makeModel("m", [TestTensor("a", .f32, [2], [1, 2]), TestTensor("b", .f32, [2], [3, 4])])
    let lines = try bench.lines(
      """
      local m = mk.model(here .. "m"):map(function(t) return t + 1 end)
      m:save(here .. "plain")
      m:save(here .. "small", { dtype = "bfloat16", shard_size = 4 })
      m:save(here .. "text-size", { shard_size = "1KB" })
      print(mk.model(here .. "small"):tensor("b").dtype)
      print(pcall(m.save, m, here .. "plain"))
      m:save(here .. "plain", { force = true, dtype = "f16" })
      """)
    #expect(lines[0] == "bfloat16")
    #expect(
      lines[1].replacingOccurrences(of: bench.folder + "/", with: "")
        == "false\trecipe.lua:6: plain exists and is not empty; pass --force to replace it")
    #expect(try bench.tensors("plain").map(\.dtype) == [.f16, .f16])
    #expect(try bench.tensors("small").map(\.elements) == [[2, 3], [4, 5]])
    #expect(bench.exists("small/model-00002-of-00002.safetensors"))
    #expect(bench.exists("text-size/model.safetensors"))
    #expect(try bench.text("small/config.json").contains("bfloat16"))
    #expect(try bench.entries() == ["m", "one", "plain", "small", "text-size"])
  }

  @Test func saveIsRefusedWhileTensorsAreBuilt() throws {
    #expect(
      bench.outputError(
        "local m = mk.model(here .. 'one')\nreturn m:map(function(x)\n  m:save(here .. 'a')\n  return x\nend)"
      )
        == "recipe.lua:3: tensor 'x': save: not within a function given to map")
    #expect(
      bench.outputError(
        """
        local m = mk.model(here .. "one")
        local mine = mk.method { name = "mine", merge = function(t)
          m:save(here .. "a")
        end }
        return mk.merge { method = mine, models = { m } }
        """) == "recipe.lua:3: tensor 'x': save: not within a merge")
    #expect(!bench.exists("a"))
  }

  @Test func dryRunsSaveNothing() throws {
    bench.options.isDryRun = true
    try bench.lines("mk.model(here .. 'one'):save(here .. 'a')")
    #expect(!bench.exists("a"))
    #expect(
      bench.warnings.map { $0.replacingOccurrences(of: bench.folder + "/", with: "") }
        == ["dry run: 'one' is not saved to a"])
  }
}
