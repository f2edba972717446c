--- Model Breadcrumbs: Davari and Belilovsky 2023, "Model breadcrumbs: scaling multi-task model merging with
--- sparse masks", https://arxiv.org/abs/2312.06795

local mk = require "mergekit"
local parts = require "mergekit.methods.parts"

return mk.method {
  name = "breadcrumbs",
  pretty_name = "Model Breadcrumbs",
  reference = "https://arxiv.org/abs/2312.06795",
  description = "Sums the differences from the base without their largest and their smallest elements.",
  base = "required",
  min_inputs = 0,
  parameters = { int8_mask = false, normalize = false, rescale = false, lambda = 1.0 },
  per_input = { weight = mk.required, density = parts.density, gamma = { default = 0.01, usual = { 0, 1 } } },
  merge = function(t) return parts.merge(t, "breadcrumbs") end,
}
