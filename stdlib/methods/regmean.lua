--- RegMean: Jin et al. 2022, "Dataless knowledge fusion by merging weights of language models",
--- https://arxiv.org/abs/2212.09849. The weight whose outputs are nearest to those of each model on that model's own
--- inputs: (Σ W·G)·(Σ G)⁻¹ for the Gram matrices G = xᵀx of what enters each linear layer, which a model of Gram
--- matrices, [n, n] for a weight [m, n], gives under the weights' names.
--
-- `reduction` scales what is off the diagonal, 0.9 in the paper (alpha), which is needed where a Gram matrix is not of
-- full rank; `ridge` is added to the diagonal of the sum, as a part of its mean. Tensors without Gram matrices are the
-- weighted average. Gram matrices are summed as they are: of as many tokens each, or weighted by `weight`.

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"

--- Whether the inputs have Gram matrices; fails if only some do, or if one does not fit.
local function has_grams(t)
  local with, without
  for _, input in ipairs(t.inputs) do
    local gram, width = input.gram, t.shape[#t.shape]
    if gram then with = input else without = input end
    if gram and (#t.shape ~= 2 or gram.ndim ~= 2 or gram.shape[1] ~= width or gram.shape[2] ~= width) then
      mk.fail(("the gram of model '%s' has shape [%s], expected [%d, %d]"):format(
        input.model.name, table.concat(gram.shape, ", "), width, width))
    end
  end
  if with and without then
    mk.fail(("model '%s' has no gram for this tensor, and model '%s' has"):format(without.model.name, with.model.name))
  end
  return with ~= nil
end

return mk.method {
  name = "regmean",
  pretty_name = "RegMean",
  reference = "https://arxiv.org/abs/2212.09849",
  description = "Finds the weights whose outputs are nearest to those of each model on its own inputs.",
  base = "ignored",
  parameters = { reduction = { default = 0.9, range = { 0, 1 } }, ridge = { default = 0.0, range = { 0, math.huge } } },
  per_input = { weight = 1.0, gram = { type = "tensor" } },
  merge = function(t)
    if not has_grams(t) then
      local terms = {}
      for index, input in ipairs(t.inputs) do terms[index] = input.tensor * input.weight end
      return sums.of(terms) / sums.weights(t.inputs)
    end
    local width = t.shape[2]
    local eye = mk.eye(width)
    local grams, products = {}, {}
    for index, input in ipairs(t.inputs) do
      grams[index] = input.gram * ((1 - eye) * t.reduction + eye) * input.weight
      products[index] = grams[index]:matmul(input.tensor:transpose())
    end
    local gram = sums.of(grams)
    return gram:solve(sums.of(products), { ridge = (gram * eye):sum() / width * t.ridge }):transpose()
  end,
}
