--- What the dense models that experts are made of have in common: Llama, Mistral, Qwen2, Qwen3.

local M = {}

local layer = "model.layers.{layer}."

--- The parts of a layer's MLP, which become the experts'.
M.mlp = {
  gate_proj = layer .. "mlp.gate_proj.weight",
  up_proj = layer .. "mlp.up_proj.weight",
  down_proj = layer .. "mlp.down_proj.weight",
}

--- The tensors beside the MLPs, in order.
-- @param extra  further tensors of a layer
function M.tensors(extra)
  local list = {
    "model.embed_tokens.weight",
    layer .. "input_layernorm.weight",
    layer .. "self_attn.q_proj.weight",
    layer .. "self_attn.k_proj.weight",
    layer .. "self_attn.v_proj.weight",
    layer .. "self_attn.o_proj.weight",
  }
  for _, name in ipairs(extra or {}) do list[#list + 1] = layer .. name end
  list[#list + 1] = layer .. "post_attention_layernorm.weight"
  list[#list + 1] = "model.norm.weight"
  list[#list + 1] = "lm_head.weight"
  return list
end

-- What transformers takes for keys that a config.json lacks. An output of another type has other defaults, so they
-- are written out.
local defaults = {
  llama = { max_position_embeddings = 2048, rms_norm_eps = 1e-6, rope_theta = 10000.0, hidden_act = "silu" },
  mistral = {
    max_position_embeddings = 131072, rms_norm_eps = 1e-6, rope_theta = 10000.0, hidden_act = "silu",
    num_key_value_heads = 8,
  },
  qwen2 = {
    max_position_embeddings = 32768, rms_norm_eps = 1e-6, rope_theta = 10000.0, hidden_act = "silu",
    num_key_value_heads = 32,
  },
  qwen3 = {
    max_position_embeddings = 32768, rms_norm_eps = 1e-6, rope_theta = 10000.0, hidden_act = "silu",
    num_key_value_heads = 32, head_dim = 128,
  },
}

--- The values that a model's config.json leaves to its type, as a table of those alone.
function M.implied_config(config)
  local values = {}
  for key, value in pairs(defaults[config.model_type] or {}) do
    if config[key] == nil and not (key == "rope_theta" and config.rope_parameters) then values[key] = value end
  end
  if config.num_key_value_heads == nil and not values.num_key_value_heads then
    values.num_key_value_heads = config.num_attention_heads
  end
  return values
end

return M
