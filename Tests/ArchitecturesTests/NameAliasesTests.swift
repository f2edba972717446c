import Architectures
import Testing

@Suite struct NameAliasesTests {
  @Test(arguments: [
    // GPT-2 with and without its head's wrapper.
    ("transformer.wte.weight", "wte.weight"),
    ("transformer.h.0.attn.c_attn.weight", "h.0.attn.c_attn.weight"),
    ("bert.encoder.layer.0.output.dense.bias", "encoder.layer.0.output.dense.bias"),
    ("roberta.embeddings.position_ids", "embeddings.position_ids"),
    ("distilbert.transformer.layer.0.ffn.lin1.weight", "transformer.layer.0.ffn.lin1.weight"),
    ("gpt_neox.layers.0.input_layernorm.weight", "layers.0.input_layernorm.weight"),
    ("base_model.model.model.norm.weight", "model.norm.weight"),
    // The orders of two versions of transformers.
    ("model.language_model.layers.0.mlp.up_proj.weight", "language_model.model.layers.0.mlp.up_proj.weight"),
    ("lm_head.weight", "language_model.lm_head.weight"),
    ("model.visual.blocks.0.attn.qkv.weight", "visual.blocks.0.attn.qkv.weight"),
    ("model.multi_modal_projector.linear_1.weight", "multi_modal_projector.linear_1.weight"),
    (
      "model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
      "vision_tower.encoder.layers.0.mlp.fc1.bias"
    ),
    // TensorFlow's names of norms.
    ("bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.weight"),
    ("bert.embeddings.LayerNorm.beta", "embeddings.LayerNorm.bias"),
  ])
  func twoNamesOfATensor(left: String, right: String) {
    #expect(NameAliases([left, "other.weight"]).resolve(right) == left)
    #expect(NameAliases([right, "other.weight"]).resolve(left) == right)
  }

  @Test(arguments: [
    ("wte.weight", "wte.bias"), ("layers.0.norm.weight", "layers.1.norm.weight"),
    ("encoder.layers.0.a.weight", "decoder.layers.0.a.weight"), ("scale.gamma", "scale.weight"),
    ("vision_tower.norm.weight", "norm.weight"), ("vision_model.norm.weight", "norm.weight"),
    ("encoder.model.norm.weight", "encoder.norm.weight"), ("a.weight", ""), ("a.weight", "model."),
  ])
  func twoTensors(left: String, right: String) {
    #expect(NameAliases([left]).resolve(right) == nil)
    #expect(NameAliases([right]).resolve(left) == nil)
  }

  @Test func severalTensorsThatCouldBeMeantAreNone() {
    let aliases = NameAliases(["model.norm.weight", "norm.weight", "transformer.norm.weight", "wte.weight"])
    #expect(aliases.resolve("language_model.norm.weight") == nil)
    #expect(aliases.resolve("model.wte.weight") == "wte.weight")
  }

  @Test func manyNamesAreResolvedAtOnce() {
    let names = (0..<100).flatMap { layer in
      (0..<200).map { "model.layers.\(layer).mlp.experts.\($0).up_proj.weight" }
    }
    let aliases = NameAliases(names)
    // A search through the list for each would take minutes.
    #expect(names.allSatisfy { aliases.resolve("language_model." + $0) == $0 })
  }
}
