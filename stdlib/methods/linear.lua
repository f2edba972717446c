--- Weighted average: Wortsman et al. 2022, "Model soups", https://arxiv.org/abs/2203.05482

local mk = require "mergekit"

return mk.method {
  name = "linear",
  pretty_name = "Linear",
  reference = "https://arxiv.org/abs/2203.05482",
  description = "The weighted average of all models.",
  base = "ignored",
  parameters = { normalize = true },
  per_input = { weight = mk.required },
  merge = function(t)
    local sum, total
    for _, input in ipairs(t.inputs) do
      local term = input.weight * input.tensor
      sum = sum and sum + term or term
      total = total and total + input.weight or input.weight
    end
    if t.normalize then return sum / total end
    return sum
  end,
}
