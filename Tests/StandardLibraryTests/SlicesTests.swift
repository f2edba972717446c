import Basics
import Foundation
import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// `mk.merge` of slices and of modules: which layers go together, and where settings are looked up.
@Suite struct SlicesTests {
  let bench: ScriptBench

  /// A method that prints what it gets, and gives the sum of its inputs.
  private let spy = """
    local spy = mk.method { name = "spy", base = "optional", parameters = { t = 0 }, per_input = { weight = 1 },
      merge = function(t)
        local name = t.name:gsub("^model%.", ""):gsub("^layers%.", "")
        local words = { name, t.depth, t.num_layers, t.t }
        local sum = t.base and 0 * t.base or mk.zeros(t.shape)
        for _, input in ipairs(t.inputs) do
          words[#words + 1] = ("%s%s*%s"):format(input.model.name:match("[^/]*$"), input.layer or "", input.weight)
          sum = sum + input.tensor
        end
        if t.base then words[#words + 1] = "base " .. t.base_input.model.name:match("[^/]*$") .. (t.base_input.layer or "") end
        print(table.concat(words, " "))
        return sum
      end }
    """

  private let models = "local p, q, r = mk.model(here .. 'p'), mk.model(here .. 'q'), mk.model(here .. 'r');"

  init() throws {
    bench = try ScriptBench()
    for (position, name) in ["p", "q", "r"].enumerated() {
      let value = Float(position * 100)
      var tensors = [TestTensor("model.embed_tokens.weight", .f32, [1, 1], [value])]
      for layer in 0..<4 {
        tensors.append(TestTensor("model.layers.\(layer).w", .f32, [1], [value + Float(layer)]))
      }
      tensors.append(TestTensor("model.norm.weight", .f32, [1], [value]))
      try bench.makeModel(
        name, tensors,
        config: #"{"model_type": "llama", "num_hidden_layers": 4, "layer_types": ["a", "b", "c", "d"]}"#)
    }
  }

  /// What the spy printed for a merge with these fields.
  private func spied(_ fields: String) throws -> [String] {
    _ = try bench.output("\(models) \(spy)\nreturn mk.merge { method = spy, \(fields) }")
    return bench.printed
  }

  /// A slice without layers says where what precedes the layers comes from, or what follows them.
  @Test func slicesOfNoLayers() throws {
    func merged(_ slices: String) throws -> [String: Float] {
      let output = try bench.output(
        "\(models)\nreturn mk.merge { method = 'linear', parameters = { weight = 1 }, slices = { \(slices) } }"
      )
      return Dictionary(uniqueKeysWithValues: output.map { ($0.name, $0.elements[0]) })
    }
    let some = "{ sources = { { p, layers = { 0, 2 } }, { q, layers = { 1, 3 } } } }"
    let last = try merged("\(some), { sources = { { r, layers = { 4, 4 } } } }")
    #expect(last["model.norm.weight"] == 200)
    #expect(last["model.embed_tokens.weight"] == 50)
    #expect(last["model.layers.0.w"] == 50.5)
    #expect(last.count == 4)
    let first = try merged("{ sources = { { r, layers = { 0, 0 } }, { q, layers = { 2, 2 } } } }, \(some)")
    #expect(first["model.embed_tokens.weight"] == 150)
    #expect(first["model.norm.weight"] == 50)
    #expect(bench.warnings.isEmpty)
    let middle = try merged("\(some), { sources = { { r, layers = { 1, 1 } } } }, \(some)")
    #expect(middle["model.norm.weight"] == 50)
    #expect(middle.count == 6)
    #expect(
      bench.warnings == [
        "slices[2]: holds no layer, and is neither the first slice nor the last: it has no effect"
      ])
  }

  @Test func sourcesOfASliceGoTogether() throws {
    let slices = """
      slices = {
        { sources = { { p, layers = { 0, 3 }, weight = { 0, 1 } }, { q, layers = { 1, 4 } } } },
        { sources = { { r, layers = { 3, 4 }, weight = { 5, 6 } } } },
      }
      """
    let lines = [
      "embed_tokens.weight 0.0 4 0 p*0.0 q*1", "0.w 0.0 4 0 p0*0.0 q1*1", "1.w 0.5 4 0 p1*0.5 q2*1",
      "2.w 1.0 4 0 p2*1.0 q3*1", "3.w 1.0 4 0 r3*6.0", "norm.weight 0.0 4 0 r*5.0",
    ]
    #expect(try spied(slices) == lines)
    let output = try bench.output("\(models) \(spy)\nreturn mk.merge { method = spy, \(slices) }")
    #expect(output.map(\.name).sorted().count == 6)
    #expect(output.first { $0.name == "model.layers.2.w" }?.elements == [2 + 103])
    #expect(output.first { $0.name == "model.norm.weight" }?.elements == [200])
  }

  @Test func theInnermostScopeWithAValueCounts() throws {
    func weight(source: String = "", slice: String = "", module: String = "", global: String = "") throws
      -> String
    {
      let lines = try spied(
        """
        modules = { default = {
          slices = { { sources = { { p, \(source) } }, parameters = { \(slice) } } }, parameters = { \(module) } } },
        parameters = { \(global) }
        """)
      return lines.first { $0.hasPrefix("1.w ") }!.components(separatedBy: "*")[1]
    }
    let filtered = "weight = { { filter = 'layers.9', value = 9 } }"
    #expect(
      try weight(source: "weight = 2", slice: "weight = 3", module: "weight = 4", global: "weight = 5") == "2"
    )
    #expect(try weight(slice: "weight = 3", module: "weight = 4", global: "weight = 5") == "3")
    #expect(try weight(module: "weight = 4", global: "weight = 5") == "4")
    #expect(try weight(global: "weight = 5") == "5")
    #expect(try weight() == "1")
    // No match falls through.
    #expect(try weight(source: filtered, slice: filtered, module: "weight = 4") == "4")
    #expect(
      bench.warnings.sorted() == [
        "modules.default.slices[1].parameters.weight: filter 'layers.9' matches no tensor",
        "modules.default.slices[1].sources[1].weight: filter 'layers.9' matches no tensor",
      ])
  }

  @Test func sharedParametersAreNotThoseOfSources() throws {
    let lines = try spied(
      """
      slices = { { sources = { p }, parameters = { t = { 1, 2, 4 } } }, { sources = { { q, layers = { 0, 1 } } } } },
      parameters = { t = 7 }
      """)
    let values = lines.map { String($0.split(separator: " ")[3]) }
    #expect(values == ["1.0", "1.0", "1.6666666666667", "2.6666666666667", "4.0", "7", "7"])
  }

  @Test func filtersOfInputsSeeTheInputsOwnNames() throws {
    let lines = try spied(
      """
      slices = { { sources = { { p, layers = { 0, 2 } },
        { q, layers = { 2, 4 }, weight = { { filter = "layers.3", value = 30 }, { filter = "layers.1", value = 10 } } } } } }
      """)
    let layers = lines.filter { $0.contains(".w ") }.map { String($0.split(separator: " ").last!) }
    #expect(layers == ["q2*1", "q3*30"])
  }

  @Test func aSliceMayHaveItsOwnMethodAndBase() throws {
    let output = try bench.output(
      """
      \(models)
      return mk.merge { method = "linear", base = p, slices = {
        { sources = { { p, layers = { 0, 1 }, weight = 1 }, { q, layers = { 1, 2 }, weight = 3 } } },
        { method = "task_arithmetic", sources = { { q, layers = { 2, 3 }, weight = 2 }, { p, layers = { 0, 1 } } } },
        { method = "task_arithmetic", base = r, sources = { { q, layers = { 3, 4 }, weight = 1 } }, parameters = { lambda = 2 } },
        { method = "passthrough", sources = { { r, layers = { 0, 1 } } } },
      } }
      """)
    let layers = output.filter { $0.name.contains("layers") }.sorted { $0.name < $1.name }
    // A base that is no source of the slice gives the layers that the first source has.
    let expected: [Float] = [75.75, 204, 3, 200]
    #expect(layers.map { $0.elements[0] } == expected)
    #expect(output.first { $0.name == "model.embed_tokens.weight" }?.elements == [75])
    #expect(output.first { $0.name == "model.norm.weight" }?.elements == [200])
  }

  @Test func theConfigFollowsTheSlices() throws {
    try bench.lines(
      """
      \(models)
      mk.merge { method = "linear", parameters = { weight = 1 }, out_dtype = "bfloat16", dtype = "float32", slices = {
        { sources = { { q, layers = { 2, 4 } }, { p, layers = { 0, 2 } } } }, { sources = { { p, layers = { 1, 2 } } } } }
      }:save(here .. "out")
      """)
    let config = try JSON(parsing: try bench.text("out/config.json"))
    #expect(config["num_hidden_layers"]?.intValue == 3)
    #expect(config["layer_types"]?.arrayValue?.compactMap(\.stringValue) == ["c", "d", "b"])
    #expect(config["torch_dtype"]?.stringValue == "bfloat16")
    #expect(Set(try bench.tensors("out").map(\.dtype)) == [.bf16])
  }

  // MARK: Modules

  private func makeEncoderDecoders() throws {
    for (position, name) in ["s", "t"].enumerated() {
      let value = Float(position * 10)
      var tensors = [TestTensor("shared.weight", .f32, [1, 1], [value])]
      for module in ["encoder", "decoder"] {
        for layer in 0..<2 {
          tensors.append(
            TestTensor("\(module).block.\(layer).w", .f32, [1], [value + Float(layer)]))
        }
        tensors.append(TestTensor("\(module).final_layer_norm.weight", .f32, [1], [value]))
      }
      try bench.makeModel(
        name, tensors, config: #"{"model_type": "t5", "num_layers": 2, "num_decoder_layers": 2}"#)
    }
  }

  @Test func eachModuleIsMadeOnItsOwn() throws {
    try makeEncoderDecoders()
    let script = """
      local s, t = mk.model(here .. "s"), mk.model(here .. "t")
      local m = mk.merge { method = "linear", base = s, modules = {
        encoder = { models = { { s, weight = 1 }, { t, weight = 1 } } },
        decoder = { slices = { { sources = { { s, weight = 1 }, { t, weight = 1 } }, parameters = { normalize = false } },
                               { sources = { { t, layers = { 1, 2 } } } } }, parameters = { weight = 3 } },
      } }
      """
    let output = try bench.output(script + "\nreturn m")
    #expect(
      Dictionary(uniqueKeysWithValues: output.map { ($0.name, $0.elements[0]) }) == [
        "shared.weight": 0, "encoder.block.0.w": 5, "encoder.block.1.w": 6,
        "encoder.final_layer_norm.weight": 5,
        "decoder.block.0.w": 10, "decoder.block.1.w": 12, "decoder.block.2.w": 11,
        "decoder.final_layer_norm.weight": 10,
      ])
    #expect(
      try bench.lines(script + "\nprint(m.config.num_layers, m.config.num_decoder_layers)") == ["2\t3"])
    #expect(
      bench.warnings.first?.replacingOccurrences(of: bench.folder + "/", with: "")
        == "modules: 'shared' is not named, so its tensors stay as they are in model 's'")
  }

  @Test func aModuleWithoutLayersIsOneSlice() throws {
    try makeEncoderDecoders()
    let script = """
      local s, t = mk.model(here .. "s"), mk.model(here .. "t")
      return mk.merge { method = "linear", base = s, parameters = { weight = 1 }, modules = {
        shared = { slices = { { sources = { { s, layers = { 0, 0 } }, { t, layers = { 0, 0 }, weight = 4 } } } } },
        encoder = { models = { s } }, decoder = { models = { t } },
      } }
      """
    #expect(try bench.tensor(script, "shared.weight").elements == [8])
    #expect(
      bench.outputError(script.replacing("layers = { 0, 0 }, weight", with: "layers = { 0, 1 }, weight"))
        == "recipe.lua:2: merge: modules.shared.slices[1].sources[2]: model 't' has no layers")
  }

  // MARK: Refused

  @Test(arguments: [
    ("models = { p }, slices = {}", "both models and slices: expected one of models, slices and modules"),
    ("slices = {}", "slices: expected at least one slice"),
    ("models = { [0] = p, q }", "models: expected a list, got field '0'"),
    ("models = { p }, allow_crimes = 1", "allow_crimes: expected a boolean, got number"),
    ("models = { p }, name = {}", "name: expected a string, got table"),
    (
      "slices = { { sources = { { p, layers = { 0, 1, last = 2 } } } } }",
      "slices[1].sources[1].layers: expected { first, last }, the first layer (from 0) and the one after the last"
    ),
    ("slices = 1", "slices: expected a list of slices, got number"),
    ("slices = { 1 }", "slices[1]: expected { sources = { { model, layers = { first, last } }, … } }"),
    (
      "slices = { p }",
      "slices[1]: expected { sources = { { model, layers = { first, last } }, … } }"
    ),
    (
      "slices = { { } }", "slices[1].sources: expected a list of { model, layers = { first, last } }, got nil"
    ),
    (
      "slices = { { sources = {} } }",
      "slices[1].sources: expected at least one { model, layers = { first, last } }"
    ),
    ("slices = { { source = { p } } }", "slices[1]: unknown field 'source' (did you mean 'sources'?)"),
    (
      "slices = { { sources = { 'p' } } }",
      #"slices[1].sources[1]: expected a model, or { model, … }: mk.model "p" opens one"#
    ),
    (
      "slices = { { sources = { { p, layers = { 0, 9 } } } } }",
      "slices[1].sources[1].layers: { 0, 9 } is not within the 4 layers of model 'p'"
    ),
    (
      "slices = { { sources = { { p, layers = { 3, 1 } } } } }",
      "slices[1].sources[1].layers: { 3, 1 } holds no layer"
    ),
    (
      "slices = { { sources = { { p, layers = { 0, 2 } }, { q, layers = { 0, 3 } } } } }",
      "slices[1].sources[2].layers: 3 layers, but sources[1] has 2: all sources of a slice have as many"
    ),
    (
      "slices = { { sources = { { p, wieght = 1 } } } }",
      "slices[1].sources[1]: unknown parameter 'wieght' (did you mean 'weight'?)"
    ),
    (
      "slices = { { sources = { p }, parameters = { normalise = true } } }",
      "slices[1].parameters: unknown parameter 'normalise' (did you mean 'normalize'?)"
    ),
    ("slices = { { sources = { p }, method = 'slerp' } }", "slices[1]: method 'slerp' needs a base model"),
    ("slices = { { sources = { p }, base = 1 } }", "slices[1].base: expected a model, got number"),
    (
      "modules = { text = { models = { p } } }",
      "modules: unknown module 'text' of model 'p' (expected one of default)"
    ),
    ("modules = { default = { } }", "modules: expected at least one module with a model"),
    (
      "modules = { default = { models = { p }, slices = { p } } }",
      "modules.default: expected either models or slices"
    ),
    (
      "modules = { default = { models = { p }, parameters = { weight = 'x' } } }",
      "modules.default.parameters.weight: expected a number, got string 'x'"
    ),
    (
      "modules = { default = { models = { p }, sclices = 1 } }",
      "modules.default: unknown field 'sclices' (did you mean 'slices'?)"
    ),
  ])
  func badSlices(fields: String, expected: String) {
    #expect(
      bench.outputError("\(models)\nreturn mk.merge { method = 'linear', \(fields) }")
        == "recipe.lua:2: merge: \(expected)")
  }

  @Test func aMethodIsNeededForEverySlice() throws {
    #expect(
      bench.outputError("\(models)\nreturn mk.merge { slices = { { sources = { p } } } }")
        == "recipe.lua:2: merge: method: expected a name, a file or a value of mk.method")
    let output = try bench.output(
      "\(models)\nreturn mk.merge { slices = { { sources = { p }, method = 'passthrough' } } }")
    #expect(output.count == 6)
  }

  @Test func modelsOfDifferentDepthNeedSlices() throws {
    try bench.makeModel("short", [TestTensor("model.layers.0.w", .f32, [1], [1])])
    #expect(
      bench.outputError(
        "\(models)\nreturn mk.merge { method = 'linear', models = { p, mk.model(here .. 'short') }, parameters = { weight = 1 } }"
      ) == "recipe.lua:2: merge: 4 layers in model 'p', 1 in model 'short': slices say which go together")
  }
}
