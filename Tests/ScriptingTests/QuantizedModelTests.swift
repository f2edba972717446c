import ScriptTestSupport
import Scripting
import Tensors
import Testing

/// Models whose weights are quantised, which nothing but their tensors' names may tell.
@Suite struct QuantizedModelTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private func bytes(_ name: String, _ dtype: DType, _ count: Int = 4) -> TestTensor {
    TestTensor(name, dtype, [count], bytes: [UInt8](repeating: 0, count: count * dtype.byteWidth!))
  }

  private func opening(_ tensors: [TestTensor], config: String = "{}") throws -> String {
    try bench.makeModel("m", tensors, config: config)
    return bench.error("mk.model(here .. 'm')")
  }

  private func refusal(_ mark: String) -> String {
    "recipe.lua:1: model 'm' is quantized (\(mark)); merge the original weights instead"
  }

  @Test(arguments: [
    (#""quantization_config": {"quant_method": "fp8"}"#, "quantization_config: fp8"),
    (
      #""text_config": {"quantization_config": {"quant_method": "gptq"}}"#,
      "text_config.quantization_config: gptq"
    ),
    (#""compression_config": {"format": "pack-quantized"}"#, "compression_config: pack-quantized"),
    (#""quantization": {"group_size": 64, "bits": 4}"#, "quantization: 4 bits"),
    (
      #""thinker_config": {"text_config": {"quantization_config": {"bits": 8}}}"#,
      "thinker_config.text_config.quantization_config: 8 bits"
    ),
  ])
  func configsThatSayIt(config: String, mark: String) throws {
    #expect(try opening([bytes("w", .f32)], config: "{\(config)}") == refusal(mark))
  }

  @Test(
    arguments: [
      // GPTQ and AWQ, compressed-tensors, HQQ, quanto, gpt-oss, ComfyUI's mark.
      ([("l.q.qweight", .i32), ("l.q.scales", .f16)], "l.q.qweight"),
      ([("l.q.weight_packed", .i32), ("l.q.weight_scale", .bf16)], "l.q.weight_packed"),
      ([("l.q.W_q", .u8)], "l.q.W_q"),
      ([("l.q.weight._data", .i8)], "l.q.weight._data"),
      ([("mlp.experts.gate_up_proj_blocks", .u8)], "mlp.experts.gate_up_proj_blocks"),
      ([("scaled_fp8", .f8e4m3)], "scaled_fp8"),
      // bitsandbytes, FP8 with scales, ComfyUI, MLX, per-tensor integers: a weight in codes beside its scales.
      ([("l.q.weight", .i8), ("l.q.SCB", .f32)], "l.q.SCB"),
      ([("l.q.weight", .u8), ("l.q.weight.absmax", .u8)], "l.q.weight.absmax"),
      ([("l.q.weight", .f8e4m3), ("l.q.weight_scale_inv", .f32)], "l.q.weight_scale_inv"),
      ([("l.q.weight", .f8e4m3), ("l.q.scale_weight", .f32)], "l.q.scale_weight"),
      ([("l.q.weight", .u32), ("l.q.scales", .f16), ("l.q.biases", .f16)], "l.q.scales"),
      ([("l.q.weight", .i8), ("l.q.weight_scale", .f32)], "l.q.weight_scale"),
    ] as [([(String, DType)], String)])
  func tensorsThatTellIt(tensors: [(String, DType)], mark: String) throws {
    let all = [bytes("embed.weight", .f16)] + tensors.map { bytes($0.0, $0.1) }
    #expect(try opening(all) == refusal("tensor '\(mark)'"))
  }

  /// Scales that belong to plain weights, plain FP8, integers that are no weights.
  @Test func whatIsNotQuantised() throws {
    for tensors in [
      [("q.weight", .bf16), ("q.weight_scale", .f32), ("q.scale", .f32)],
      [("q.weight", .f8e4m3), ("k.weight", .f8e5m2)],
      [("bn.num_batches_tracked", .i64), ("bn.weight", .f32), ("position_ids", .i64)],
      [("q.scales", .f16), ("q.qweight", .f16)],
    ] as [[(String, DType)]] {
      #expect(try opening(tensors.map { bytes($0.0, $0.1) }) == "no error")
    }
    #expect(
      try opening([bytes("w", .f32)], config: #"{"quantization_config": null, "quantization": {}}"#)
        == "no error")
  }
}
