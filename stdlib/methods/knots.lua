--- KnOTS: Stoica et al. 2024, "Model merging with SVD to tie the KnOTS", https://arxiv.org/abs/2410.19735. The task
--- vectors side by side have left singular vectors in common; what each task vector is in their basis is merged by
--- `combine`, and taken back. Made for adapters, whose differences lie in few directions.
--
-- `combine` is ties (the default), task_arithmetic, dare, dare_ties, della or breadcrumbs, by each tensor; the authors'
-- code trims over the whole model, without trimming for language models, and tunes lambda. What is no matrix is merged
-- by `combine` as it is.

local mk = require "mergekit"
local matrices = require "mergekit.methods.matrices"
local parts = require "mergekit.methods.parts"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "knots",
  pretty_name = "KnOTS",
  reference = "https://arxiv.org/abs/2410.19735",
  description = "Merges differences from the base in the basis of the singular vectors that they have in common.",
  base = "required",
  parameters = { combine = "ties", lambda = 1.0, all_matrices = false },
  per_input = { weight = 1.0, density = task_vectors.density },
  merge = function(t)
    local combine, vectors = parts.combination(t), task_vectors.of(t)
    if not matrices.is_for(t) then return t.base + combine(vectors) * t.lambda end
    local basis = mk.cat(vectors, 2):svd()
    for index, vector in ipairs(vectors) do vectors[index] = basis:transpose():matmul(vector) end
    return t.base + basis:matmul(combine(vectors)) * t.lambda
  end,
}
