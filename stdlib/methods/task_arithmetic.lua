--- Sums of task vectors: Ilharco et al. 2022, "Editing models with task arithmetic",
--- https://arxiv.org/abs/2212.04089

local mk = require "mergekit"
local parts = require "mergekit.methods.parts"

return mk.method {
  name = "task_arithmetic",
  pretty_name = "Task Arithmetic",
  reference = "https://arxiv.org/abs/2212.04089",
  description = "The base plus the weighted sum of the models' differences from it.",
  base = "required",
  min_inputs = 0,
  parameters = { int8_mask = false, normalize = false, rescale = false, lambda = 1.0 },
  per_input = { weight = mk.required, density = parts.density },
  merge = function(t) return parts.merge(t, "task_arithmetic") end,
}
