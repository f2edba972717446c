--- Fisher merging: Matena and Raffel 2021, "Merging models with Fisher-weighted averaging",
--- https://arxiv.org/abs/2111.09832. Each model comes with a model of its diagonal Fisher information: the mean of
--- squared gradients, under the weights' names.
--
-- Information below `floor` counts as this; the authors' code does so for the first model alone unless asked, and
-- divides each model's information by its norm over all tensors, which is `weight = 1 / norm` here. A tensor for which
-- no model has any is the weighted average.

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"

--- How many of the inputs have Fisher information; fails if only some do.
local function check(inputs)
  local count, lacking = 0, nil
  for _, input in ipairs(inputs) do
    if input.fisher then count = count + 1 else lacking = lacking or input end
    if input.fisher and table.concat(input.fisher.shape, " ") ~= table.concat(input.tensor.shape, " ") then
      mk.fail(("the fisher of model '%s' has shape [%s], its tensor [%s]"):format(
        input.model.name, table.concat(input.fisher.shape, ", "), table.concat(input.tensor.shape, ", ")))
    end
  end
  if count > 0 and lacking then
    mk.fail(("model '%s' has no fisher for this tensor, and another model has"):format(lacking.model.name))
  end
  return count
end

return mk.method {
  name = "fisher",
  pretty_name = "Fisher Merging",
  reference = "https://arxiv.org/abs/2111.09832",
  description = "Averages each element by how much it matters to each model.",
  base = "ignored",
  parameters = { floor = { default = 1e-6, range = { 0, math.huge } } },
  per_input = { weight = 1.0, fisher = { type = "tensor" } },
  merge = function(t)
    local has_fisher = check(t.inputs) > 0
    local terms, weights = {}, {}
    for index, input in ipairs(t.inputs) do
      weights[index] = has_fisher and input.fisher:maximum(t.floor) * input.weight or input.weight
      terms[index] = input.tensor * weights[index]
    end
    return sums.of(terms) / (has_fisher and sums.of(weights) or sums.weights(t.inputs))
  end,
}
