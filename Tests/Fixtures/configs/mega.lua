-- From mega.yml
local mk = require "mergekit"

local base = mk.model "models/base"
local math_ = mk.model "models/math"
local code = mk.model "models/code"

local chat = mk.merge {
  name = "chat",
  method = "slerp",
  base = base,
  models = { math_ },
  parameters = { t = 0.5 },
  as_stored = true,
}

local deep = mk.merge {
  name = "deep",
  method = "passthrough",
  slices = {
    { sources = { { chat, layers = { 0, 3 } } } },
    { sources = { { code, layers = { 1, 4 } } } },
  },
  as_stored = true,
}

return mk.merge {
  method = "ties",
  base = base,
  models = { chat, deep },
  parameters = { weight = 0.5, density = 0.5 },
  dtype = "bfloat16",
}
