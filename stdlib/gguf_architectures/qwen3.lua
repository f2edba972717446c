--- Qwen3: norms of queries and keys, and no biases.

local decoder = require "gguf_architectures.decoder"

return {
  top = decoder.top,
  layer = decoder.with(decoder.layer, { attn_q_norm = "self_attn.q_norm", attn_k_norm = "self_attn.k_norm" }),
  config = function(file)
    local config = decoder.config(file, "Qwen3ForCausalLM", "qwen3")
    config.attention_bias = file:has "blk.0.attn_q.bias"
    config.use_sliding_window = false
    return config
  end,
}
