--- Mixtral (https://arxiv.org/abs/2401.04088): experts of Llama or Mistral models, none of them shared.

local decoder = require "expert_layouts.decoder"

local block = "model.layers.{layer}.block_sparse_moe."

return {
  name = "Mixtral",
  inputs = { "llama", "mistral" },
  shared_experts = { 0, 0 },
  wants_power_of_two = true,
  tensors = decoder.tensors(),
  expert = {
    gate_proj = block .. "experts.{expert}.w1.weight",
    up_proj = block .. "experts.{expert}.w3.weight",
    down_proj = block .. "experts.{expert}.w2.weight",
  },
  gate = block .. "gate.weight",
  config = function(m)
    return {
      architectures = { "MixtralForCausalLM" },
      model_type = "mixtral",
      num_local_experts = m.num_experts,
      num_experts_per_tok = m.experts_per_token,
    }, { "sliding_window", "layer_types", "attention_bias", "mlp_bias", "pretraining_tp" }
  end,
}
