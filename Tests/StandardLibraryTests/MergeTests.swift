import Foundation
import Lua
import ScriptTestSupport
import Scripting
import Tensors
import TestSupport
import Testing

/// `mk.merge`: which tensors, which parameters, what becomes of the others.
@Suite struct MergeTests {
  let bench: ScriptBench

  /// A method that shows what it gets, and gives the first tensor that there is.
  private let spy = """
    local spy = mk.method { name = "spy", base = "optional", missing = rawget(_G, "missing") or "error",
      parameters = { lambda = 1, flag = false, mode = "a" }, per_input = { weight = 1, name_ = { type = "string" } },
      min_inputs = rawget(_G, "min_inputs"), max_inputs = rawget(_G, "max_inputs"),
      merge = function(t)
        local words = { t.name }
        for _, input in ipairs(t.inputs) do words[#words + 1] = input.model.name:match("[^/]*$") .. ":" .. tostring(input.weight) end
        print(table.concat(words, " "))
        return (t.base or t.inputs[1].tensor)
      end };
    """

  init() throws {
    bench = try ScriptBench()
    for (position, name) in ["a", "b", "c"].enumerated() {
      try bench.makeModel(
        name,
        [
          TestTensor("model.layers.0.w", .f32, [2], [Float(position), 1]),
          TestTensor("model.layers.1.w", .f32, [2], [Float(position), 2]),
        ])
    }
  }

  private let models = "local a, b, c = mk.model(here .. 'a'), mk.model(here .. 'b'), mk.model(here .. 'c'); "

  /// What the spy printed while a merge was computed.
  private func spied(_ merge: String, before: String = "") throws -> [String] {
    _ = try bench.output(before + models + spy + "return mk.merge { method = spy, \(merge) }")
    return bench.printed
  }

  // MARK: Parameters

  @Test func ownParametersGoBeforeSharedOnes() throws {
    #expect(
      try spied("models = { { a, weight = 3 }, b }, parameters = { weight = 2 }")
        == ["model.layers.0.w a:3 b:2", "model.layers.1.w a:3 b:2"])
    #expect(try spied("models = { a, b }") == ["model.layers.0.w a:1 b:1", "model.layers.1.w a:1 b:1"])
    // A filter that does not match falls through to the shared value, and then to the default.
    #expect(
      try spied(
        "models = { { a, weight = { { filter = '.0.', value = 5 } } }, b }, parameters = { weight = { { filter = 'layers.1', value = 7 } } }"
      )
        == ["model.layers.0.w a:5 b:1", "model.layers.1.w a:7 b:7"])
  }

  @Test func theArgumentHasWhatInfoHas() throws {
    let lines = try bench.lines(
      models + """
        local seen = mk.method { name = "seen", base = "required", parameters = { lambda = 0.5, flag = true, mode = "x" },
          per_input = { weight = { default = 2, base = true } },
          merge = function(t)
            print(t.name, t.shape[1], t.dtype, t.layer, t.num_layers, t.depth, t.kind, t.module, t.template)
            print(t.lambda, t.flag, t.mode, #t.inputs, t.inputs[1].layer, t.inputs[1].weight, t.base_input.weight)
            print(t.inputs[1].model == b, t.base_input.model == a, mk.is_tensor(t.base), mk.is_tensor(t.inputs[1].tensor))
            return t.base
          end }
        local m = mk.merge { method = seen, base = a, models = { { a, weight = 9 }, { b, weight = 4 } } }
        local _ = m:tensor("model.layers.1.w")
        print(m.name, m:names()[2], m:info("model.layers.1.w").dtype)
        print(mk.merge { method = seen, base = a, models = { b }, name = "mine" }.name)
        """)
    #expect(
      lines == [
        "model.layers.1.w\t2\tfloat32\t1\t2\t1.0\tweight\tdefault\tmodel.layers.{layer}.w",
        "0.5\ttrue\tx\t1\t1\t4\t9", "true\ttrue\ttrue\ttrue", "merge by seen\tmodel.layers.1.w\tfloat32",
        "mine",
      ])
  }

  @Test(arguments: [
    ("1", "merge: expected a table, got number"),
    ("{ models = { a } }", "merge: method: expected a name, a file or a value of mk.method"),
    ("{ method = 1, models = { a } }", "method: expected a name, a file or a value of mk.method, got number"),
    ("{ method = 'linear', model = { a } }", "merge: unknown field 'model' (did you mean 'models'?)"),
    ("{ method = 'linear' }", "merge: expected models, slices or modules"),
    (
      "{ method = 'linear', models = { 'a' } }",
      #"merge: models[1]: expected a model, or { model, … }: mk.model "a" opens one"#
    ),
    (
      "{ method = 'linear', models = { a, { weight = 1 } } }",
      "merge: models[2]: expected a model, or { model, … }"
    ),
    (
      "{ method = 'linear', models = { { a, wieght = 1 } } }",
      "merge: models[1]: unknown parameter 'wieght' (did you mean 'weight'?)"
    ),
    (
      "{ method = 'slerp', base = a, models = { { b, t = 1 } } }",
      "merge: models[1]: method 'slerp' has no parameters of its inputs, got 't'"
    ),
    (
      "{ method = 'linear', models = { a }, parameters = { normalise = 1 } }",
      "merge: parameters: unknown parameter 'normalise' (did you mean 'normalize'?)"
    ),
    (
      "{ method = 'linear', models = { a }, parameters = 1 }",
      "merge: parameters: expected a table, got number"
    ),
    (
      "{ method = mk.method { name = 'm', merge = print }, models = { a }, parameters = { t = 1 } }",
      "merge: parameters: method 'm' has none, got 't'"
    ),
    ("{ method = 'linear', models = {} }", "merge: models: method 'linear' takes at least 1 model, got 0"),
    (
      "{ method = 'slerp', base = a, models = { b, c } }",
      "merge: models: method 'slerp' takes exactly 1 model beside the base, got 2"
    ),
    (
      "{ method = 'passthrough', models = { a, b } }",
      "merge: models: method 'passthrough' takes exactly 1 model, got 2"
    ),
    (
      "{ method = mk.method { name = 'm', merge = print, min_inputs = 2, max_inputs = 3 }, models = { a } }",
      "merge: models: method 'm' takes 2 to 3 models, got 1"
    ),
    ("{ method = 'slerp', models = { a } }", "merge: method: method 'slerp' needs a base model"),
    ("{ method = 'slerp', base = 'a', models = { b } }", "merge: base: expected a model, got string"),
    (
      "{ method = 'linear', models = { { a, weight = 1 } }, dtype = 'blfoat16' }",
      "unknown dtype 'blfoat16' (did you mean 'bfloat16'?)"
    ),
    (
      "{ method = 'linear', models = { { a, weight = 1 } }, dtype = 16 }",
      "merge: dtype: expected a name, got number"
    ),
    (
      "{ method = 'linear', models = { { a, weight = 1 } }, dtype = 'int8' }",
      "dtype: dtype I8 is not one that can be computed (expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2)"
    ),
    ("{ method = 'linear', models = { { a, weight = {} } } }", "merge: models[1].weight: an empty list"),
    (
      "{ method = 'linear', models = { { a, weight = 'x' } } }",
      "merge: models[1].weight: expected a number, got string 'x'"
    ),
    (
      "{ method = 'linear', models = { { a, weight = 0 / 0 } } }",
      "merge: models[1].weight: expected a number, got NaN"
    ),
    (
      "{ method = 'linear', models = { { a, weight = 1 } }, parameters = { normalize = 1 } }",
      "merge: parameters.normalize: expected a boolean, got number '1'"
    ),
    (
      "{ method = 'linear', models = { { a, weight = a } } }",
      "merge: models[1].weight: expected a number, got model 'a'"
    ),
  ])
  func badSpecifications(spec: String, expected: String) {
    #expect(bench.outputError(models + "\nreturn mk.merge(\(spec))") == "recipe.lua:2: \(expected)")
  }

  @Test(arguments: [
    ("{ method = 'linear', models = { a } }", "models[1]: parameter 'weight' is required for model 'a'"),
    ("{ method = 'slerp', base = a, models = { b } }", "parameter 't' is required"),
    ("{ method = 'linear', models = { { a, weight = math.huge } } }", "weights are not finite: inf"),
    (
      "{ method = 'linear', models = { { a, weight = function() return 'x' end } } }",
      "models[1].weight: expected a number, got string 'x'"
    ),
    (
      "{ method = 'linear', models = { { a, weight = { { filter = 'nope', value = 1 } } } } }",
      "models[1]: parameter 'weight' is required for model 'a': no filter of its setting matches"
    ),
    (
      "{ method = 'linear', models = { { a, weight = function() end } } }",
      "models[1]: parameter 'weight' is required for model 'a': its function returned nil"
    ),
    (
      "{ method = 'linear', models = { { a, weight = function(info) return info.dept end } } }",
      "info has no field 'dept' (did you mean 'depth'?)"
    ),
    (
      "{ method = mk.method { name = 'm', merge = function() end }, models = { a } }",
      "method 'm' returned a nil, expected a tensor"
    ),
    (
      "{ method = mk.method { name = 'm', merge = function() return 1 end }, models = { a } }",
      "method 'm' returned a number, expected a tensor"
    ),
    (
      "{ method = mk.method { name = 'm', merge = function() return mk.zeros { 3 } end }, models = { a } }",
      "method 'm' returned a tensor of shape [3], expected [2]"
    ),
  ])
  func errorsOfTensorsNameThemAndTheMerge(spec: String, expected: String) {
    #expect(
      bench.outputError(models + "\nreturn mk.merge(\(spec))")
        == "recipe.lua:2: tensor 'model.layers.0.w': \(expected)")
  }

  // MARK: Bases

  @Test func theBaseIsNoInputEvenIfItIsListed() throws {
    let spy = """
      local spy = mk.method { name = "spy", base = "required", per_input = { weight = 1 }, merge = function(t)
        local words = { "base", t.base_input.model.name:match("[^/]*$") }
        for _, input in ipairs(t.inputs) do words[#words + 1] = input.model.name:match("[^/]*$") end
        if t.layer == 0 then print(table.concat(words, " ")) end
        return t.base
      end };
      """
    for (spec, expected) in [
      ("base = a, models = { b, c }", "base a b c"), ("base = a, models = { b, a, c }", "base a b c"),
      ("base = mk.model(here .. 'b'), models = { { a }, { b, weight = 2 } }", "base b a"),
    ] {
      let output = try bench.output(models + spy + "return mk.merge { method = spy, \(spec) }")
      #expect(bench.printed == [expected])
      #expect(output.count == 2)
    }
  }

  @Test func modelsAreTheBaseByIdentityNotByName() throws {
    // Two merges by one method have the same name, and are two models.
    let script =
      models + """
        local x = mk.merge { method = "linear", models = { { a, weight = 1 } } }
        local y = mk.merge { method = "linear", models = { { b, weight = 1 } } }
        return mk.merge { method = "task_arithmetic", base = x, models = { { y, weight = 1 } } }
        """
    #expect(try bench.tensor(script, "model.layers.0.w").elements == [1, 1])
  }

  @Test func anIgnoredBaseIsAnInputAndGivesTheFiles() throws {
    try bench.write(#"{"from": "b"}"#, to: "b/config.json")
    try bench.write("{}", to: "b/tokenizer.json")
    bench.options.output.policy = .replace
    for models in [
      "{ { a, weight = 1 }, { b, weight = 3 } }", "{ { a, weight = 1 } }, parameters = { weight = 3 }",
    ] {
      let script =
        self.models
        + "local m = mk.merge { method = 'linear', base = b, models = \(models) }\nm:save(here .. 'out')"
      try bench.lines(script)
      #expect(try bench.tensors("out").first?.elements == [0.75, 1])
      #expect(try bench.text("out/config.json").contains("\"from\": \"b\""))
      #expect(bench.exists("out/tokenizer.json"))
    }
  }

  @Test func anOptionalBaseMayBeAbsent() throws {
    #expect(try spied("models = { a }") == ["model.layers.0.w a:1", "model.layers.1.w a:1"])
    #expect(try spied("base = b, models = { a }") == ["model.layers.0.w a:1", "model.layers.1.w a:1"])
  }

  // MARK: Missing tensors

  /// Which tensors the output has and what they hold, where base has x y, b has x z, c has x y z w.
  private func merged(missing: String, base: Bool, inputs: [String], minimum: Int = 1) throws -> [String] {
    try bench.makeModel("p", [TestTensor("x", .f32, [1], [1]), TestTensor("y", .f32, [1], [1])])
    try bench.makeModel("q", [TestTensor("x", .f32, [1], [2]), TestTensor("z", .f32, [1], [2])])
    try bench.makeModel(
      "r", ["x", "y", "z", "w"].map { TestTensor($0, .f32, [1], [4]) })
    let list = inputs.map { "mk.model(here .. '\($0)')" }.joined(separator: ", ")
    let output = try bench.output(
      """
      local sum = mk.method { name = "sum", base = "\(base ? "required" : "ignored")", missing = "\(missing)",
        min_inputs = \(minimum), merge = function(t)
        local sum = t.base and t.base * 100 or mk.zeros(t.shape)
        for _, input in ipairs(t.inputs) do sum = sum + input.tensor * 10 end
        return sum
      end }
      return mk.merge { method = sum, \(base ? "base = mk.model(here .. 'p')," : "") models = { \(list) } }
      """)
    return output.sorted { $0.name < $1.name }.map { "\($0.name)=\(Int($0.elements[0]))" }
  }

  @Test func policyError() throws {
    let error = #expect(throws: LuaError.self) { try merged(missing: "error", base: true, inputs: ["q"]) }
    #expect(
      error.map { "\($0)".replacingOccurrences(of: bench.folder + "/", with: "") }
        == "recipe.lua:7: tensor 'y' is missing in model 'q', and method 'sum' needs it there")
    let other = #expect(throws: LuaError.self) { try merged(missing: "error", base: true, inputs: ["r"]) }
    #expect(
      other.map { "\($0)".replacingOccurrences(of: bench.folder + "/", with: "") }
        == "recipe.lua:7: tensor 'z' is missing in model 'p', and method 'sum' needs it there")
  }

  @Test func policyPassthroughSingleton() throws {
    // What one model has is copied, whichever it is; the others merge what they have.
    #expect(
      try merged(missing: "passthrough_singleton", base: false, inputs: ["p", "q"]) == ["x=30", "y=1", "z=2"])
    #expect(
      try merged(missing: "passthrough_singleton", base: false, inputs: ["p", "q", "r"])
        == ["w=4", "x=70", "y=50", "z=60"])
    #expect(
      try merged(missing: "passthrough_singleton", base: true, inputs: ["q"]) == ["x=120", "y=1", "z=2"])
    // A base that lacks a tensor of several models has nothing to go from: their mean is taken.
    #expect(
      try merged(missing: "passthrough_singleton", base: true, inputs: ["q", "r"]).filter {
        $0.hasPrefix("z")
      }
        == ["z=3"])
  }

  @Test func policyPassthroughBaseSingleton() throws {
    try bench.makeModel("s", [TestTensor("x", .f32, [1], [8])])
    #expect(try merged(missing: "passthrough_base_singleton", base: true, inputs: ["s"]) == ["x=180", "y=1"])
    #expect(
      try merged(missing: "passthrough_base_singleton", base: true, inputs: ["q"]) == ["x=120", "y=1", "z=2"])
  }

  @Test func policyBaseOrSkip() throws {
    try bench.makeModel("s", [TestTensor("x", .f32, [1], [8])])
    // Too few inputs: the base's own if it is alone, else no tensor at all.
    #expect(
      try merged(missing: "base_or_skip", base: true, inputs: ["q", "s"], minimum: 2) == ["x=200", "y=1"])
    #expect(
      try merged(missing: "base_or_skip", base: false, inputs: ["p", "q", "r"], minimum: 2)
        == ["x=70", "y=50", "z=60"])
    // A tensor of one model in the middle, for which the first and the last have no information.
    #expect(
      try merged(missing: "base_or_skip", base: false, inputs: ["p", "r", "q"], minimum: 1)
        == ["w=40", "x=70", "y=50", "z=60"])
  }

  // MARK: Dtypes and shapes

  @Test func shapesMustAgree() throws {
    try bench.makeModel(
      "d",
      [
        TestTensor("model.layers.0.w", .f32, [3], [0, 0, 0]),
        TestTensor("model.layers.1.w", .f32, [2], [0, 0]),
      ])
    #expect(
      bench.outputError(
        models
          + "\nreturn mk.merge { method = 'linear', models = { { a, weight = 1 }, { mk.model(here .. 'd'), weight = 1 } } }"
      )
        == "recipe.lua:2: tensor 'model.layers.0.w': shapes differ: [2] in model 'a', [3] in model 'd'")
  }

  @Test func dtypesArePromotedAndRoundedOnce() throws {
    let first = noise(40), second = noise(40, seed: 2)
    func model(_ name: String, _ dtype: DType, _ elements: [Float]) throws -> [Float] {
      let tensor = TestTensor("w", dtype, [40], elements)
      try bench.makeModel(name, [tensor])
      return tensor.elements
    }
    let b1 = try model("b1", .bf16, first)
    let b2 = try model("b2", .bf16, second)
    let h2 = try model("h2", .f16, second)
    let d2 = try model("d2", .f64, second)
    func script(_ other: String, dtype: String = "nil") -> String {
      """
      local m, n = mk.model(here .. "b1"), mk.model(here .. "\(other)")
      return mk.merge { method = "linear", models = { { m, weight = 1 }, { n, weight = 3 } }, dtype = \(dtype) }
      """
    }
    func mean(_ b: [Float]) -> [Float] { zip(b1, b).map { ($0 + 3 * $1) / 4 } }
    // bf16 and bf16: computed in float32, rounded at the end.
    #expect(try bench.tensor(script("b2"), "w") == TestTensor("w", .bf16, [40], mean(b2)))
    #expect(try bench.tensor(script("h2"), "w") == TestTensor("w", .f32, [40], mean(h2)))
    #expect(try bench.tensor(script("d2"), "w").dtype == .f64)
    #expect(isClose(try bench.tensor(script("d2"), "w").elements, mean(d2).map(Double.init)))
    #expect(try bench.tensor(script("b2", dtype: "'float16'"), "w") == TestTensor("w", .f16, [40], mean(b2)))
    // An option of the run goes before the recipe's, and rounds what the recipe's rounded.
    let rounded = TestTensor("w", .bf16, [40], mean(h2)).elements
    #expect(
      try bench.tensor(script("h2", dtype: "'bf16'"), "w", as: .f32) == TestTensor("w", .f32, [40], rounded))
  }

  @Test func copiedDtypes() throws {
    let bools = TestTensor("flags", .bool, [3], bytes: [1, 0, 1])
    let packed = TestTensor("packed", .f4, [2, 2], bytes: [0x12, 0x34])
    let ids = TestTensor("ids", integers: [1, 2, 3])
    let weights = TestTensor("w", .bf16, [1], [2])
    for name in ["i", "j"] { try bench.makeModel(name, [bools, packed, ids, weights]) }
    try bench.makeModel("k", [bools, packed, TestTensor("ids", integers: [1, 2, 4]), weights])
    try bench.makeModel(
      "l", [bools, packed, TestTensor("ids", .i32, [3], bytes: [UInt8](repeating: 0, count: 12)), weights])
    try bench.makeModel("n", [bools, packed, TestTensor("ids", .f32, [3], [1, 2, 3]), weights])
    func linear(_ names: String...) -> String {
      let list = names.map { "{ mk.model(here .. '\($0)'), weight = 1 }" }.joined(separator: ", ")
      return "mk.merge { method = 'linear', models = { \(list) }, dtype = 'float16' }"
    }
    let expected = [bools, ids, packed, TestTensor("w", .f16, [1], [2])].sorted { $0.name < $1.name }
    func sorted(_ script: String) throws -> [TestTensor] {
      try bench.output(script).sorted { $0.name < $1.name }
    }
    #expect(try sorted("return \(linear("i", "j"))") == expected)
    // One after the other, too.
    let chain =
      "return mk.merge { method = 'linear', models = { { \(linear("i", "j")), weight = 1 }, { \(linear("j")), weight = 1 }, { mk.model(here .. 'i'), weight = 1 } }, dtype = 'f16' }"
    #expect(try sorted(chain) == expected)
    // The first model's, with a word.
    #expect(try sorted("return \(linear("i", "k"))") == expected)
    #expect(
      bench.warnings.last.map { $0.replacing(bench.folder + "/", with: "") }
        == "1 tensor that cannot be computed with has the first model's values, though others differ: 'ids' "
        + #"(i/model.safetensors: tensor 'ids' and k/model.safetensors: tensor 'ids')"#
    )
    #expect(try sorted(chain.replacingOccurrences(of: "'j'), weight", with: "'k'), weight")) == expected)
    #expect(
      bench.outputError("\nreturn \(linear("i", "l"))")
        == "recipe.lua:2: tensor 'ids': dtypes differ: int64 in model 'i', int32 in model 'l'")
    #expect(
      bench.outputError("\nreturn \(linear("i", "n"))")
        == "recipe.lua:2: tensor 'ids': dtypes differ: int64 in model 'i', float32 in model 'n'")
  }

  // MARK: Chains

  @Test func aChainEqualsItsStagesThroughDisk() throws {
    let models = ["base", "math", "code"].map { "local \($0)_ = mk.model '\(fixture("models/\($0)"))'" }
      .joined(separator: "\n")
    func stages(_ through: (String) -> String) -> String {
      """
      \(models)
      local noisy = base_:map(function(t) return t + 0.1 * mk.randn(t.shape) end)
      \(through("noisy"))
      local blend = mk.merge { method = "slerp", base = math_, models = { noisy }, parameters = { t = { 0.2, 0.9 } }, dtype = "bfloat16" }
      \(through("blend"))
      local tuned = mk.merge { method = "task_arithmetic", base = base_, dtype = "float16",
        models = { { blend, weight = 0.7 }, { code_, weight = function(i) return i.depth end } } }
      \(through("tuned"))
      local stack = mk.stack { { tuned, layers = { 0, 3 } }, { blend, layers = { 1, 4 } }, dtype = "float32" }
      \(through("stack"))
      return mk.merge { method = "linear", models = { { stack, weight = 0.9 }, { stack, weight = 0.3 } }, dtype = "bfloat16" }
      """
    }
    let lazy = try bench.output(stages { _ in "" })
    // The map has no dtype of its own, so it is stored as the tensors are: as bfloat16.
    let stored = try bench.output(
      stages { name in
        name == "noisy" ? "" : "\(name):save(here .. '\(name)'); \(name) = mk.model(here .. '\(name)')"
      })
    #expect(lazy.count == 6 * 9 + 3)
    #expect(stored.sorted { $0.name < $1.name } == lazy.sorted { $0.name < $1.name })
  }

  @Test func outputsDoNotDependOnTilesAndThreads() throws {
    try bench.makeModel(
      "big1", [TestTensor("w", .bf16, [37, 53], noise(37 * 53)), TestTensor("v", .f32, [9], noise(9))])
    try bench.makeModel(
      "big2",
      [
        TestTensor("w", .f32, [37, 53], noise(37 * 53, seed: 3)),
        TestTensor("v", .f32, [9], noise(9, seed: 4)),
      ])
    let script = """
      local a, b = mk.model(here .. "big1"), mk.model(here .. "big2")
      local blend = mk.merge { method = "slerp", base = a, models = { b }, parameters = { t = 0.3 } }
      local mine = mk.method { name = "mine", base = "required", merge = function(t)
        local delta = t.inputs[1].tensor - t.base
        local kept = delta:abs():topk_mask(delta.numel // 3)
        return t.base + delta * kept * delta:rank(1):softmax(1) + mk.randn(t.shape) * delta:var(-1):sqrt()
      end }
      return mk.merge { method = mine, base = blend, models = { b } }
      """
    bench.options.threads = 1
    let expected = try bench.output(script)
    for threads in [1, 2, 3, 7] {
      for tileSize in [nil, 7, 1000] {
        bench.options.threads = threads
        bench.options.tileSize = tileSize
        #expect(try bench.output(script) == expected, "\(threads) threads, tiles of \(tileSize ?? 0)")
      }
    }
  }
}
