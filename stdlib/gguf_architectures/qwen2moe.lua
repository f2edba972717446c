--- Qwen1.5-MoE and Qwen2-MoE: routed experts, and a shared one with a gate of its own.

local decoder = require "gguf_architectures.decoder"

return {
  top = decoder.top,
  layer = decoder.with(decoder.layer, {
    ffn_gate_inp = "mlp.gate",
    ffn_gate_inp_shexp = "mlp.shared_expert_gate",
    ffn_gate_shexp = "mlp.shared_expert.gate_proj",
    ffn_up_shexp = "mlp.shared_expert.up_proj",
    ffn_down_shexp = "mlp.shared_expert.down_proj",
  }),
  experts = decoder.routed,
  -- A matrix of one row, which GGUF has as a vector.
  rows = { ffn_gate_inp_shexp = true },
  config = function(file)
    local config = decoder.config(file, "Qwen2MoeForCausalLM", "qwen2_moe")
    config.head_dim = nil
    config.num_experts = file:need "expert_count"
    config.num_experts_per_tok = file:need "expert_used_count"
    config.moe_intermediate_size = file:shape("blk.0.ffn_gate_exps.weight")[2]
    config.shared_expert_intermediate_size = file:shape("blk.0.ffn_gate_shexp.weight")[1]
    config.norm_topk_prob = false
    config.decoder_sparse_step = 1
    config.use_sliding_window = false
    return config
  end,
}
