--- Gemma 3, the part that reads and writes text.

local decoder = require "gguf_architectures.decoder"
local gemma = require "gguf_architectures.gemma"
local gemma2 = require "gguf_architectures.gemma2"

return {
  top = decoder.top,
  layer = decoder.with(gemma2.layer, { attn_q_norm = "self_attn.q_norm", attn_k_norm = "self_attn.k_norm" }),
  norm_offset = 1,
  config = function(file)
    local config = gemma.config(file)
    config.architectures = { "Gemma3ForCausalLM" }
    config.model_type = "gemma3_text"
    config.sliding_window = file:get "attention.sliding_window" or 1024
    -- Each sixth layer sees all, whatever the file says (llama.cpp, LLM_ARCH_GEMMA3).
    config.sliding_window_pattern = 6
    config.layer_types = {}
    for layer = 1, config.num_hidden_layers do
      config.layer_types[layer] = layer % 6 == 0 and "full_attention" or "sliding_attention"
    end
    config.rope_theta = file:get "rope.freq_base" or 1000000.0
    config.rope_local_base_freq = file:get "rope.freq_base_swa" or 10000.0
    -- Only the model of 62 layers has another than the head's size.
    config.query_pre_attn_scalar = config.num_hidden_layers == 62 and config.hidden_size // config.num_attention_heads
      or config.head_dim
    return config
  end,
}
