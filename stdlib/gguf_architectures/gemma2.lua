--- Gemma 2: norms before and after each part, and bounded logits.

local decoder = require "gguf_architectures.decoder"
local gemma = require "gguf_architectures.gemma"

return {
  top = decoder.top,
  layer = decoder.with(decoder.layer, {
    post_attention_norm = "post_attention_layernorm",
    ffn_norm = "pre_feedforward_layernorm",
    post_ffw_norm = "post_feedforward_layernorm",
  }),
  norm_offset = 1,
  config = function(file)
    local config = gemma.config(file)
    config.architectures = { "Gemma2ForCausalLM" }
    config.model_type = "gemma2"
    config.attn_logit_softcapping = file:get "attn_logit_softcapping" or 50.0
    config.final_logit_softcapping = file:get "final_logit_softcapping" or 30.0
    config.sliding_window = file:get "attention.sliding_window" or 4096
    -- GGUF lacks it; only the model of 46 layers has another than the head's size (llama.cpp, LLM_ARCH_GEMMA2).
    config.query_pre_attn_scalar = config.num_hidden_layers == 46 and config.hidden_size // config.num_attention_heads
      or config.head_dim
    return config
  end,
}
