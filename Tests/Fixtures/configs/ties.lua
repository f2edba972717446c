-- From ties.yml
local mk = require "mergekit"

local base = mk.model "models/base"
local math_ = mk.model "models/math"
local code = mk.model "org/code@main"

return mk.merge {
  method = "ties",
  base = base,
  models = {
    base,
    { math_, weight = 0.50, density = { 0.3, 0.9 } },
    {
      code,
      weight = { { filter = "self_attn", value = { 0, .5, 1 } }, { filter = "*", value = 0.6 } },
      density = 1e-1,
    },
  },
  parameters = { normalize = true, int8_mask = true },
  dtype = "bfloat16",
  out_dtype = "float16",
}
