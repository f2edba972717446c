--- Consensus merging: Wang et al. 2024, "Localizing task information for improved model merging and compression",
--- https://arxiv.org/abs/2405.07813. TALL masks say for which models an element of the merged task vector matters; what
--- matters for fewer than `k` of them is left out.
--
-- The paper keeps an element where |τ| ≥ mask_lambda·|merged − τ|, the authors' code where it is greater. They choose
-- mask_lambda for each model (0.2 to 0.6) and lambda on validation data. Their consensus with TIES is `elect_signs`
-- with a density of 0.2.

local mk = require "mergekit"
local sums = require "mergekit.methods.sums"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "consensus_ta",
  pretty_name = "Consensus Task Arithmetic",
  reference = "https://arxiv.org/abs/2405.07813",
  description = "Sums differences from the base, and drops elements that matter for too few models.",
  base = "required",
  min_inputs = 2,
  parameters = { k = { type = "integer", default = 2, range = { 1, math.huge } }, elect_signs = false, lambda = 1.0 },
  per_input = {
    weight = 1.0, density = task_vectors.density, mask_lambda = { default = 0.4, range = { 0, math.huge } },
  },
  merge = function(t)
    local vectors, weights, densities = task_vectors.of(t), {}, {}
    for index, input in ipairs(t.inputs) do weights[index], densities[index] = input.weight, input.density end
    local merged = mk.ties(vectors, {
      density = densities, weights = weights, elect_signs = t.elect_signs, normalize = false,
    })
    local masks = {}
    for index, input in ipairs(t.inputs) do
      local vector = vectors[index] * input.weight
      masks[index] = vector:abs():ge((merged - vector):abs() * input.mask_lambda)
    end
    return t.base + merged * sums.of(masks):ge(t.k) * t.lambda
  end,
}
