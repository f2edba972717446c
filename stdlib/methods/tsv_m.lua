--- TSV-Merge: Gargiulo et al. 2024, "Task singular vectors: reducing task interference in model merging",
--- https://arxiv.org/abs/2412.00081. Each task vector keeps its largest singular triples, an Nth of them for N
--- models; the singular vectors of all models are made orthogonal to each other, and multiplied; what is no matrix is
--- averaged.
--
-- The authors leave lambda at 1. Embeddings and heads are averaged unless all_matrices is true.

local mk = require "mergekit"
local matrices = require "mergekit.methods.matrices"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "tsv_m",
  pretty_name = "TSV-Merge",
  reference = "https://arxiv.org/abs/2412.00081",
  description = "Puts the largest singular vectors of all differences side by side, made orthogonal.",
  base = "required",
  parameters = { lambda = 1.0, all_matrices = false },
  per_input = { weight = 1.0 },
  merge = function(t) return matrices.merged(t, task_vectors.weighted(t), mk.tsv_m) end,
}
