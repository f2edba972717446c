import Basics
import Foundation
import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// `mk.stack` of layers.
@Suite struct StackTests {
  let bench: ScriptBench

  init() throws {
    bench = try ScriptBench()
    for (position, name) in ["p", "q"].enumerated() {
      let value = Float(position * 100)
      var tensors = [TestTensor("model.embed_tokens.weight", .f32, [1, 1], [value])]
      for layer in 0..<3 {
        tensors.append(TestTensor("model.layers.\(layer).w", .f32, [1], [value + Float(layer)]))
        tensors.append(TestTensor("model.layers.\(layer).v", .bf16, [1], [value + Float(layer)]))
      }
      tensors.append(TestTensor("model.norm.weight", .f32, [1], [value]))
      try bench.makeModel(
        name, tensors,
        config: """
          {"model_type": "\(name)", "num_hidden_layers": 3, "layer_types": ["full_\(name)", "sliding_\(name)", "other_\(name)"],
           "eps": 1e-05, "theta": 10000.0, "torch_dtype": "float32"}
          """)
    }
  }

  private let models = "local p, q = mk.model(here .. 'p'), mk.model(here .. 'q')\n"

  @Test func whatFollowsTheLayersComesFromTheLastSlice() throws {
    for (position, name) in ["s", "t"].enumerated() {
      let value = Float(position + 1)
      try bench.makeModel(
        name,
        [
          "model.embed_tokens.weight", "embeddings.LayerNorm.weight", "model.layers.0.w", "model.norm.weight",
          "model.norm.bias", "lm_head.weight",
        ].map { TestTensor($0, .f32, $0.contains("orm") ? [1] : [1, 1], [value]) })
    }
    let output = try bench.output(
      "local s, t = mk.model(here .. 's'), mk.model(here .. 't')\nreturn mk.stack { s, t }")
    #expect(
      Dictionary(uniqueKeysWithValues: output.map { ($0.name, $0.elements) }) == [
        "model.embed_tokens.weight": [1], "embeddings.LayerNorm.weight": [1], "model.layers.0.w": [1],
        "model.layers.1.w": [2], "model.norm.weight": [2], "model.norm.bias": [2], "lm_head.weight": [2],
      ])
  }

  @Test func layersComeInOrder() throws {
    let output = try bench.output(
      models + "return mk.stack { { p, layers = { 0, 2 } }, { q, layers = { 1, 3 } }, p }")
    let found = Dictionary(uniqueKeysWithValues: output.map { ($0.name, $0.elements) })
    var expected: [String: [Float]] = ["model.embed_tokens.weight": [0], "model.norm.weight": [0]]
    for (layer, value) in [0, 1, 101, 102, 0, 1, 2].enumerated() {
      expected["model.layers.\(layer).w"] = [Float(value)]
      expected["model.layers.\(layer).v"] = [Float(value)]
    }
    #expect(found == expected)
    #expect(Set(output.map(\.dtype)) == [.f32, .bf16])
  }

  @Test func theConfigFollowsTheLayers() throws {
    try bench.lines(
      models
        + "mk.stack { { q, layers = { 1, 3 } }, { p, layers = { 0, 1 } }, { q, layers = { 0, 1 } }, dtype = 'bfloat16' }:save(here .. 'out')"
    )
    let text = try bench.text("out/config.json")
    let config = try JSON(parsing: text)
    #expect(config["model_type"]?.stringValue == "q")
    #expect(config["num_hidden_layers"]?.intValue == 4)
    #expect(
      config["layer_types"]?.arrayValue?.compactMap(\.stringValue) == [
        "sliding_q", "other_q", "full_p", "full_q",
      ])
    #expect(config["torch_dtype"]?.stringValue == "bfloat16")
    #expect(text.contains("1e-05") && text.contains("10000.0"))
    #expect(Set(try bench.tensors("out").map(\.dtype)) == [.bf16])
    #expect(try bench.lines("print(mk.model(here .. 'out').num_layers)") == ["4"])
  }

  @Test func stacksAreModelsLikeOthers() throws {
    let lines = try bench.lines(
      models + """
        local s = mk.stack { { p, layers = { 0, 1 } }, { q, layers = { 0, 3 } }, name = "tower" }
        print(s.name, s.num_layers, s.config.num_hidden_layers, s:info("model.layers.3.w").depth)
        print(mk.stack { p, q }.name, mk.stack { p, q }.num_layers)
        local again = mk.stack { { s, layers = { 2, 4 } } }
        print(again.num_layers, again:tensor("model.layers.1.w"):item(), again.config.layer_types[2])
        local merged = mk.merge { method = "linear", models = { { s, weight = 1 }, { mk.stack { q, { p, layers = { 0, 1 } } }, weight = 1 } } }
        print(merged:tensor("model.layers.3.w"):item(), merged.config.num_hidden_layers)
        """)
    #expect(lines == ["tower\t4\t4\t1.0", "stack of layers\t6", "2\t102.0\tother_q", "51.0\t4"])
  }

  @Test(arguments: [
    ("{}", "stack: expected at least one tensor"),
    ("{ p, nil, q }", "stack[2] is nil"),
    ("{ p, 3 }", "stack[2]: expected { model, layers = { first, last } }"),
    ("{ { p, layer = { 0, 1 } } }", "stack[1]: unknown field 'layer' (did you mean 'layers'?)"),
    ("{ p, dtpye = 'f16' }", "stack: unknown field 'dtpye' (did you mean 'dtype'?)"),
    (
      "{ p, dtype = 'int8' }",
      "dtype: dtype I8 is not one that can be computed (expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2)"
    ),
    (
      "{ { p, layers = 3 } }",
      "stack[1].layers: expected { first, last }, the first layer (from 0) and the one after the last"
    ),
    (
      "{ { p, layers = { 0 } } }",
      "stack[1].layers: expected { first, last }, the first layer (from 0) and the one after the last"
    ),
    (
      "{ { p, layers = { 0, 1.5 } } }",
      "stack[1].layers: expected { first, last }, the first layer (from 0) and the one after the last"
    ),
    ("{ { p, layers = { 2, 1 } } }", "stack[1].layers: { 2, 1 } holds no layer"),
    ("{ { p, layers = { 2, 2 } }, { q, layers = { 0, 0 } } }", "stack: no slice holds a layer"),
    ("{ { p, layers = { -1, 2 } } }", "stack[1].layers: { -1, 2 } is not within the 3 layers of model 'p'"),
    ("{ { p, layers = { 0, 4 } } }", "stack[1].layers: { 0, 4 } is not within the 3 layers of model 'p'"),
    ("{ p, module = 'vision' }", "stack: module: model 'p' has no module 'vision'"),
    ("{ mk.model(here .. 'one') }", "stack[1]: model 'one' has no layers"),
  ])
  func badStacks(list: String, expected: String) {
    #expect(bench.outputError(models + "return mk.stack \(list)") == "recipe.lua:2: \(expected)")
  }
}
