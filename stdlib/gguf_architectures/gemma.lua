--- Gemma: norms are stored with 1 added.

local decoder = require "gguf_architectures.decoder"

return {
  top = decoder.top,
  layer = decoder.layer,
  norm_offset = 1,
  config = function(file)
    local config = decoder.config(file, "GemmaForCausalLM", "gemma")
    config.hidden_act = "gelu_pytorch_tanh"
    config.hidden_activation = "gelu_pytorch_tanh"
    config.attention_bias = false
    return config
  end,
}
