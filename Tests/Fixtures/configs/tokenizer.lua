-- From tokenizer.yml
local mk = require "mergekit"

local base = mk.model "models/base"
local math_ = mk.model "models/math"
local chat = mk.model "models/chat"

return mk.merge {
  method = "linear",
  base = base,
  models = {
    { base, weight = 0.5 },
    { math_, weight = 0.5 },
  },
  tokenizer = {
    source = math_,
    tokens = {
      ["<|im_start|>"] = { source = { model = chat, token = "<|im_start|>" } },
      ["<|im_end|>"] = { source = { model = chat, token_id = 7 }, force = true },
      ["<pad>"] = { source = "zero" },
      plain = { source = base, force = false },
      ["end"] = {},
    },
    pad_to_multiple_of = 64,
  },
  chat_template = "auto",
}
