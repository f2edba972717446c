import Architectures
import Basics
import Foundation
import Lua
import Tensors
import Testing

@Suite struct OutputConfigTests {
  // MARK: What survives

  @Test func nothingChangesWithoutAReason() throws {
    let text = """
      {
        "b": 1e-05,
        "a": 10000.0,
        "architectures": [
          "LlamaForCausalLM"
        ],
        "big": 123456789012345678901234567890,
        "dtype": "bfloat16",
        "nested": {
          "x": [],
          "y": {},
          "z": -0.0
        },
        "num_hidden_layers": 3,
        "rope_scaling": null,
        "transformers_version": "4.40.0",
        "unknown": "é\\n"
      }
      """
    let config = try json(text)
    let architecture = Architecture(names: SampleModel.llama.names, config: config)
    for dtype in [nil, DType.bf16] {
      let output = OutputConfig.derive(from: config, architecture: architecture, dtype: dtype)
      #expect(output.json == config)
      #expect(output.json.text() == text)
      #expect(output.warnings == [])
    }
    let model = StackModel(config)
    #expect(try model.stack(model.all).json.text() == text)
  }

  @Test func configThatIsNoObjectSurvives() throws {
    let output = OutputConfig.derive(
      from: try json("[1]"), architecture: Architecture(names: []), dtype: .f16)
    #expect(output.json == (try json("[1]")))
  }

  // MARK: dtype

  @Test(arguments: [
    (#"{"torch_dtype":"float32"}"#, #"{"torch_dtype":"bfloat16"}"#),
    (#"{"dtype":"float32","a":1}"#, #"{"dtype":"bfloat16","a":1}"#),
    (#"{"a":1}"#, #"{"a":1,"torch_dtype":"bfloat16"}"#),
    (#"{"torch_dtype":null}"#, #"{"torch_dtype":"bfloat16"}"#),
    (#"{"torch_dtype":"torch.float16"}"#, #"{"torch_dtype":"torch.bfloat16"}"#),
    (
      #"{"dtype":"float32","text_config":{"dtype":"float32","x":{"torch_dtype":"float16"}}}"#,
      #"{"dtype":"bfloat16","text_config":{"dtype":"bfloat16","x":{"torch_dtype":"bfloat16"}}}"#
    ),
    (
      #"{"text_config":{"torch_dtype":"float32"}}"#,
      #"{"text_config":{"torch_dtype":"bfloat16"},"torch_dtype":"bfloat16"}"#
    ),
    (
      #"{"dtype":"float32","quantization_config":{"dtype":"float16"},"x":{"torch_dtype":null}}"#,
      #"{"dtype":"bfloat16","quantization_config":{"dtype":"float16"},"x":{"torch_dtype":null}}"#
    ),
    (#"{"dtype":"auto"}"#, #"{"dtype":"auto"}"#),
  ])
  func dtypeIsUpdatedWhereverItStands(config: String, expected: String) throws {
    let output = OutputConfig.derive(
      from: try json(config), architecture: Architecture(names: []), dtype: .bf16)
    #expect(output.json.text(.compact) == expected)
  }

  // MARK: The vocabulary

  @Test(arguments: [
    (#"{"vocab_size":10,"a":1}"#, #"{"vocab_size":30,"a":1}"#),
    (#"{"a":1}"#, #"{"a":1,"vocab_size":30}"#),
    (#"{"padded_vocab_size":10}"#, #"{"padded_vocab_size":30}"#),
    (#"{"text_config":{"vocab_size":10}}"#, #"{"text_config":{"vocab_size":30}}"#),
    (#"{"text_config":{"a":1}}"#, #"{"text_config":{"a":1,"vocab_size":30}}"#),
    (
      #"{"vocab_size":11,"text_config":{"vocab_size":10},"vision_config":{"vocab_size":12}}"#,
      #"{"vocab_size":30,"text_config":{"vocab_size":30},"vision_config":{"vocab_size":12}}"#
    ),
    ("[]", "[]"),
  ])
  func aVocabularySizeIsSetWhereverItStands(config: String, expected: String) throws {
    let base = try json(config)
    let output = OutputConfig.derive(
      from: base, architecture: Architecture(names: SampleModel.llama.names, config: base), dtype: nil,
      vocabulary: OutputConfig.Vocabulary(size: 30))
    #expect(output.json.text(.compact) == expected)
  }

  @Test(arguments: [
    (#"{"tie_word_embeddings":true,"a":1}"#, #"{"tie_word_embeddings":false,"a":1}"#),
    (#"{"a":1}"#, #"{"a":1,"tie_word_embeddings":false}"#),
    (
      #"{"text_config":{"tie_word_embeddings":true},"vision_config":{"tie_word_embeddings":true}}"#,
      #"{"text_config":{"tie_word_embeddings":false},"vision_config":{"tie_word_embeddings":true},"#
        + #""tie_word_embeddings":false}"#
    ),
  ])
  func tiesAreUndoneWhereverTheyStand(config: String, expected: String) throws {
    let base = try json(config)
    let output = OutputConfig.derive(
      from: base, architecture: Architecture(names: SampleModel.llama.names, config: base), dtype: nil,
      vocabulary: OutputConfig.Vocabulary(isTied: false))
    #expect(output.json.text(.compact) == expected)
  }

  // MARK: The number of layers

  @Test(arguments: [
    (#"{"num_hidden_layers":3}"#, #"{"num_hidden_layers":5}"#),
    (#"{"n_layer":3,"num_layers":3,"a":3}"#, #"{"n_layer":5,"num_layers":5,"a":3}"#),
    (#"{"num_hidden_layers":7,"n_layer":3}"#, #"{"num_hidden_layers":7,"n_layer":5}"#),
    (#"{"num_hidden_layers":7}"#, #"{"num_hidden_layers":5}"#),
    (
      #"{"num_hidden_layers":3,"text_config":{"n_layer":3},"vision_config":{"n_layer":3}}"#,
      #"{"num_hidden_layers":5,"text_config":{"n_layer":5},"vision_config":{"n_layer":3}}"#
    ),
    (#"{"text_config":{}}"#, #"{"text_config":{"num_hidden_layers":5}}"#),
    (#"{}"#, #"{"num_hidden_layers":5}"#),
  ])
  func layerCountIsUpdatedWhereverItStands(config: String, expected: String) throws {
    let model = StackModel(try json(config))
    #expect(try model.stack([0, 1, 1, 1, 2]).json.text(.compact) == expected)
  }

  @Test func modulesHaveTheirOwnCounts() throws {
    let config = try json(
      """
      {"text_config": {"num_hidden_layers": 3},
       "vision_config": {"num_hidden_layers": 2, "layer_types": ["a", "b"]}}
      """)
    let architecture = Architecture(
      names: SampleModel.layerNames("language_model.model.layers", 3, ["mlp.up.weight"])
        + SampleModel.layerNames("vision_tower.encoder.layers", 2, ["mlp.up.weight"]),
      config: config)
    let vision = try #require(architecture.module(named: "vision_tower"))
    let sources = [1, 0, 1].map { OutputConfig.LayerSource(config: config, module: vision, layer: $0) }
    let output = OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil, layers: ["vision_tower": sources],
      rules: try .standard())
    #expect(
      output.json.text(.compact)
        == #"{"text_config":{"num_hidden_layers":3},"vision_config":{"num_hidden_layers":3,"#
        + #""layer_types":["b","a","b"]}}"#)
  }

  @Test(arguments: [
    ("encoder", #"{"num_layers":2,"num_decoder_layers":3}"#, #"{"num_layers":1,"num_decoder_layers":3}"#),
    ("decoder", #"{"num_layers":2,"num_decoder_layers":3}"#, #"{"num_layers":2,"num_decoder_layers":1}"#),
    ("encoder", #"{"num_layers":2}"#, #"{"num_layers":1,"num_decoder_layers":3}"#),
    ("decoder", #"{"num_layers":2}"#, #"{"num_layers":2,"num_decoder_layers":1}"#),
  ])
  func encoderAndDecoder(module: String, text: String, expected: String) throws {
    let config = try json(text)
    let architecture = Architecture(
      names: SampleModel.layerNames("encoder.block", 2, ["layer.0.q.weight"])
        + SampleModel.layerNames("decoder.block", 3, ["layer.0.q.weight"]),
      config: config)
    let source = OutputConfig.LayerSource(
      config: config, module: try #require(architecture.module(named: module)), layer: 1)
    let output = OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil, layers: [module: [source]])
    #expect(output.json.text(.compact) == expected)
  }

  @Test(arguments: [
    // Nested objects have keys of their own, found by the words of the prefix.
    (
      "language_model.model.decoder.layers", "vision_model.encoder.layers",
      #"{"text_config":{"num_hidden_layers":3},"vision_config":{"num_hidden_layers":3},"num_hidden_layers":3}"#,
      #"{"text_config":{"num_hidden_layers":5},"vision_config":{"num_hidden_layers":3},"num_hidden_layers":5}"#
    ),
    (
      "decoder.layers", "encoder.layers",
      #"{"decoder":{"num_hidden_layers":3},"encoder":{"num_hidden_layers":3}}"#,
      #"{"decoder":{"num_hidden_layers":5},"encoder":{"num_hidden_layers":3}}"#
    ),
    (
      "model.decoder.layers", "model.encoder.layers",
      #"{"decoder_num_hidden_layers":3,"encoder_num_hidden_layers":3}"#,
      #"{"decoder_num_hidden_layers":5,"encoder_num_hidden_layers":3}"#
    ),
    (
      "decoder.layer", "encoder.encoder.layer",
      #"{"text_config":{"num_layers":3},"vision_config":{"num_hidden_layers":3}}"#,
      #"{"text_config":{"num_layers":5},"vision_config":{"num_hidden_layers":3}}"#
    ),
    (
      "decoder.conformer_layers", "encoder.conformer_layers",
      #"{"decoder_layers":3,"encoder_layers":3,"encoder_config":{"layers":3},"decoder_config":{"layers":3}}"#,
      #"{"decoder_layers":5,"encoder_layers":3,"encoder_config":{"layers":3},"decoder_config":{"layers":5}}"#
    ),
    (
      "language_model.model.layers", "encoder.layers",
      #"{"text_config":{"num_hidden_layers":3},"encoder_config":{"num_layers":3}}"#,
      #"{"text_config":{"num_hidden_layers":5},"encoder_config":{"num_layers":3}}"#
    ),
  ])
  func onlyTheKeysOfTheStackedModuleChange(main: String, other: String, text: String, expected: String) throws
  {
    let config = try json(text)
    let architecture = Architecture(
      names: SampleModel.layerNames(main, 3, ["a.q.weight"])
        + SampleModel.layerNames(other, 3, ["a.q.weight"]),
      config: config)
    #expect(architecture.main.layerPrefix == main)
    let sources = [0, 1, 2, 1, 2].map {
      OutputConfig.LayerSource(config: config, module: architecture.main, layer: $0)
    }
    let output = OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil, layers: [architecture.main.name: sources],
      rules: try .standard())
    #expect(output.json.text(.compact) == expected)
    #expect(output.remarks == [])
  }

  /// Whichever of encoder and decoder changes.
  @Test(arguments: [
    ("encoder", [0, 2], 1), ("decoder", [0, 1, 2, 2], 1), ("encoder", [0, 1, 1, 2], 0), ("decoder", [1], 0),
  ])
  func aDecoderHasNoMoreLayersThanMayRun(module: String, layers: [Int], errors: Int) throws {
    let config = try json(#"{"model_type":"prophetnet","num_encoder_layers":3,"num_decoder_layers":3}"#)
    let architecture = Architecture(
      names: ["encoder.layers", "decoder.layers"].flatMap { SampleModel.layerNames($0, 3, ["a.q.weight"]) },
      config: config)
    let module = try #require(architecture.module(named: module))
    let sources = layers.map { OutputConfig.LayerSource(config: config, module: module, layer: $0) }
    let output = OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil, layers: [module.name: sources],
      rules: try .standard())
    #expect(output.errors.count == errors)
  }

  /// T5Gemma 2 describes the encoder's text within the encoder.
  @Test func anEncoderMayHaveATextOfItsOwn() throws {
    let config = try json(
      #"{"encoder":{"text_config":{"num_hidden_layers":3},"vision_config":{"num_hidden_layers":3}},"#
        + #""decoder":{"num_hidden_layers":3}}"#)
    let architecture = Architecture(
      names: ["encoder.layers", "encoder.vision_tower.encoder.layers", "decoder.layers"].flatMap {
        SampleModel.layerNames($0, 3, ["a.q.weight"])
      }, config: config)
    let module = try #require(architecture.module(named: "encoder.layers"))
    let sources = [0, 2].map { OutputConfig.LayerSource(config: config, module: module, layer: $0) }
    let output = OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil, layers: [module.name: sources],
      rules: try .standard())
    #expect(
      output.json.text(.compact)
        == #"{"encoder":{"text_config":{"num_hidden_layers":2},"vision_config":{"num_hidden_layers":3}},"#
        + #""decoder":{"num_hidden_layers":3}}"#)
    #expect(output.remarks == [])
  }

  /// What an adapter takes from a vision tower may be said where the adapter is described.
  @Test func tapsStandWhereTheyAreUsed() throws {
    let config = try json(
      #"{"vision_config":{"num_hidden_layers":3},"adapter_config":{"vision_feature_layers":[2,-1]}}"#)
    let architecture = Architecture(
      names: SampleModel.layerNames("vision_tower.layers", 3, ["a.q.weight"])
        + SampleModel.layerNames("language_model.layers", 4, ["a.q.weight"]),
      config: config)
    let module = try #require(architecture.module(named: "vision_tower.layers"))
    let sources = [0, 1, 2, 2].map { OutputConfig.LayerSource(config: config, module: module, layer: $0) }
    let output = OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil, layers: [module.name: sources],
      rules: try .standard())
    #expect(
      output.json.text(.compact)
        == #"{"vision_config":{"num_hidden_layers":4},"adapter_config":{"vision_feature_layers":[3,-1]}}"#)
  }

  /// Caches are made for `num_hidden_layers`, which is another name for the encoder's number.
  @Test func aDecoderAloneIsCountedByAllKeys() throws {
    let config = try json(
      #"{"decoder_layers":3,"encoder_layers":3,"num_hidden_layers":3,"max_window_layers":3}"#)
    let architecture = Architecture(
      names: SampleModel.layerNames("model.decoder.layers", 3, ["a.q.weight"]), config: config)
    let sources = [0, 1, 1, 2].map {
      OutputConfig.LayerSource(config: config, module: architecture.main, layer: $0)
    }
    let output = OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil, layers: [architecture.main.name: sources])
    #expect(
      output.json.text(.compact)
        == #"{"decoder_layers":4,"encoder_layers":4,"num_hidden_layers":4,"max_window_layers":3}"#)
  }

  /// Convolutions before an encoder are not counted by its number, though they are a part of as many.
  @Test(arguments: [("encoder.subsampling.layers", 2), ("encoder.pos_conv_embed.layers", 5)])
  func aNumberCountsTheListThatHasIt(convolutions: String, count: Int) throws {
    let config = try json(#"{"encoder_config":{"num_hidden_layers":6}}"#)
    let architecture = Architecture(
      names: SampleModel.layerNames("encoder.layers", 6, ["a.q.weight"])
        + SampleModel.layerNames(convolutions, count, ["conv.a.weight"]),
      config: config)
    func derive(_ prefix: String, _ layers: [Int]) throws -> OutputConfig {
      let module = try #require(architecture.module(named: prefix))
      let sources = layers.map { OutputConfig.LayerSource(config: config, module: module, layer: $0) }
      return OutputConfig.derive(
        from: config, architecture: architecture, dtype: nil, layers: [module.name: sources],
        rules: try .standard())
    }
    let output = try derive("encoder.layers", [0, 1, 4, 5])
    #expect(output.json.text(.compact) == #"{"encoder_config":{"num_hidden_layers":4}}"#)
    #expect(output.remarks == [])
    #expect(try derive(convolutions, [0, 1, 1]).errors.count == 1)
    #expect(try derive(convolutions, (0..<count).reversed()).json == config)
  }

  /// Nemotron-H's number of layers is that of its list's entries, and its groups are Mamba's.
  @Test func aListMayCountTheLayers() throws {
    let model = StackModel(try json(#"{"layers_block_type":["m","a","m"],"n_groups":3}"#))
    let output = try model.stack([0, 1, 1, 2])
    #expect(output.json.text(.compact) == #"{"layers_block_type":["m","a","a","m"],"n_groups":3}"#)
    #expect(output.remarks == [])
  }

  /// Where names do not tell which of two texts a key is about, a table does.
  @Test(arguments: [
    (
      "backbone_model.layers",
      #"{"model_type":"csm","num_hidden_layers":2,"depth_decoder_config":{"num_hidden_layers":3}}"#
    ),
    (
      "depth_decoder.model.layers",
      #"{"model_type":"csm","num_hidden_layers":3,"depth_decoder_config":{"num_hidden_layers":2}}"#
    ),
  ])
  func aTableTellsWhatNamesDoNot(prefix: String, expected: String) throws {
    let config = try json(
      #"{"model_type":"csm","num_hidden_layers":3,"depth_decoder_config":{"num_hidden_layers":3}}"#)
    let architecture = Architecture(
      names: ["backbone_model.layers", "depth_decoder.model.layers"].flatMap {
        SampleModel.layerNames($0, 3, ["a.q.weight"])
      }, config: config)
    let module = try #require(architecture.module(named: prefix))
    let sources = [0, 2].map { OutputConfig.LayerSource(config: config, module: module, layer: $0) }
    let output = OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil, layers: [module.name: sources],
      rules: try .standard())
    #expect(output.json.text(.compact) == expected)
    #expect(output.remarks == [])
  }

  /// Two towers of one config.
  @Test func towersOfOneConfigHaveOneNumber() throws {
    let config = try json(#"{"vision_config":{"num_hidden_layers":3},"text_config":{"num_hidden_layers":2}}"#)
    let architecture = Architecture(
      names: ["image_tower", "video_tower"].flatMap {
        SampleModel.layerNames("\($0).encoder.layers", 3, ["a.q.weight"])
      }
        + SampleModel.layerNames("language_model.layers", 2, ["a.q.weight"]),
      config: config)
    for tower in ["image_tower", "video_tower"] {
      let module = try #require(architecture.module(named: "\(tower).encoder.layers"))
      let sources = [0, 1, 1, 2].map { OutputConfig.LayerSource(config: config, module: module, layer: $0) }
      let output = OutputConfig.derive(
        from: config, architecture: architecture, dtype: nil, layers: [module.name: sources],
        rules: try .standard())
      #expect(output.errors.count == 1)
    }
  }

  /// A count that differs from the number of layers may be right.
  @Test(arguments: [
    (#"{"num_hidden_layers":6}"#, [0, 2, 2], #"{"num_hidden_layers":6}"#, 0),
    (#"{"num_hidden_layers":6}"#, [0, 1], #"{"num_hidden_layers":4}"#, 0),
    (
      #"{"num_layers_per_stack":3,"num_hidden_layers":24}"#, [0, 1],
      #"{"num_layers_per_stack":2,"num_hidden_layers":16}"#, 0
    ),
  ])
  func countsAreScaled(text: String, layers: [Int], expected: String, errors: Int) throws {
    let output = try StackModel(try json(text)).stack(layers)
    #expect(output.json.text(.compact) == expected)
    #expect(output.errors.count == errors)
  }

  @Test func bothStacksOfAnEncoderDecoder() throws {
    let config = try json(#"{"num_layers":2,"num_decoder_layers":3}"#)
    let architecture = Architecture(
      names: SampleModel.layerNames("encoder.block", 2, ["layer.0.q.weight"])
        + SampleModel.layerNames("decoder.block", 3, ["layer.0.q.weight"]),
      config: config)
    func sources(_ module: String, _ layers: [Int]) throws -> [OutputConfig.LayerSource] {
      let module = try #require(architecture.module(named: module))
      return layers.map { OutputConfig.LayerSource(config: config, module: module, layer: $0) }
    }
    let output = OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil,
      layers: ["encoder": try sources("encoder", [0, 1, 0, 1]), "decoder": try sources("decoder", [2])])
    #expect(output.json.text(.compact) == #"{"num_layers":4,"num_decoder_layers":1}"#)
  }

  /// The weights of the layers that predict further tokens are not in a stack.
  @Test func predictionLayersAreDropped() throws {
    let config = try json(#"{"num_hidden_layers":3,"num_nextn_predict_layers":1,"layer_types":[1,2,3,4]}"#)
    let output = try StackModel(config, layers: 4).stack([0, 1, 1, 2])
    #expect(
      output.json.text(.compact)
        == #"{"num_hidden_layers":4,"num_nextn_predict_layers":0,"layer_types":[1,2,2,3]}"#)
    #expect(
      output.warnings == [
        "config.json: num_nextn_predict_layers is now 0, as a stack keeps no layers that predict further tokens"
      ])
    // In a model that is merged whole they stay.
    let model = StackModel(config, layers: 4)
    let whole = OutputConfig.derive(from: config, architecture: model.architecture, dtype: nil)
    #expect(whole.json == config && whole.warnings == [])
  }

  // MARK: Lists

  @Test(arguments: [
    ("layer_types", #"["a","b","c"]"#, #"["a","b","b","c"]"#),
    ("no_rope_layers", "[1,1,0]", "[1,1,1,0]"),
    ("layers_block_type", #"["mamba","attention","mamba"]"#, #"["mamba","attention","attention","mamba"]"#),
    ("intermediate_size", "[8,16,32]", "[8,16,16,32]"),
    ("rope_theta", "[1e6,10000.0,1e6]", "[1e6,10000.0,10000.0,1e6]"),
    ("attention_layers", #"["global","local","global"]"#, #"["global","local","local","global"]"#),
    ("hybrid_override_pattern", #""M*-""#, #""M**-""#),
    ("attention_types", #"[[["g","l","m"],1]]"#, #"[[["g","l","l","m"],1]]"#),
    ("attention_types", #"[[["g"],2],[["l"],1]]"#, #"[[["g","g","g","l"],1]]"#),
    ("full_attn_idxs", "[1,2]", "[1,2,3]"),
    ("mlp_only_layers", "[]", "[]"),
    ("attn_layer_indices", "[0]", "[0]"),
    ("moe_layers", "[0,2]", "[0,3]"),
    ("moe_layers", "[false,true]", "[false,true]"),
    ("per_layer_config", #"{"1":{"a":8},"2":{"a":9}}"#, #"{"1":{"a":8},"2":{"a":8},"3":{"a":9}}"#),
    (
      "linear_attn_config", #"{"kda_layers":[1,3],"full_attn_layers":[2]}"#,
      #"{"kda_layers":[1,4],"full_attn_layers":[2,3]}"#
    ),
    ("ple_layer_ids", "[2]", "[2,3]"),
    ("block_types", #"["r","a"]"#, #"["r","a","a","r"]"#),
    ("kv_source_layers", "[0,1,1]", "[0,1,2,2]"),
    ("target_layer_ids", "[0,-1]", "[0,-1]"),
    ("target_layer_ids", "[1,2]", "[2,3]"),
    // No list with an entry a layer.
    ("layer_types", #"["a","b"]"#, #"["a","b"]"#),
    ("architectures", #"["a","b","c"]"#, #"["a","b","c"]"#),
    ("eos_token_id", "[1,2,3]", "[1,2,3]"),
    ("attention_types", #"[[["g"],100000000000]]"#, #"[[["g"],100000000000]]"#),
  ])
  func listsFollowTheLayers(key: String, list: String, expected: String) throws {
    for section in ["", #""text_config":"#] {
      func config(_ list: String, _ count: Int) throws -> JSON {
        let inner = "{\"num_hidden_layers\":\(count),\"\(key)\":\(list)}"
        return try json(section.isEmpty ? inner : "{\(section)\(inner)}")
      }
      let output = try StackModel(try config(list, 3)).stack([0, 1, 1, 2])
      #expect(output.json == (try config(expected, 4)))
      #expect(output.warnings == [])
    }
  }

  @Test func listsComeFromTheSources() throws {
    let base = StackModel(
      try json(
        """
        {"num_hidden_layers": 3, "layer_types": ["a", "a", "a"], "full_attn_idxs": [0],
         "hybrid_override_pattern": "aaa"}
        """))
    let other = StackModel(
      try json(
        """
        {"text_config":{"num_hidden_layers":4,"layer_types":["b","c","d","e"],"full_attn_idxs":[2],
         "hybrid_override_pattern":"bcde"}}
        """), layers: 4)
    let output = try base.derive([base.source(0), base.source(2), other.source(2), other.source(3)])
    #expect(
      output.json.text(.compact)
        == #"{"num_hidden_layers":4,"layer_types":["a","a","d","e"],"full_attn_idxs":[0,2],"#
        + #""hybrid_override_pattern":"aade"}"#)
  }

  @Test func sourceWithoutAListAgreesWithTheBase() throws {
    let text = #"{"num_hidden_layers":3,"layer_types":["a","b","c"],"mlp_only_layers":[1]}"#
    let base = StackModel(try json(text))
    let other = StackModel(try json(#"{"num_hidden_layers":5}"#), layers: 5)
    let output = try base.derive([base.source(0), other.source(1), other.source(2)])
    #expect(output.json.text(.compact) == text)
    let beyond = try base.derive([base.source(0), other.source(4)])
    #expect(beyond.json.text(.compact) == #"{"num_hidden_layers":2,"mlp_only_layers":[]}"#)
    #expect(
      beyond.warnings == [
        "config.json: layer_types is left out, as nothing says it for all layers of the output"
      ])
  }

  // MARK: Counts of first and last layers

  @Test(arguments: [
    // All layers, as most Qwen2 say it.
    (#""max_window_layers":3"#, [0, 1, 1, 2], #""max_window_layers":4"#),
    (#""max_window_layers":28"#, [0, 1, 1, 2], #""max_window_layers":28"#),
    (#""max_window_layers":2"#, [0, 1, 1, 2], #""max_window_layers":3"#),
    (#""max_window_layers":0"#, [0, 1, 1, 2], #""max_window_layers":0"#),
    (#""max_window_layers":2"#, [0, 2, 1, 2], #""max_window_layers":1"#),
    (#""first_k_dense_replace":1"#, [0, 0, 1, 2], #""first_k_dense_replace":2"#),
    (#""first_k_dense_replace":1"#, [1, 2], #""first_k_dense_replace":0"#),
    (#""num_dense_layers":2"#, [0, 2, 2], #""num_dense_layers":1"#),
    (#""num_kv_shared_layers":1"#, [0, 1, 2, 2], #""num_kv_shared_layers":2"#),
    (#""num_kv_shared_layers":0"#, [0, 1, 2, 2], #""num_kv_shared_layers":0"#),
    (#""num_kv_shared_layers":1"#, [0, 1], #""num_kv_shared_layers":0"#),
    (#""decoder_sparse_step":1"#, [0, 2], #""decoder_sparse_step":1"#),
    (#""full_attention_interval":2"#, [0, 1, 0, 1], #""full_attention_interval":2"#),
    // Stages of backbones, with a stem before the layers and without.
    (
      #""out_features":["stage3"],"out_indices":[3],"stage_names":["stem","stage1","stage2","stage3"]"#,
      [0, 1, 1, 0],
      #""out_features":["stage4"],"out_indices":[4],"stage_names":["stem","stage1","stage2","stage3","stage4"]"#
    ),
    (
      #""out_features":["stem","stage1","stage3"],"out_indices":[0,1,3]"#, [0, 2],
      #""out_features":["stem","stage1","stage2"],"out_indices":[0,1,2]"#
    ),
    (
      #""out_indices":[0,-1],"stage_names":["stage1","stage2","stage3"]"#, [1, 0],
      #""out_indices":[1,-1],"stage_names":["stage1","stage2"]"#
    ),
    // Not the layers' stages.
    (
      #""out_indices":[4],"stage_names":["stem","stage1"]"#, [0],
      #""out_indices":[4],"stage_names":["stem","stage1"]"#
    ),
  ])
  func countsFollowTheLayers(entry: String, layers: [Int], expected: String) throws {
    let model = StackModel(try json("{\"num_hidden_layers\":3,\(entry)}"))
    let output = try model.stack(layers)
    #expect(output.json.text(.compact) == "{\"num_hidden_layers\":\(layers.count),\(expected)}")
    #expect(output.warnings == [])
  }

  @Test(arguments: [
    (
      #""ple_layer_ids":[1,3]"#, [2, 1],
      "config.json: ple_layer_ids makes layer 2 what it is by its place in the list, which is 2 and would be 1"
    ),
    (
      #""model_type":"diffusion_gemma_text""#, [0, 2, 1],
      "the layers of this model type keep their places: its encoder has the decoder's layers again, each with a scalar"
        + " of its own"
    ),
    (
      #""out_indices":[1,3]"#, [1, 2],
      "config.json: out_indices takes the output of layer 0, which no slice has"
    ),
    (
      #""num_kv_shared_layers":1"#, [0, 2, 1],
      "config.json: num_kv_shared_layers counts layers from the last back and cannot say that layers before 3"
        + " are of that kind"
    ),
    (
      #""sliding_window_pattern":2"#, [0, 0, 1],
      "config.json: sliding_window_pattern = 2 makes layer 1 of the output another kind than layer 0, which it"
        + " comes from"
    ),
    (
      #""moe_layer_start_index":1,"moe_layer_end_index":-1"#, [1, 0, 2],
      "config.json: moe_layer_start_index and moe_layer_end_index say one run of layers and cannot leave some out"
    ),
    (
      #""n_input_layers":1,"n_recurrent_layers":1,"n_output_layers":1"#, [0, 2, 1],
      "config.json: n_input_layers and what stands beside it count runs of layers, whose order the slices change"
    ),
    (
      #""kv_source_layers":[0,0,2]"#, [2, 1, 0],
      "config.json: kv_source_layers says that layer 1 takes from layer 0, which is not among the layers before it"
    ),
    (
      #""target_layer_ids":[0,2]"#, [0, 1],
      "config.json: target_layer_ids takes the output of layer 2, which no slice has"
    ),
  ])
  func whatCannotBeSaidIsAnError(entry: String, layers: [Int], error: String) throws {
    let output = try StackModel(try json("{\"num_hidden_layers\":3,\(entry)}")).stack(layers)
    #expect(output.errors == [error])
    #expect(output.warnings == [])
  }

  /// Where layers differ in their tensors, comparing these shows it.
  @Test(arguments: [
    (#""first_k_dense_replace":1"#, [0, 1, 0]), (#""decoder_sparse_step":2"#, [0, 0, 1]),
    (#""max_window_layers":1"#, [1, 0]),
  ])
  func keysThatSayNothingOrAreSeenInTensorsAreNoErrors(entry: String, layers: [Int]) throws {
    let output = try StackModel(try json("{\"num_hidden_layers\":3,\(entry)}")).stack(layers)
    #expect(output.errors == [] && output.warnings == [])
  }

  @Test(arguments: ["diffllama", "beam"])
  func behaviourByNumberIsAWarning(kind: String) throws {
    let model = StackModel(try json(#"{"num_hidden_layers":3,"model_type":"\#(kind)"}"#))
    #expect(try model.stack([0, 1, 2, 2]).warnings.count == 1)
    #expect(try model.stack([0, 1, 2]).warnings == [])
  }

  // MARK: Types by rule

  @Test(arguments: [
    // The rule goes on to hold: nothing is added.
    (#""model_type":"gemma2""#, [0, 1, 0, 1], nil),
    (#""model_type":"gemma2""#, [0, 1, 1, 2], "fssf"),
    (#""model_type":"gemma3_text","sliding_window_pattern":2"#, [1, 0], "sf"),
    (#""model_type":"gemma3_text""#, [0, 2], nil),
    (#""model_type":"cohere2","sliding_window_pattern":3"#, [2, 1, 2], "sfs"),
    (#""model_type":"exaone4","sliding_window_pattern":"LG""#, [1, 0], "sf"),
    (#""model_type":"exaone4","sliding_window":null"#, [2, 0], nil),
    (#""model_type":"modernbert","global_attn_every_n_layers":2"#, [1, 0], "fs"),
    (#""model_type":"qwen3_next","full_attention_interval":2"#, [1, 0], "sl"),
    (#""model_type":"llama","sliding_window_pattern":3"#, [0, 1, 2], nil),
    (#""model_type":"qwen2","use_sliding_window":true,"max_window_layers":1"#, [1, 0], "fs"),
    (#""model_type":"qwen2","use_sliding_window":true,"max_window_layers":1"#, [0, 0, 1], nil),
    (#""model_type":"qwen2","use_sliding_window":false,"max_window_layers":1"#, [1, 0], nil),
  ])
  func brokenRulesAreWrittenOut(entry: String, layers: [Int], expected: String?) throws {
    let output = try StackModel(try json("{\"num_hidden_layers\":3,\(entry)}")).stack(layers)
    let letters = ["full_attention": "s", "sliding_attention": "f", "linear_attention": "l"]
    let types = output.json["layer_types"]?.arrayValue?.map {
      $0.stringValue.flatMap { letters[$0] } ?? "?"
    }.joined()
    #expect(types == expected)
    #expect(output.warnings == [])
  }
}

/// A model of one stack, from whose layers outputs are put together.
private struct StackModel {
  let config: JSON
  let architecture: Architecture

  init(_ config: JSON, layers: Int = 3) {
    self.config = config
    architecture = Architecture(
      names: SampleModel.layerNames("model.layers", layers, ["mlp.up_proj.weight"]), config: config)
  }

  var all: [Int] { Array(0..<architecture.numLayers) }

  func source(_ layer: Int) -> OutputConfig.LayerSource {
    OutputConfig.LayerSource(config: config, module: architecture.main, layer: layer)
  }

  func derive(_ sources: [OutputConfig.LayerSource]) throws -> OutputConfig {
    OutputConfig.derive(
      from: config, architecture: architecture, dtype: nil, layers: ["default": sources],
      rules: try .standard())
  }

  func stack(_ layers: [Int]) throws -> OutputConfig { try derive(layers.map(source)) }
}

extension LayerRules {
  /// Those of the standard library.
  static func standard() throws -> LayerRules {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path = root.appending(path: "stdlib/architectures/layer_keys.lua").path
    let lua = LuaState()
    try lua.load(try Data(contentsOf: URL(filePath: path)), name: "layer_keys.lua")
    try lua.call(arguments: 0, results: 1)
    return LayerRules(try lua.json(at: -1, "layer_keys"))
  }
}
