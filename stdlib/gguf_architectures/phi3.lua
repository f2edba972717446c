--- Phi-3 and Phi-4: queries, keys and values in one matrix, gate and up in another.

local decoder = require "gguf_architectures.decoder"

--- Positions stretched by a factor for each frequency, which the file has as tensors.
local function longrope(file, config)
  if not file:has "rope_factors_long.weight" then return end
  config.rope_scaling = {
    type = "longrope", rope_type = "longrope",
    long_factor = file:tensor("rope_factors_long.weight"):list(),
    short_factor = file:tensor("rope_factors_short.weight"):list(),
  }
end

return {
  top = decoder.top,
  layer = decoder.with(decoder.layer, { attn_qkv = "self_attn.qkv_proj", ffn_up = "mlp.gate_up_proj", ffn_gate = false }),
  dropped = { "rope_factors_long", "rope_factors_short" },
  config = function(file)
    local config = decoder.config(file, "Phi3ForCausalLM", "phi3")
    local rotary = file:get "rope.dimension_count" or config.head_dim
    if rotary ~= config.head_dim then config.partial_rotary_factor = rotary / config.head_dim end
    config.head_dim = nil
    config.sliding_window = file:get "attention.sliding_window"
    config.original_max_position_embeddings = file:get "rope.scaling.original_context_length"
      or config.max_position_embeddings
    config.attention_bias = false
    config.embd_pdrop, config.resid_pdrop = 0.0, 0.0
    longrope(file, config)
    return config
  end,
}
