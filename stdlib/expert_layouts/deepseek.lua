--- DeepSeek-MoE (https://arxiv.org/abs/2401.06066): experts of Llama or Mistral models, and at most one shared one,
--- which always runs. transformers runs it by the code of the model's own repository.

local decoder = require "expert_layouts.decoder"

local mlp = "model.layers.{layer}.mlp."
local code = "deepseek-ai/deepseek-moe-16b-base--"
local biases = { "self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias", "self_attn.o_proj.bias" }

local optional = {}
for index, name in ipairs(biases) do optional[index] = "model.layers.{layer}." .. name end

return {
  name = "DeepSeek MoE",
  inputs = { "llama", "mistral" },
  shared_experts = { 0, 1 },
  tensors = decoder.tensors(biases),
  optional = optional,
  expert = {
    gate_proj = mlp .. "experts.{expert}.gate_proj.weight",
    up_proj = mlp .. "experts.{expert}.up_proj.weight",
    down_proj = mlp .. "experts.{expert}.down_proj.weight",
  },
  shared_expert = {
    gate_proj = mlp .. "shared_experts.gate_proj.weight",
    up_proj = mlp .. "shared_experts.up_proj.weight",
    down_proj = mlp .. "shared_experts.down_proj.weight",
  },
  gate = mlp .. "gate.weight",
  refuses = function(m)
    local head_dim = m.base_config.head_dim
    if head_dim and head_dim * m.base_config.num_attention_heads ~= m.hidden_size then
      return ("has heads of hidden_size / num_attention_heads, not of %d"):format(head_dim)
    end
  end,
  config = function(m)
    local removed = { "head_dim", "sliding_window", "layer_types", "mlp_bias" }
    if m.num_shared_experts == 0 then removed[#removed + 1] = "n_shared_experts" end
    return {
      architectures = { "DeepseekForCausalLM" },
      model_type = "deepseek",
      auto_map = {
        AutoConfig = code .. "configuration_deepseek.DeepseekConfig",
        AutoModel = code .. "modeling_deepseek.DeepseekModel",
        AutoModelForCausalLM = code .. "modeling_deepseek.DeepseekForCausalLM",
      },
      n_routed_experts = m.num_experts,
      n_shared_experts = m.num_shared_experts > 0 and m.num_shared_experts or nil,
      num_experts_per_tok = m.experts_per_token,
      first_k_dense_replace = 0,
      moe_layer_freq = 1,
      scoring_func = "softmax",
      norm_topk_prob = true,
      moe_intermediate_size = m.intermediate_size,
    }, removed
  end,
}
