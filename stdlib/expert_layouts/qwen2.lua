--- Qwen2-MoE (https://qwenlm.github.io/blog/qwen-moe/): experts of Qwen2, Llama or Mistral models, and one shared one,
--- which runs for every token by a gate of its own.

local decoder = require "expert_layouts.decoder"

local layer = "model.layers.{layer}."
local mlp = layer .. "mlp."

return {
  name = "Qwen MoE",
  inputs = { "qwen2", "llama", "mistral" },
  shared_experts = { 1, 1 },
  wants_power_of_two = true,
  tensors = decoder.tensors { "self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias" },
  -- What models other than Qwen2 lack: biases of zero, one for each row of the weight.
  zero_biases = {
    [layer .. "self_attn.q_proj.bias"] = layer .. "self_attn.q_proj.weight",
    [layer .. "self_attn.k_proj.bias"] = layer .. "self_attn.k_proj.weight",
    [layer .. "self_attn.v_proj.bias"] = layer .. "self_attn.v_proj.weight",
  },
  expert = {
    gate_proj = mlp .. "experts.{expert}.gate_proj.weight",
    up_proj = mlp .. "experts.{expert}.up_proj.weight",
    down_proj = mlp .. "experts.{expert}.down_proj.weight",
  },
  shared_expert = {
    gate_proj = mlp .. "shared_expert.gate_proj.weight",
    up_proj = mlp .. "shared_expert.up_proj.weight",
    down_proj = mlp .. "shared_expert.down_proj.weight",
  },
  gate = mlp .. "gate.weight",
  shared_gate = mlp .. "shared_expert_gate.weight",
  config = function(m)
    return {
      architectures = { "Qwen2MoeForCausalLM" },
      model_type = "qwen2_moe",
      num_experts = m.num_experts,
      num_experts_per_tok = m.experts_per_token,
      decoder_sparse_step = 1,
      norm_topk_prob = true,
      qkv_bias = true,
      use_sliding_window = false,
      moe_intermediate_size = m.intermediate_size,
      shared_expert_intermediate_size = m.intermediate_size,
    }, { "sliding_window", "max_window_layers", "layer_types", "attention_bias", "mlp_bias", "pretraining_tp" }
  end,
}
