-- Block weights: a weight for each block of a diffusion model, so that one model gives the composition (the outer blocks
-- and the middle) and the other the rendering (the inner ones). Single files in, a single file out:
--
--   mergekit-lua block_weights.lua merged.safetensors
--
-- with `a.safetensors` and `b.safetensors` of Stable Diffusion XL (9 input blocks, the middle block, 9 output blocks). Of
-- Flux and its like the lists are double_blocks (19) and single_blocks (38):
--
--   mk.block_weights(b, { double_blocks = { 0, 1 }, single_blocks = 0.3, default = 0.5 })

local mk = require "mergekit"

local a, b = mk.model "a.safetensors", mk.model "b.safetensors"

local weight = mk.block_weights(b, {
  input_blocks = { 0, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1, 1 },  -- as many numbers as blocks: one for each
  middle_block = 0.5,
  output_blocks = { 1, 0 },                                  -- fewer: a gradient over them
  conditioner = 0,                                           -- the text encoders stay a's
  default = 0.3,
})

-- What `weight` says is b's share of each tensor, and a has the rest.
return mk.merge { method = "slerp", base = a, models = { b }, parameters = { t = weight } }
