--- DELLA without the election of signs: Deep et al. 2024, https://arxiv.org/abs/2406.11617. The paper divides
--- what is kept by its probability; as in mergekit 0.1.5, `rescale` gives a tensor back its L1 norm instead.

local mk = require "mergekit"
local parts = require "mergekit.methods.parts"

return mk.method {
  name = "della_linear",
  pretty_name = "Linear DELLA",
  reference = "https://arxiv.org/abs/2406.11617",
  description = "Drops elements of the differences from the base at random, small ones sooner, and sums.",
  base = "required",
  min_inputs = 0,
  parameters = { int8_mask = false, normalize = false, rescale = true, lambda = 1.0 },
  per_input = { weight = mk.required, density = parts.density, epsilon = { default = 0.15, usual = { 0, 1 } } },
  merge = function(t) return parts.merge(t, "della", false) end,
}
