--- STAR: Lee et al. 2025, "STAR: spectral truncation and rescale for model merging", https://arxiv.org/abs/2502.10339.
--- Each task vector keeps the largest singular values that make up the part eta of their sum, scaled back to that sum;
--- then all are averaged. eta is 0.4 in the paper. What is no matrix is averaged as it is.

local mk = require "mergekit"
local matrices = require "mergekit.methods.matrices"
local sums = require "mergekit.methods.sums"
local task_vectors = require "mergekit.methods.task_vectors"

return mk.method {
  name = "star",
  pretty_name = "STAR",
  reference = "https://arxiv.org/abs/2502.10339",
  description = "Averages differences from the base without their small singular values, rescaled.",
  base = "required",
  parameters = { eta = { default = 0.4, range = { 0, 1 } }, lambda = 1.0, all_matrices = false },
  per_input = { weight = 1.0 },
  merge = function(t)
    local vectors = task_vectors.weighted(t)
    if matrices.is_for(t) then
      for index, vector in ipairs(vectors) do vectors[index] = mk.star(vector, { eta = t.eta }) end
    end
    return t.base + sums.of(vectors) * (t.lambda / #vectors)
  end,
}
