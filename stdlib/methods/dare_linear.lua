--- DARE: Yu et al. 2023, "Language models are Super Mario: absorbing abilities from homologous models as
--- a free lunch", https://arxiv.org/abs/2311.03099. The paper divides what is kept by its probability; as in
--- mergekit 0.1.5, `rescale` gives a tensor back its L1 norm instead.

local mk = require "mergekit"
local parts = require "mergekit.methods.parts"

return mk.method {
  name = "dare_linear",
  pretty_name = "Linear DARE",
  reference = "https://arxiv.org/abs/2311.03099",
  description = "Drops elements of the differences from the base at random, rescales the rest, and sums.",
  base = "required",
  min_inputs = 0,
  parameters = { int8_mask = false, normalize = false, rescale = true, lambda = 1.0 },
  per_input = { weight = mk.required, density = parts.density },
  merge = function(t) return parts.merge(t, "dare") end,
}
