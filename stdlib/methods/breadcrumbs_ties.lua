--- Model Breadcrumbs, Davari and Belilovsky 2023, https://arxiv.org/abs/2312.06795, with signs elected as by
--- TIES, Yadav et al. 2023

local mk = require "mergekit"
local parts = require "mergekit.methods.parts"

return mk.method {
  name = "breadcrumbs_ties",
  pretty_name = "Model Breadcrumbs with TIES",
  reference = "https://arxiv.org/abs/2312.06795",
  description = "Leaves out the largest and smallest elements, elects signs, and sums what agrees.",
  base = "required",
  min_inputs = 0,
  parameters = { int8_mask = false, normalize = false, rescale = false, lambda = 1.0 },
  per_input = { weight = mk.required, density = parts.density, gamma = { default = 0.01, usual = { 0, 1 } } },
  merge = function(t) return parts.merge(t, "breadcrumbs", true) end,
}
