import Architectures
import Basics
import Testing

@Suite struct ArchitectureTests {
  // MARK: One stack

  @Test(arguments: SampleModel.oneStack)
  func oneStackIsTheDefaultModule(model: SampleModel) throws {
    for config in [try model.json(), nil] {
      let architecture = Architecture(names: model.names, config: config)
      #expect(architecture.modules.map(\.name) == ["default"])
      #expect(architecture.main.layerPrefix == model.prefix)
      #expect(architecture.numLayers == model.layers)
      #expect(architecture.main.numPredictionLayers == 0)
      for name in model.names {
        let info = architecture.info(for: name)
        #expect(info.module == "default")
        #expect(info.layer == model.layer(of: name), "\(name)")
        #expect(Architecture.name(template: info.template, layer: info.layer ?? 0) == name)
      }
    }
  }

  @Test(arguments: SampleModel.oneStack)
  func kindsOfTensors(model: SampleModel) throws {
    let architecture = Architecture(names: model.names, config: try model.json())
    func names(_ kind: Architecture.Kind) -> [String] {
      model.names.filter { architecture.info(for: $0).kind == kind && model.layer(of: $0) == nil }
    }
    #expect(names(.embedding) == model.embeddings)
    #expect(names(.head) == model.heads)
    let norms = model.names.filter { $0.hasSuffix(".weight") && SampleModel.isNorm($0) }
    #expect(model.names.filter { architecture.info(for: $0).kind == .norm } == norms)
    let biases = model.names.filter { $0.hasSuffix("bias") }
    #expect(model.names.filter { architecture.info(for: $0).kind == .bias } == biases)
  }

  @Test(arguments: SampleModel.oneStack)
  func layerCountKeys(model: SampleModel) throws {
    let architecture = Architecture(names: model.names, config: try model.json())
    #expect(architecture.main.layerCountKeys == [model.layerCountKey.split(separator: ".").map(String.init)])
  }

  @Test func tiedEmbeddings() throws {
    let llama = SampleModel.llama
    let untied = llama.names
    let tied = untied.filter { $0 != "lm_head.weight" }
    #expect(!Architecture(names: untied).tiesEmbeddings)
    #expect(Architecture(names: tied).tiesEmbeddings)
    #expect(!Architecture(names: tied, config: try json(#"{"tie_word_embeddings": false}"#)).tiesEmbeddings)
    #expect(Architecture(names: untied, config: try json(#"{"tie_word_embeddings": true}"#)).tiesEmbeddings)
    let nested = try json(#"{"text_config": {"tie_word_embeddings": true}}"#)
    #expect(Architecture(names: untied, config: nested).tiesEmbeddings)
    #expect(!Architecture(names: ["a.weight"]).tiesEmbeddings)
  }

  @Test func shapesDecideWhereNamesDoNot() throws {
    let architecture = Architecture(
      names: ["model.layers.0.a.b.weight"], config: try json(#"{"vocab_size": 100}"#))
    #expect(architecture.vocabularySize == 100)
    func kind(_ name: String, _ shape: [Int]) -> Architecture.Kind {
      architecture.info(for: name, shape: shape).kind
    }
    #expect(kind("model.my_embed.weight", [100, 8]) == .embedding)
    #expect(kind("model.my_output.weight", [100, 8]) == .head)
    #expect(kind("model.my_output.weight", [101, 8]) == .weight)
    #expect(kind("model.layers.0.router.weight", [100, 8]) == .weight)
    #expect(kind("lm_head.weight", [8]) == .weight)
    #expect(kind("model.norm_proj.weight", [8, 8]) == .weight)
    #expect(kind("model.norm_proj.weight", [8]) == .norm)
    #expect(kind("model.norm.weight", []) == .norm)
  }

  @Test(arguments: [
    ("embeddings.LayerNorm.gamma", Architecture.Kind.norm), ("embeddings.LayerNorm.beta", .bias),
    ("model.layers.0.mlp.gate.e_score_correction_bias", .bias), ("transformer.wpe.weight", .weight),
    ("block.0.layer.0.SelfAttention.relative_attention_bias.weight", .weight), ("score.weight", .head),
    ("classifier.out_proj.weight", .head), ("classifier.dense.weight", .weight),
    ("output.weight", .head), ("encoder.output.weight", .weight), ("lm_head.decoder.weight", .head),
    ("lm_head.dense.weight", .weight), ("transformer.embedding.word_embeddings.weight", .embedding),
    ("model.line.weight", .weight), ("", .weight), (".", .weight), ("norm", .norm),
  ])
  func kindOfAName(name: String, kind: Architecture.Kind) {
    #expect(Architecture(names: [name]).info(for: name).kind == kind)
  }

  // MARK: Finding the stack

  @Test func expertsAreNoLayers() {
    let architecture = Architecture(names: SampleModel.mixtral.names)
    let name = "model.layers.1.block_sparse_moe.experts.2.w1.weight"
    #expect(architecture.layer(of: name)?.index == 1)
    #expect(architecture.template(of: name) == "model.layers.{layer}.block_sparse_moe.experts.2.w1.weight")
    #expect(architecture.name(name, layer: 7) == "model.layers.7.block_sparse_moe.experts.2.w1.weight")
    #expect(architecture.name("lm_head.weight", layer: 7) == "lm_head.weight")
  }

  @Test func expertsOfASingleLayerAreNoLayers() {
    let names = (0..<8).map { "model.layers.0.mlp.experts.\($0).w1.weight" }
    let architecture = Architecture(names: names)
    #expect(architecture.main.layerPrefix == "model.layers")
    #expect(architecture.numLayers == 1)
  }

  @Test func sequentialsAreNoStacks() {
    let names =
      (0..<4).map { "model.layers.\($0).mlp.up.weight" }
      + (0..<8).flatMap {
        ["embeddings.\($0).weight", "aligner.layers.\($0).weight", "conv.\(2 * $0).a.b.weight"]
      }
    let architecture = Architecture(names: names)
    #expect(architecture.modules.map(\.name) == ["default"])
    #expect(architecture.numLayers == 4)
    #expect(architecture.info(for: "aligner.layers.3.weight").layer == nil)
    #expect(architecture.info(for: "conv.3.a.b.weight").layer == nil)
  }

  @Test func unknownListsAreStacksWhereThereIsNoOther() {
    let names =
      (0..<3).flatMap { ["net.cells.\($0).attn.weight", "net.cells.\($0).mlp.weight"] }
      + (0..<5).map { "stem.\($0).conv.weight" } + [0, 2, 3, 5, 7, 9, 11].map { "head.\($0).x.weight" }
    let architecture = Architecture(names: names)
    #expect(architecture.main.layerPrefix == "net.cells")
    #expect(architecture.numLayers == 3)
    #expect(Architecture(names: ["layers.0.weight", "layers.1.weight", "a.0.weight"]).numLayers == 2)
  }

  @Test func modelsWithoutLayers() {
    let numbered = ["0.linear.weight", "a.b.weight", "x.0", "layers.99999999999999999999.a.b"]
    for names in [[], ["weight"], numbered] {
      let architecture = Architecture(names: names)
      #expect(architecture.modules.map(\.name) == ["default"])
      #expect(architecture.numLayers == 0)
      #expect(architecture.main.layerPrefix == nil)
      #expect(architecture.info(for: "a.b.weight").layer == nil)
    }
    #expect(Architecture(names: ["layers.1234567890.a.b"]).numLayers == 0)
  }

  @Test func sentenceTransformersFolderNumbersAreNoLayers() {
    let names = (0..<3).map { "0.auto_model.encoder.layer.\($0).output.dense.weight" }
    #expect(Architecture(names: names).main.layerPrefix == "0.auto_model.encoder.layer")
  }

  @Test func predictionLayersFollowTheLast() throws {
    let names = (0..<4).map { "model.layers.\($0).mlp.up_proj.weight" } + ["model.embed_tokens.weight"]
    let config = try json(#"{"num_hidden_layers": 3, "num_nextn_predict_layers": 1}"#)
    let architecture = Architecture(names: names, config: config)
    #expect(architecture.numLayers == 3)
    #expect(architecture.main.numPredictionLayers == 1)
    #expect(architecture.main.layerCountKeys == [["num_hidden_layers"]])
    let info = architecture.info(for: "model.layers.3.mlp.up_proj.weight")
    #expect(info.layer == nil)
    #expect(info.predictionLayer == 0)
    #expect(info.template == "model.layers.{layer}.mlp.up_proj.weight")
    #expect(architecture.layer(of: "model.layers.3.mlp.up_proj.weight") == nil)
    #expect(architecture.info(for: "model.layers.2.mlp.up_proj.weight").layer == 2)
    // Without the config they are layers as the others.
    #expect(Architecture(names: names).numLayers == 4)
  }

  /// Without their number in the config they are told by what they alone have.
  @Test func predictionLayersAreToldByTheirTensors() throws {
    let names =
      (0..<4).map { "model.layers.\($0).mlp.up_proj.weight" } + ["model.layers.3.eh_proj.weight"]
    let config = try json(#"{"num_hidden_layers": 3}"#)
    let architecture = Architecture(names: names, config: config)
    #expect(architecture.numLayers == 3)
    #expect(architecture.main.numPredictionLayers == 1)
  }

  @Test func gradientsRunOverOtherListsOfModules() {
    let names =
      (0..<4).map { "model.layers.\($0).mlp.up.weight" } + (0..<3).map { "visual.mergers.\($0).norm.weight" }
    let architecture = Architecture(names: names)
    #expect(architecture.modules.map(\.name) == ["default"])
    #expect(architecture.info(for: "visual.mergers.1.norm.weight").depth == 0.5)
    #expect(architecture.info(for: "visual.mergers.1.norm.weight").layer == nil)
    #expect(architecture.info(for: "model.layers.3.mlp.up.weight").depth == 1)
  }

  /// An entry may have nothing but a list of its own.
  @Test func gradientsRunOverListsAroundOthers() {
    let names =
      (0..<3).map { "vq.up.\($0).block.0.conv.weight" } + (1..<3).map { "vq.up.\($0).upsample.conv.weight" }
    let architecture = Architecture(names: names)
    #expect(architecture.info(for: "vq.up.1.upsample.conv.weight").depth == 0.5)
  }

  @Test func listsBesideEachOtherAreOneStack() {
    let names = (0..<3).flatMap {
      ["t.attentions.\($0).q.weight", "t.ffns.\($0).up.weight", "t.norm1.\($0).weight"]
    }
    let architecture = Architecture(names: names)
    #expect(architecture.modules.count == 1)
    for name in names { #expect(architecture.info(for: name).layer != nil) }
    #expect(architecture.template(of: "t.norm1.2.weight") == "t.norm1.{layer}.weight")
  }

  /// Segformer's `layer_norm` beside `block`, and a list that is as long by chance elsewhere.
  @Test func listsOfTensorsBesideTheLayersAreTheirs() {
    let names = (0..<4).flatMap {
      ["e.block.\($0).0.mlp.weight", "e.layer_norm.\($0).weight", "other.scales.\($0).weight"]
    }
    let architecture = Architecture(names: names)
    #expect(architecture.info(for: "e.layer_norm.2.weight").layer == 2)
    #expect(architecture.info(for: "other.scales.2.weight").layer == nil)
    let short = Architecture(names: (0..<2).flatMap { ["m.layers.\($0).a.weight", "m.proj.\($0).weight"] })
    #expect(short.info(for: "m.proj.1.weight").layer == nil)
  }

  @Test(arguments: [
    (
      ["model.encoder.layers", "model.transf_decoder._decoder.layers"], "model.transf_decoder._decoder.layers"
    ),
    (["encoder.layers", "language_model.model.layers"], "language_model.model.layers"),
    (["model.dit.layers", "model.vlm.language_model.layers"], "model.vlm.language_model.layers"),
    (["blocks", "layers"], "layers"), (["flow_head.layers", "model.layers"], "model.layers"),
    (
      ["qformer.encoder.layer", "language_model.model.decoder.layers"], "language_model.model.decoder.layers"
    ),
  ])
  func theMainModuleIsTheTexts(prefixes: [String], main: String) {
    let names = prefixes.flatMap { SampleModel.layerNames($0, 3, ["a.q.weight"]) }
    #expect(Architecture(names: names).main.layerPrefix == main)
  }

  @Test func auxiliaryStacksAreNoModules() {
    let names = (0..<3).map { "model.layers.\($0).mlp.up.weight" } + ["mtp.layers.0.mlp.up.weight"]
    let architecture = Architecture(names: names)
    #expect(architecture.modules.map(\.name) == ["default"])
    #expect(architecture.info(for: "mtp.layers.0.mlp.up.weight").layer == nil)
  }

  @Test func wrongLayerCountsInTheConfig() throws {
    let config = try json(#"{"num_hidden_layers": 32, "n_layer": 32, "vision_config": {"depth": 9}}"#)
    let architecture = Architecture(names: SampleModel.llama.names, config: config)
    #expect(architecture.numLayers == 3)
    #expect(architecture.main.layerCountKeys == [["num_hidden_layers"], ["n_layer"]])
  }

  @Test func configsThatAreNoObjects() throws {
    for text in ["[]", "null", "3", #"{"num_hidden_layers": "3", "text_config": []}"#] {
      let architecture = Architecture(names: SampleModel.llama.names, config: try json(text))
      #expect(architecture.numLayers == 3)
      #expect(architecture.main.layerCountKeys == [])
    }
  }

  // MARK: Several modules

  @Test func gemma3VisionLanguage() throws {
    for (text, vision, projector) in [
      ("language_model.model", "vision_tower.vision_model", "multi_modal_projector"),
      ("model.language_model", "model.vision_tower.vision_model", "model.multi_modal_projector"),
    ] {
      let names =
        SampleModel.layerNames("\(text).layers", 4, ["self_attn.q_proj.weight", "input_layernorm.weight"])
        + SampleModel.layerNames("\(vision).encoder.layers", 2, ["mlp.fc1.weight", "layer_norm1.bias"])
        + [
          "\(text).embed_tokens.weight", "\(text).norm.weight", "\(vision).post_layernorm.weight",
          "\(vision).embeddings.position_embedding.weight", "\(projector).mm_soft_emb_norm.weight",
          "lm_head.weight",
        ]
      let config = try json(
        """
        {"text_config": {"num_hidden_layers": 4}, "num_hidden_layers": 9,
         "vision_config": {"num_hidden_layers": 2}}
        """)
      let architecture = Architecture(names: names, config: config)
      #expect(architecture.modules.map(\.name) == ["text_decoder", "vision_tower", "multi_modal_projector"])
      #expect(architecture.modules.map(\.numLayers) == [4, 2, 0])
      #expect(architecture.numLayers == 4)
      #expect(
        architecture.modules.map(\.layerCountKeys) == [
          [["text_config", "num_hidden_layers"]], [["vision_config", "num_hidden_layers"]], [],
        ])
      func module(_ name: String) -> String { architecture.info(for: name).module }
      #expect(module("\(text).layers.3.self_attn.q_proj.weight") == "text_decoder")
      #expect(module("\(text).norm.weight") == "text_decoder")
      #expect(module("lm_head.weight") == "text_decoder")
      #expect(module("\(vision).encoder.layers.1.mlp.fc1.weight") == "vision_tower")
      #expect(module("\(vision).post_layernorm.weight") == "vision_tower")
      #expect(module("\(projector).mm_soft_emb_norm.weight") == "multi_modal_projector")
      #expect(architecture.info(for: "\(text).embed_tokens.weight").kind == .embedding)
      #expect(
        architecture.info(for: "\(vision).embeddings.position_embedding.weight").kind == .weight)
      #expect(architecture.module(named: "\(text).layers")?.name == "text_decoder")
      #expect(architecture.module(named: "default") == nil)
    }
  }

  @Test func qwen2VisionLanguage() throws {
    let names =
      SampleModel.layerNames("model.layers", 4, ["self_attn.q_proj.weight"])
      + SampleModel.layerNames("visual.blocks", 6, ["attn.qkv.weight"])
      + ["visual.merger.mlp.0.weight", "visual.merger.mlp.2.weight", "visual.merger.ln_q.weight"]
      + ["visual.patch_embed.proj.weight", "model.embed_tokens.weight", "lm_head.weight"]
      + (0..<3).map { "visual.deepstack_merger_list.\($0).linear_fc1.weight" }
    let config = try json(#"{"num_hidden_layers": 4, "vision_config": {"depth": 6}}"#)
    let architecture = Architecture(names: names, config: config)
    #expect(architecture.modules.map(\.name) == ["text_decoder", "vision_tower", "multi_modal_projector"])
    #expect(
      architecture.modules.map(\.layerCountKeys) == [
        [["num_hidden_layers"]], [["vision_config", "depth"]], [],
      ])
    #expect(architecture.info(for: "visual.patch_embed.proj.weight").module == "vision_tower")
    #expect(architecture.info(for: "visual.merger.mlp.0.weight").module == "multi_modal_projector")
    #expect(architecture.info(for: "visual.deepstack_merger_list.1.linear_fc1.weight").layer == nil)
  }

  @Test func t5() throws {
    let layer = ["layer.0.SelfAttention.q.weight", "layer.1.layer_norm.weight"]
    let names =
      SampleModel.layerNames("encoder.block", 2, layer) + SampleModel.layerNames("decoder.block", 3, layer)
      + ["shared.weight", "lm_head.weight", "encoder.final_layer_norm.weight", "decoder.embed_tokens.weight"]
    let config = try json(#"{"num_layers": 2, "num_decoder_layers": 3}"#)
    let architecture = Architecture(names: names, config: config)
    #expect(architecture.modules.map(\.name) == ["decoder", "encoder", "shared"])
    #expect(architecture.modules.map(\.numLayers) == [3, 2, 0])
    #expect(architecture.modules.map(\.layerCountKeys) == [[["num_decoder_layers"]], [["num_layers"]], []])
    #expect(architecture.info(for: "encoder.block.1.layer.0.SelfAttention.q.weight").layer == 1)
    #expect(
      architecture.template(of: "encoder.block.1.layer.0.SelfAttention.q.weight")
        == "encoder.block.{layer}.layer.0.SelfAttention.q.weight")
    let loose = ["shared.weight", "lm_head.weight", "encoder.final_layer_norm.weight"]
    #expect(loose.map { architecture.info(for: $0).module } == ["shared", "shared", "encoder"])
    #expect(loose.map { architecture.info(for: $0).kind } == [.embedding, .head, .norm])
    #expect(architecture.info(for: "decoder.embed_tokens.weight").module == "decoder")
  }

  @Test func whisper() throws {
    let names =
      SampleModel.layerNames("model.encoder.layers", 4, ["fc1.weight", "self_attn.k_proj.weight"])
      + SampleModel.layerNames("model.decoder.layers", 4, ["fc1.weight", "self_attn.k_proj.weight"])
      + [
        "model.encoder.conv1.weight", "model.decoder.embed_tokens.weight", "model.encoder.layer_norm.weight",
      ]
    let config = try json(#"{"encoder_layers": 4, "decoder_layers": 4, "num_hidden_layers": 4}"#)
    let architecture = Architecture(names: names, config: config)
    #expect(architecture.modules.map(\.name) == ["decoder", "encoder"])
    #expect(
      architecture.modules.map(\.layerCountKeys) == [
        [["decoder_layers"]], [["encoder_layers"], ["num_hidden_layers"]],
      ])
    #expect(architecture.info(for: "model.encoder.conv1.weight").module == "encoder")
    #expect(architecture.info(for: "model.decoder.embed_tokens.weight").kind == .embedding)
  }

  @Test func clip() {
    let names =
      SampleModel.layerNames("text_model.encoder.layers", 3, ["mlp.fc1.weight"])
      + SampleModel.layerNames("vision_model.encoder.layers", 5, ["mlp.fc1.weight"])
      + ["text_model.embeddings.token_embedding.weight", "visual_projection.weight", "logit_scale"]
    let architecture = Architecture(names: names)
    #expect(architecture.modules.map(\.name) == ["text_model", "vision_model"])
    #expect(architecture.numLayers == 3)
    #expect(architecture.info(for: "text_model.embeddings.token_embedding.weight").module == "text_model")
  }

  @Test func modulesOfOneRoleAreNamedByTheirPrefixes() throws {
    let names =
      SampleModel.layerNames("thinker.model.layers", 4, ["mlp.up.weight"])
      + SampleModel.layerNames("thinker.audio_tower.layers", 2, ["fc1.weight", "a.b.weight"])
      + SampleModel.layerNames("talker.model.layers", 3, ["mlp.up.weight"])
      + SampleModel.layerNames("vision_a.layers", 1, ["a.b.weight"])
      + SampleModel.layerNames("vision_b.layers", 1, ["a.b.weight"])
    let config = try json(
      """
      {"thinker_config": {"text_config": {"num_hidden_layers": 4}, "audio_config": {"encoder_layers": 2}},
       "talker_config": {"num_hidden_layers": 3}}
      """)
    let architecture = Architecture(names: names, config: config)
    #expect(
      architecture.modules.map(\.name) == [
        "text_decoder", "vision_a.layers", "vision_b.layers", "audio_tower", "talker.model.layers",
      ])
    #expect(
      architecture.modules.map(\.layerCountKeys) == [
        [["thinker_config", "text_config", "num_hidden_layers"]], [], [],
        [["thinker_config", "audio_config", "encoder_layers"]], [["talker_config", "num_hidden_layers"]],
      ])
  }
}

func json(_ text: String) throws -> JSON { try JSON(parsing: text) }

/// The tensor names and the least config of a model, as published checkpoints have them.
struct SampleModel: Sendable, CustomTestStringConvertible {
  let title: String
  let prefix: String
  var layers = 3
  let names: [String]
  let embeddings: [String]
  var heads: [String] = []
  var layerCountKey = "num_hidden_layers"

  var testDescription: String { title }

  func json() throws -> JSON {
    let keys = layerCountKey.split(separator: ".")
    let inner = "{\"\(keys[keys.count - 1])\": \(layers), \"vocab_size\": 1000}"
    return try JSON(parsing: keys.dropLast().reduce(inner) { "{\"\($1)\": \($0)}" })
  }

  /// The layer of a name by its prefix alone.
  func layer(of name: String) -> Int? {
    guard name.hasPrefix(prefix + ".") else { return nil }
    return name.dropFirst(prefix.count + 1).split(separator: ".").first.flatMap { Int($0) }
  }

  static func isNorm(_ name: String) -> Bool {
    guard let owner = name.split(separator: ".").dropLast().last?.lowercased() else { return false }
    return owner.contains("norm") || ["ln_1", "ln_2", "ln_f", "ln_attn", "ln_mlp"].contains(owner)
  }

  /// `parts` in each of `count` layers.
  static func layerNames(_ prefix: String, _ count: Int, _ parts: [String]) -> [String] {
    (0..<count).flatMap { layer in parts.map { "\(prefix).\(layer).\($0)" } }
  }

  init(
    _ title: String, _ prefix: String, _ parts: [String], before: [String] = [], embeddings: [String],
    after: [String] = [], heads: [String] = [], layerCountKey: String = "num_hidden_layers"
  ) {
    self.title = title
    self.prefix = prefix
    self.embeddings = embeddings
    self.heads = heads
    self.layerCountKey = layerCountKey
    names = embeddings + before + Self.layerNames(prefix, layers, parts) + after + heads
  }

  private static let attention = ["q_proj", "k_proj", "v_proj", "o_proj"].map { "self_attn.\($0).weight" }
  private static let mlp = ["gate_proj", "up_proj", "down_proj"].map { "mlp.\($0).weight" }
  private static let norms = ["input_layernorm.weight", "post_attention_layernorm.weight"]

  private static func llamaLike(_ title: String, _ parts: [String], heads: [String] = ["lm_head.weight"])
    -> SampleModel
  {
    SampleModel(
      title, "model.layers", parts, embeddings: ["model.embed_tokens.weight"],
      after: ["model.norm.weight"], heads: heads)
  }

  static let llama = llamaLike("Llama", attention + mlp + norms)

  static let mixtral = llamaLike(
    "Mixtral",
    attention + norms + ["block_sparse_moe.gate.weight"]
      + (0..<4).flatMap { expert in (1...3).map { "block_sparse_moe.experts.\(expert).w\($0).weight" } })

  private static let gpt2Layer = [
    "attn.c_attn.weight", "attn.c_attn.bias", "ln_1.weight", "ln_1.bias", "mlp.c_fc.weight", "ln_2.weight",
  ]

  static let oneStack: [SampleModel] = [
    llama,
    mixtral,
    llamaLike("Qwen2", attention + mlp + norms + ["self_attn.q_proj.bias", "self_attn.k_proj.bias"]),
    llamaLike(
      "Qwen3-MoE",
      attention + norms + ["self_attn.q_norm.weight", "self_attn.k_norm.weight", "mlp.gate.weight"]
        + (0..<8).flatMap { expert in mlp.map { "mlp.experts.\(expert)." + $0.dropFirst(4) } }),
    llamaLike(
      "Gemma3", attention + mlp + norms + ["pre_feedforward_layernorm.weight", "self_attn.q_norm.weight"],
      heads: []),
    llamaLike("Phi3", norms + ["self_attn.qkv_proj.weight", "mlp.gate_up_proj.weight"]),
    llamaLike(
      "DeepSeek-MoE",
      norms + ["self_attn.kv_a_proj_with_mqa.weight", "self_attn.kv_a_layernorm.weight"]
        + ["mlp.shared_experts.up_proj.weight", "mlp.gate.weight", "mlp.gate.e_score_correction_bias"]
        + (0..<8).map { "mlp.experts.\($0).up_proj.weight" }),
    SampleModel(
      "LFM2", "model.layers",
      [
        "conv.conv.weight", "conv.in_proj.weight", "operator_norm.weight", "ffn_norm.weight",
        "feed_forward.w1.weight", "self_attn.q_layernorm.weight", "self_attn.q_proj.weight",
      ], embeddings: ["model.embed_tokens.weight"], after: ["model.embedding_norm.weight"]),
    SampleModel(
      "GPT-2", "h", gpt2Layer + ["attn.bias"], before: ["wpe.weight"], embeddings: ["wte.weight"],
      after: ["ln_f.weight", "ln_f.bias"], layerCountKey: "n_layer"),
    SampleModel(
      "GPT-2 with transformer.", "transformer.h", gpt2Layer, before: ["transformer.wpe.weight"],
      embeddings: ["transformer.wte.weight"], after: ["transformer.ln_f.weight"],
      heads: ["lm_head.weight"], layerCountKey: "n_layer"),
    SampleModel(
      "GPT-NeoX", "gpt_neox.layers",
      ["attention.query_key_value.weight", "attention.query_key_value.bias", "attention.masked_bias"]
        + ["attention.rotary_emb.inv_freq", "input_layernorm.weight", "input_layernorm.bias"],
      embeddings: ["gpt_neox.embed_in.weight"], after: ["gpt_neox.final_layer_norm.weight"],
      heads: ["embed_out.weight"]),
    SampleModel(
      "BERT", "bert.encoder.layer",
      [
        "attention.self.query.weight", "attention.self.query.bias", "attention.output.LayerNorm.weight",
        "attention.output.LayerNorm.bias", "output.dense.weight",
      ],
      before: ["position", "token_type"].map { "bert.embeddings.\($0)_embeddings.weight" }
        + ["bert.embeddings.LayerNorm.weight", "bert.embeddings.position_ids"],
      embeddings: ["bert.embeddings.word_embeddings.weight"],
      after: ["cls.predictions.bias", "cls.predictions.transform.dense.weight", "bert.pooler.dense.weight"],
      heads: ["cls.predictions.decoder.weight"]),
    SampleModel(
      "DistilBERT", "distilbert.transformer.layer", ["attention.q_lin.weight", "sa_layer_norm.weight"],
      embeddings: ["distilbert.embeddings.word_embeddings.weight"], after: ["vocab_layer_norm.weight"],
      heads: ["vocab_projector.weight"], layerCountKey: "n_layers"),
    SampleModel(
      "T5 encoder", "encoder.block", ["layer.0.SelfAttention.q.weight", "layer.1.layer_norm.weight"],
      embeddings: ["shared.weight"], after: ["encoder.final_layer_norm.weight"],
      layerCountKey: "num_layers"),
    SampleModel(
      "Mamba", "backbone.layers",
      ["mixer.A_log", "mixer.D", "mixer.conv1d.weight", "mixer.conv1d.bias", "norm.weight"],
      embeddings: ["backbone.embeddings.weight"], after: ["backbone.norm_f.weight"]),
    SampleModel(
      "Falcon", "transformer.h",
      ["ln_attn.weight", "ln_attn.bias", "self_attention.dense.weight", "mlp.dense_h_to_4h.weight"],
      embeddings: ["transformer.word_embeddings.weight"], after: ["transformer.ln_f.weight"],
      heads: ["lm_head.weight"]),
    SampleModel(
      "OPT", "model.decoder.layers", ["self_attn.q_proj.weight", "final_layer_norm.weight", "fc1.bias"],
      before: ["model.decoder.embed_positions.weight"], embeddings: ["model.decoder.embed_tokens.weight"]),
    SampleModel(
      "InternLM2", "model.layers", ["attention.wqkv.weight", "attention_norm.weight"],
      embeddings: ["model.tok_embeddings.weight"], heads: ["output.weight"]),
    SampleModel(
      "ChatGLM", "transformer.encoder.layers", ["self_attention.query_key_value.weight"],
      before: ["transformer.rotary_pos_emb.inv_freq"],
      embeddings: ["transformer.embedding.word_embeddings.weight"],
      heads: ["transformer.output_layer.weight"], layerCountKey: "num_layers"),
    SampleModel(
      "the text half of a nested config", "model.language_model.layers", ["mlp.up_proj.weight"],
      embeddings: ["model.language_model.embed_tokens.weight"],
      layerCountKey: "text_config.num_hidden_layers"),
  ]
}
