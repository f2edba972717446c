--- TIES: Yadav et al. 2023, "TIES-merging: resolving interference when merging models",
--- https://arxiv.org/abs/2306.01708

local mk = require "mergekit"
local parts = require "mergekit.methods.parts"

return mk.method {
  name = "ties",
  pretty_name = "TIES",
  reference = "https://arxiv.org/abs/2306.01708",
  description = "Trims differences from the base, elects each element's sign, and averages what agrees.",
  base = "required",
  min_inputs = 0,
  parameters = { int8_mask = false, normalize = true, rescale = false, lambda = 1.0 },
  per_input = { weight = mk.required, density = parts.density },
  merge = function(t) return parts.merge(t, "ties") end,
}
