-- A built-in method: the arc between two models, further along it in the later layers, and by another
-- measure in the attention.
--
--   mergekit-lua slerp.lua OUT

local mk = require "mergekit"

local base, math_ = mk.model "models/base", mk.model "models/math"

return mk.merge {
  method = "slerp",
  base = base,
  models = { math_ },
  parameters = {
    t = {
      { filter = "self_attn", value = { 0, 0.5, 0.3, 0.7, 1 } },
      { filter = "mlp", value = { 1, 0.5, 0.7, 0.3, 0 } },
      { value = 0.5 },
    },
  },
  dtype = "bfloat16",
}
