--- Llama, Mistral and Mixtral, which GGUF does not tell apart but by the experts.

local decoder = require "gguf_architectures.decoder"

local mixtral = "block_sparse_moe.experts.{expert}."

--- The parameters of Llama 3's stretched positions, of the factors by which the file divides each frequency; nil if
-- these are none that they make (modeling_rope_utils.py of transformers, `_compute_llama3_parameters`).
local function llama3_scaling(file, config)
  if not file:has "rope_freqs.weight" then return nil end
  local factors = file:tensor("rope_freqs.weight"):list()
  local original, low, high = 8192, 1.0, 4.0
  local most = factors[#factors]
  if most <= 1 then return nil end
  for index, factor in ipairs(factors) do
    local wavelength = 2 * math.pi * config.rope_theta ^ (2 * (index - 1) / config.head_dim)
    local expected
    if wavelength < original / high then
      expected = 1
    elseif wavelength > original / low then
      expected = most
    else
      local smooth = (original / wavelength - low) / (high - low)
      expected = 1 / ((1 - smooth) / most + smooth)
    end
    if math.abs(factor / expected - 1) > 1e-3 then
      file:warn "rope_freqs.weight holds factors that are not Llama 3's; config.json says nothing of them"
      return nil
    end
  end
  return {
    rope_type = "llama3", factor = most, low_freq_factor = low, high_freq_factor = high,
    original_max_position_embeddings = original,
  }
end

return {
  top = decoder.top,
  layer = decoder.with(decoder.layer, { ffn_gate_inp = "block_sparse_moe.gate" }),
  experts = decoder.experts(mixtral .. "w1", mixtral .. "w3", mixtral .. "w2"),
  -- The two halves that turn together lie side by side.
  rotary_pairs = { attn_q = "attention.head_count", attn_k = "attention.head_count_kv" },
  dropped = { "rope_freqs" },
  config = function(file)
    local experts = file:get "expert_count" or 0
    local is_mixtral = experts > 0
    local config = is_mixtral and decoder.config(file, "MixtralForCausalLM", "mixtral")
      or decoder.config(file, "LlamaForCausalLM", "llama")
    if is_mixtral then
      config.num_local_experts = experts
      config.num_experts_per_tok = file:need "expert_used_count"
    else
      config.attention_bias = file:has "blk.0.attn_q.bias"
      config.mlp_bias = file:has "blk.0.ffn_up.bias"
      config.rope_scaling = config.rope_scaling or llama3_scaling(file, config)
    end
    return config
  end,
}
