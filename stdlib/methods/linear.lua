--- Weighted average: Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models
--- improves accuracy without increasing inference time", https://arxiv.org/abs/2203.05482

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"

return mk.method {
  name = "linear",
  pretty_name = "Linear",
  reference = "https://arxiv.org/abs/2203.05482",
  description = "The weighted average of all models.",
  base = "ignored",
  parameters = { normalize = true },
  per_input = { weight = mk.required },
  merge = function(t)
    local total = t.normalize and sums.weights(t.inputs) or 1
    local terms = {}
    for index, input in ipairs(t.inputs) do terms[index] = input.tensor * input.weight end
    return sums.of(terms) / total
  end,
}
