-- Runs of layers that are merges: the first three by SLERP, which goes further from layer to layer, then three that
-- one model alone gives.
local mk = require "mergekit"

local math_, code = mk.model "models/math", mk.model "models/code"

return mk.merge {
  method = "slerp",
  base = math_,
  slices = {
    { sources = { { math_, layers = { 0, 3 } }, { code, layers = { 0, 3 } } }, parameters = { t = { 0, 0.6 } } },
    { sources = { { code, layers = { 1, 4 } } }, method = "passthrough" },
  },
}
