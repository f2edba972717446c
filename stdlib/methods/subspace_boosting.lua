--- Subspace boosting: Skorobogat et al. 2025, "Subspace-boosted model merging", https://arxiv.org/abs/2506.16506. Small
--- singular values of the sum of task vectors are raised to the one at which the part beta of their sum is reached,
--- 0.01 in the authors' code, which is the largest one in most matrices. What is no matrix is summed.
--
-- One model that is itself a merge, such as one by TIES, is boosted alike. Directions in which no task vector has
-- anything stay empty. The authors' code takes a fused q, k and v apart.

local mk = require "mergekit"
local matrices = require "mergekit.methods.matrices"
local sums = require "mergekit.methods.sums"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "subspace_boosting",
  pretty_name = "Subspace Boosting",
  reference = "https://arxiv.org/abs/2506.16506",
  description = "Sums differences from the base and raises the small singular values of the sum.",
  base = "required",
  parameters = { beta = { default = 0.01, range = { 0, 1 } }, lambda = 1.0, all_matrices = false },
  per_input = { weight = 1.0 },
  merge = function(t)
    local sum = sums.of(task_vectors.weighted(t))
    if matrices.is_for(t) then sum = mk.subspace_boosting(sum, { beta = t.beta }) end
    return t.base + sum * t.lambda
  end,
}
