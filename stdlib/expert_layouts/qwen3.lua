--- Qwen3-MoE (https://arxiv.org/abs/2505.09388): experts of Qwen3 models, none of them shared.

local decoder = require "expert_layouts.decoder"

local mlp = "model.layers.{layer}.mlp."

return {
  name = "Qwen3 MoE",
  inputs = { "qwen3" },
  shared_experts = { 0, 0 },
  wants_power_of_two = true,
  tensors = decoder.tensors { "self_attn.q_norm.weight", "self_attn.k_norm.weight" },
  expert = {
    gate_proj = mlp .. "experts.{expert}.gate_proj.weight",
    up_proj = mlp .. "experts.{expert}.up_proj.weight",
    down_proj = mlp .. "experts.{expert}.down_proj.weight",
  },
  gate = mlp .. "gate.weight",
  config = function(m)
    return {
      architectures = { "Qwen3MoeForCausalLM" },
      model_type = "qwen3_moe",
      num_experts = m.num_experts,
      num_experts_per_tok = m.experts_per_token,
      decoder_sparse_step = 1,
      norm_topk_prob = true,
      moe_intermediate_size = m.intermediate_size,
    }, {}
  end,
}
