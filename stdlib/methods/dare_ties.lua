--- DARE, Yu et al. 2023, https://arxiv.org/abs/2311.03099, with signs elected as by TIES, Yadav et al. 2023.
--- The paper divides what is kept by its probability; as in mergekit 0.1.5, `rescale` gives a tensor back its
--- L1 norm instead.

local mk = require "mergekit"
local parts = require "mergekit.methods.parts"

return mk.method {
  name = "dare_ties",
  pretty_name = "DARE TIES",
  reference = "https://arxiv.org/abs/2311.03099",
  description = "Drops elements at random, rescales the rest, elects signs, and sums what agrees.",
  base = "required",
  min_inputs = 0,
  parameters = { int8_mask = false, normalize = false, rescale = true, lambda = 1.0 },
  per_input = { weight = mk.required, density = parts.density },
  merge = function(t) return parts.merge(t, "dare", true) end,
}
