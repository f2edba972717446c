--- Qwen3-MoE: routed experts in every layer, none of them shared.

local decoder = require "gguf_architectures.decoder"
local qwen3 = require "gguf_architectures.qwen3"

return {
  top = decoder.top,
  layer = decoder.with(qwen3.layer, { ffn_gate_inp = "mlp.gate" }),
  experts = decoder.routed,
  config = function(file)
    local config = qwen3.config(file)
    config.architectures = { "Qwen3MoeForCausalLM" }
    config.model_type = "qwen3_moe"
    config.num_experts = file:need "expert_count"
    config.num_experts_per_tok = file:need "expert_used_count"
    config.moe_intermediate_size = file:shape("blk.0.ffn_gate_exps.weight")[2]
    config.norm_topk_prob = true
    config.decoder_sparse_step = 1
    return config
  end,
}
