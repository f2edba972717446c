import Architectures
import Basics
import Testing

/// What a stack's config cannot say is found before anything is written.
@Suite struct LayerOrderTests {
  /// Layers that transformers builds as they are.
  @Test(arguments: [
    // All layers are alike.
    ("{}", [:], [0, 1, 1, 2, 3]),
    // A list says which are of another kind, and follows them.
    (#"{"layer_types":["m","a","m","a"]}"#, ["mamba.in": [0, 2], "attn.q": [1, 3]], [0, 0, 3, 1]),
    (#"{"mlp_only_layers":[2]}"#, ["experts.up": [0, 1, 3], "mlp.up": [2]], [2, 2, 0]),
    (#"{"first_k_dense_replace":1}"#, ["experts.up": [1, 2, 3], "mlp.up": [0]], [0, 0, 2, 3]),
    // Two keys together.
    (
      #"{"layer_types":["m","a","m","a"],"mlp_layer_types":["d","d","s","s"]}"#,
      ["mamba.in": [0, 2], "moe.out": [2, 3], "norm_of_both": [3]], [3, 0, 3, 2]
    ),
    // A rule by number that goes on to hold.
    (#"{"decoder_sparse_step":2}"#, ["experts.up": [1, 3], "mlp.up": [0, 2]], [0, 1, 0, 1, 2, 3]),
    // The first layer stays the first, the last one the last.
    ("{}", ["pre_norm": [0]], [0, 2, 2, 3]), ("{}", ["dense_bias": [3]], [0, 1, 3]),
    ("{}", ["attn_norm": [1, 2, 3]], [0, 2, 2]),
    // Nothing explains it, and all layers keep their numbers.
    ("{}", ["odd": [1, 2]], [0, 1, 2, 3]),
  ])
  func ordersThatFit(config: String, special: [String: [Int]], layers: [Int]) throws {
    #expect(try order(config, special, layers) == nil)
  }

  @Test(arguments: [
    (
      #"{"decoder_sparse_step":2}"#, ["experts.up": [1, 3], "mlp.up": [0, 2]], [0, 1, 1, 2],
      "layer 2 of the output is layer 1 of model 'm', which has 'experts.up.weight', and transformers will build one"
        + " without it there (it is in layers 1, 3); ranges that fit: 'm' [0, 2], 'm' [0, 3]"
    ),
    (
      "{}", ["pre_norm": [0]], [1, 2, 3],
      "layer 0 of the output is layer 1 of model 'm', which lacks 'pre_norm.weight', and transformers will build one"
        + " with it there (it is in layer 0); ranges that fit: 'm' [0, 4]"
    ),
    (
      "{}", ["dense_bias": [3]], [0, 3, 0],
      "layer 1 of the output is layer 3 of model 'm', which has 'dense_bias.weight', and transformers will build one"
        + " without it there (it is in layer 3); ranges that fit: 'm' [0, 1], 'm' [2, 3], 'm' [0, 4]"
    ),
    (
      #"{"first_k_dense_replace":1}"#, ["experts.up": [1, 2, 3], "mlp.up": [0]], [1, 0, 2],
      "layer 1 of the output is layer 0 of model 'm', which lacks 'experts.up.weight', and transformers will build one"
        + " with it there (it is in layers 1, 2, 3); ranges that fit: 'm' [1, 2], 'm' [1, 2], 'm' [2, 3]"
    ),
  ])
  func ordersThatDoNotFit(config: String, special: [String: [Int]], layers: [Int], words: String) throws {
    #expect(try order(config, special, layers)?.description == words)
  }

  /// Entries of a list within a layer differ in shape, as in CTRL's `ffn`.
  @Test func listsWithinALayerHaveShapesOfTheirOwn() throws {
    let config = try json(#"{"num_hidden_layers":3}"#)
    let names = (0..<3).flatMap { ["h.\($0).ffn.0.weight", "h.\($0).ffn.2.weight", "h.\($0).attn.w"] }
    let architecture = Architecture(names: names, config: config)
    let contents = LayerContents(architecture.main, names: names) { $0.contains("ffn.0") ? [2, 3] : [3, 2] }
    func source(_ layer: Int) -> OutputConfig.LayerSource {
      OutputConfig.LayerSource(config: config, module: architecture.main, layer: layer, model: "m")
    }
    let order = LayerOrder(
      base: config, architecture: architecture, module: architecture.main, rules: try .standard()
    ) { _ in contents }
    let output = LayerContents(architecture.main, names: names) { _ in nil }
    #expect(order.judge([0, 2, 1].map(source), output: output, like: source(0)).problem == nil)
  }

  /// The problem with layers of a model of four, some of which have a tensor of their own.
  private func order(_ text: String, _ special: [String: [Int]], _ layers: [Int]) throws -> LayerOrder
    .Problem?
  {
    var config = try json(text)
    config[path: ["num_hidden_layers"]] = JSON(4)
    let names = (0..<4).flatMap { layer in
      (["attn.out"] + special.filter { $0.value.contains(layer) }.map(\.key)).map {
        "model.layers.\(layer).\($0).weight"
      }
    }
    let architecture = Architecture(names: names, config: config)
    let contents = LayerContents(architecture.main, names: names) { _ in [2] }
    func source(_ layer: Int) -> OutputConfig.LayerSource {
      OutputConfig.LayerSource(config: config, module: architecture.main, layer: layer, model: "m")
    }
    let output = layers.enumerated().flatMap { index, layer in
      names.filter { $0.hasPrefix("model.layers.\(layer).") }.map { name in
        "model.layers.\(index)." + name.dropFirst("model.layers.\(layer).".count)
      }
    }
    let order = LayerOrder(
      base: config, architecture: architecture, module: architecture.main, rules: try .standard()
    ) { _ in contents }
    return order.judge(
      layers.map(source), output: LayerContents(architecture.main, names: output) { _ in nil },
      like: source(0)
    ).problem
  }
}
