--- Qwen2 and Qwen2.5.

local decoder = require "gguf_architectures.decoder"

return {
  top = decoder.top,
  layer = decoder.layer,
  config = function(file)
    local config = decoder.config(file, "Qwen2ForCausalLM", "qwen2")
    config.head_dim = nil
    config.use_sliding_window = false
    return config
  end,
}
