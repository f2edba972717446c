--- Iso-C: Marczak et al. 2025, "No task left behind: isotropic model merging with common and task-specific
--- subspaces", https://arxiv.org/abs/2502.04959. The sum of the task vectors with all its singular values made equal,
--- to their mean; what is no matrix is averaged.
--
-- Directions in which no task vector has anything stay empty; in the authors' code they get the mean, too, in whatever
-- directions LAPACK completes the basis by. The paper tunes lambda on validation data. Embeddings and heads are
-- averaged unless all_matrices is true; the authors' code, for CLIP, takes every matrix but the text projection.

local mk = require "mergekit"
local matrices = require "mergekit.methods.matrices"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "iso_c",
  pretty_name = "Iso-C",
  reference = "https://arxiv.org/abs/2502.04959",
  description = "Sums differences from the base and makes all singular values of the sum equal.",
  base = "required",
  parameters = { lambda = 1.0, all_matrices = false },
  per_input = { weight = 1.0 },
  merge = function(t) return matrices.merged(t, task_vectors.weighted(t), mk.iso_c) end,
}
