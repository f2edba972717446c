--- Iso-CTS: Marczak et al. 2025, "No task left behind: isotropic model merging with common and task-specific
--- subspaces", https://arxiv.org/abs/2502.04959. Like iso_c, of the largest singular triples of the sum and, in the
--- place of the smallest, an equal share of the largest that each model has beside them; what is no matrix is
--- averaged.
--
-- `common` is the part of the sum's (0.8 in the paper), rounded as the authors' code does so that the shares are equal.

local mk = require "mergekit"
local matrices = require "mergekit.methods.matrices"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "iso_cts",
  pretty_name = "Iso-CTS",
  reference = "https://arxiv.org/abs/2502.04959",
  description = "Iso-C of a subspace that the models have in common and one of each model's own.",
  base = "required",
  min_inputs = 2,
  parameters = { common = { default = 0.8, range = { 0, 1 } }, lambda = 1.0, all_matrices = false },
  per_input = { weight = 1.0 },
  merge = function(t)
    return matrices.merged(t, task_vectors.weighted(t), function(vectors)
      return mk.iso_cts(vectors, { common = t.common })
    end)
  end,
}
