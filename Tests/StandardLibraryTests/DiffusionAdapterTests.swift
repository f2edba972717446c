import Foundation
import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Adapters of Stable Diffusion's trainers on single-file checkpoints.
@Suite struct DiffusionAdapterTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private func filled(_ name: String, _ shape: [Int], _ start: Float = 0) -> TestTensor {
    TestTensor(name, .f32, shape, (0..<shape.reduce(1, *)).map { start + Float($0 % 11) / 4 })
  }

  /// `up · down · alpha / r` of matrices in row-major order.
  private func product(_ up: TestTensor, _ down: TestTensor, alpha: Float) -> [Float] {
    let (rows, rank) = (up.shape[0], up.shape[1])
    let columns = down.elements.count / rank
    var result = [Float](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        for k in 0..<rank {
          result[row * columns + column] += up.elements[row * rank + k] * down.elements[k * columns + column]
        }
      }
    }
    return result.map { $0 * alpha / Float(rank) }
  }

  /// Puts one module on a checkpoint of one tensor, and compares.
  private func check(
    _ key: String, _ name: String, _ shape: [Int], alpha: Float? = 3, rows: Range<Int>? = nil
  ) throws {
    let weight = filled(name, shape, 1)
    let isConvolution = shape.count == 4
    let rows = rows ?? 0..<shape[0]
    let up = filled("\(key).lora_up.weight", [rows.count, 2] + (isConvolution ? [1, 1] : []))
    let down = filled("\(key).lora_down.weight", [2] + shape.dropFirst(), -1)
    try bench.writeTensors([weight, filled("other.bias", [3])], to: "sd.safetensors")
    let scale = alpha.map { [TestTensor("\(key).alpha", .f32, [], [$0])] } ?? []
    try bench.writeTensors([up, down] + scale, to: "lora.safetensors")
    let found = try bench.output("return mk.model(here .. 'sd.safetensors+' .. here .. 'lora.safetensors')")
    #expect(found.map(\.name).sorted() == [name, "other.bias"].sorted())
    let sum = try #require(found.first { $0.name == name })
    #expect(sum.shape == shape)
    let columns = weight.elements.count / shape[0]
    let change = product(up, down, alpha: alpha ?? 2)
    for (index, element) in weight.elements.enumerated() {
      let row = index / columns
      let added = rows.contains(row) ? change[(row - rows.lowerBound) * columns + index % columns] : 0
      #expect(abs(sum.elements[index] - element - added) < 1e-4)
    }
  }

  @Test(arguments: [
    // Names of diffusers.
    (
      "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q",
      "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight", [4, 3]
    ),
    (
      "lora_unet_up_blocks_2_attentions_1_proj_in", "model.diffusion_model.output_blocks.7.1.proj_in.weight",
      [4, 3, 1, 1]
    ),
    (
      "lora_unet_down_blocks_0_resnets_1_conv1", "model.diffusion_model.input_blocks.2.0.in_layers.2.weight",
      [4, 3, 3, 3]
    ),
    (
      "lora_unet_up_blocks_3_resnets_2_time_emb_proj",
      "model.diffusion_model.output_blocks.11.0.emb_layers.1.weight", [4, 3]
    ),
    (
      "lora_unet_mid_block_resnets_1_conv2", "model.diffusion_model.middle_block.2.out_layers.3.weight",
      [4, 3, 3, 3]
    ),
    (
      "lora_unet_mid_block_attentions_0_proj_out", "model.diffusion_model.middle_block.1.proj_out.weight",
      [4, 3]
    ),
    (
      "lora_unet_down_blocks_2_downsamplers_0_conv", "model.diffusion_model.input_blocks.9.0.op.weight",
      [4, 3, 3, 3]
    ),
    (
      "lora_unet_up_blocks_0_upsamplers_0_conv", "model.diffusion_model.output_blocks.2.1.conv.weight",
      [4, 3, 3, 3]
    ),
    (
      "lora_unet_up_blocks_1_upsamplers_0_conv", "model.diffusion_model.output_blocks.5.2.conv.weight",
      [4, 3, 3, 3]
    ),
    ("lora_unet_time_embedding_linear_2", "model.diffusion_model.time_embed.2.weight", [4, 3]),
    ("lora_unet_conv_in", "model.diffusion_model.input_blocks.0.0.weight", [4, 3, 3, 3]),
    // The checkpoint's own names, as SDXL's trainer and those of Flux have them.
    (
      "lora_unet_input_blocks_4_1_transformer_blocks_0_ff_net_0_proj",
      "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.ff.net.0.proj.weight", [4, 3]
    ),
    ("lora_unet_double_blocks_0_img_attn_qkv", "double_blocks.0.img_attn.qkv.weight", [6, 3]),
    // Text encoders.
    (
      "lora_te_text_model_encoder_layers_0_mlp_fc1",
      "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight", [4, 3]
    ),
    (
      "lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
      "conditioner.embedders.0.transformer.text_model.encoder.layers.0.self_attn.q_proj.weight", [4, 3]
    ),
    (
      "lora_te2_text_model_encoder_layers_3_mlp_fc2",
      "conditioner.embedders.1.model.transformer.resblocks.3.mlp.c_proj.weight",
      [4, 3]
    ),
  ])
  func modules(key: String, name: String, shape: [Int]) throws { try check(key, name, shape) }

  /// OpenCLIP has the three projections of attention in one.
  @Test(arguments: [("q", 0..<2), ("k", 2..<4), ("v", 4..<6)])
  func fusedProjections(letter: String, rows: Range<Int>) throws {
    try check(
      "lora_te2_text_model_encoder_layers_0_self_attn_\(letter)_proj",
      "conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight", [6, 3], rows: rows)
  }

  /// Without an alpha it is the rank.
  @Test func withoutAlpha() throws {
    try check("lora_unet_conv_out", "model.diffusion_model.out.2.weight", [4, 3, 3, 3], alpha: nil)
  }

  @Test func scales() throws {
    try check("lora_unet_conv_out", "model.diffusion_model.out.2.weight", [4, 3, 3, 3])
    let script = "local m = mk.model(here .. 'sd.safetensors'); local l = here .. 'lora.safetensors'; return "
    func elements(_ expression: String) throws -> [Float] {
      try bench.tensor(script + expression, "model.diffusion_model.out.2.weight").elements
    }
    let (plain, whole) = (try elements("m"), try elements("m:with_lora(l)"))
    let half = try elements("m:with_lora(l, { scale = 0.5 })")
    for index in plain.indices { #expect(abs(half[index] - (plain[index] + whole[index]) / 2) < 1e-5) }
  }

  @Test func faults() throws {
    let key = "lora_unet_conv_out"
    func error(_ tensors: [TestTensor]) throws -> String {
      try bench.writeTensors(
        [filled("model.diffusion_model.out.2.weight", [4, 3, 3, 3])], to: "sd.safetensors")
      try bench.writeTensors(tensors, to: "lora.safetensors")
      return bench.error("mk.model(here .. 'sd.safetensors'):with_lora(here .. 'lora.safetensors')")
    }
    let up = filled("\(key).lora_up.weight", [4, 2, 1, 1])
    let down = filled("\(key).lora_down.weight", [2, 3, 3, 3])
    #expect(try error([up, down]) == "no error")
    #expect(try error([up]).hasSuffix("module 'lora_unet_conv_out' has no lora_down"))
    #expect(
      try error([up, filled(down.name, [2, 3, 1, 1])]).hasSuffix(
        "is made for a weight of [4, 3], and 'model.diffusion_model.out.2.weight' of model 'sd.safetensors' has [4, 3, 3, 3]; "
          + "it is another model's adapter"))
    #expect(try error([up, filled(down.name, [1, 3, 3, 3])]).hasSuffix("which are no product"))
    #expect(
      try error([
        filled("lora_unet_conv_outt.lora_up.weight", [4, 2]),
        filled("lora_unet_conv_outt.lora_down.weight", [2, 3]),
      ])
      .contains("model 'sd.safetensors' has no module 'lora_unet_conv_outt'"))
    for (part, kind) in [
      ("hada_w1_a", "LoHa"), ("lokr_w1", "LoKr"), ("oft_blocks", "OFT"), ("dora_scale", "DoRA"),
      ("lora_mid.weight", "LoCon (Tucker)"), ("diff", "full differences"),
    ] {
      #expect(
        try error([up, down, filled("\(key).\(part)", [1])]).contains("it is \(kind) ('\(key).\(part)')"))
    }
    #expect(
      try error([up, down, filled("\(key).x", [1])]).hasSuffix(
        "tensor 'lora_unet_conv_out.x' is no part of a LoRA"))
    #expect(
      try error([filled("conv.lora_A.weight", [1, 1])]).hasSuffix(
        "has no adapter_config.json, which says how its weights are put on a model"))
  }
}
