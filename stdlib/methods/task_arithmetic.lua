--- Sums of task vectors: Ilharco et al. 2022, "Editing models with task arithmetic",
--- https://arxiv.org/abs/2212.04089

local mk = require "mergekit"

return mk.method {
  name = "task_arithmetic",
  pretty_name = "Task Arithmetic",
  reference = "https://arxiv.org/abs/2212.04089",
  description = "The base plus the weighted sum of the models' differences from it.",
  base = "required",
  min_inputs = 0,
  parameters = { lambda = 1.0, normalize = false },
  per_input = { weight = mk.required },
  merge = function(t)
    if #t.inputs == 0 then return t.base end
    local delta, total
    for _, input in ipairs(t.inputs) do
      local term = input.weight * (input.tensor - t.base)
      delta = delta and delta + term or term
      total = total and total + input.weight or input.weight
    end
    if t.normalize then
      -- Weights that cancel are left as they are.
      delta = delta / mk.where(mk.lt(mk.abs(total), 1e-8), 1, total)
    end
    return t.base + t.lambda * delta
  end,
}
