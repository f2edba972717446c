-- A method of one's own: a file that returns a value of mk.method. It is used in consensus_merge.lua.
--
-- Of the models' differences from the base, only those are kept on whose sign the models agree, and of
-- them the largest, `density` of all.

local mk = require "mergekit"

return mk.method {
  name = "consensus",
  pretty_name = "Sign consensus",
  description = "Adds the mean of the task vectors where they agree in sign, the largest part of it.",
  base = "required",
  parameters = { density = 0.5, lambda = 1.0 },
  per_input = { weight = 1.0 },
  merge = function(t)
    local sum, agreement
    for _, input in ipairs(t.inputs) do
      local delta = input.weight * (input.tensor - t.base)
      sum = sum and sum + delta or delta
      agreement = agreement and agreement + delta:sign() or delta:sign()
    end
    local unanimous = agreement:abs():eq(#t.inputs)
    local mean = sum / #t.inputs * unanimous
    local kept = mean:abs():topk_mask(math.ceil(t.density * mean.numel))
    return t.base + t.lambda * mean * kept
  end,
}
