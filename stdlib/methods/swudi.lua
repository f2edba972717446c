--- SWUDI: Wei et al. 2026, "Closed-form spectral regularization for multi-task model merging",
--- https://arxiv.org/abs/2606.07289; after WUDI-Merging, Cheng et al. 2025, https://arxiv.org/abs/2503.08099. The
--- merged task vector X solves X·C = D for C = Σ τᵀτ / |τ|² and D = Σ τ·τᵀτ / |τ|²: it does on the inputs that each
--- task vector stands for what that task vector does. From the sum of the task vectors on, it is solved in the
--- largest `rank` eigenvectors of C only, with weights 1 − exp(−time·λ) that are those of gradient flow stopped at a
--- time.
--
-- Of the paper, its abstract could be read and not its formulas: one eigendecomposition for each layer, a soft
-- exponential filter that follows gradient flow, times a hard cut behind the largest `rank`. The equation that is
-- solved is WUDI's. Where the paper starts, what it takes for `time`, and its rules for ranks may be others.
--
-- Without `rank` it is (Σ √λ)² / Σ λ, the participation ratio of SWUDI-A; as a fraction below 1 it is one of the width.
-- Without `time` the weights are 1. What is no matrix is averaged, as in WUDI's code, which takes every matrix;
-- here embeddings and heads are averaged unless all_matrices is true.

local mk = require "mergekit"
local matrices = require "mergekit.methods.matrices"
local sums = require "mergekit.methods.sums"
local task_vectors = require "mergekit.methods.task_vectors"

--- 1 for the eigenvalues that count, of all in ascending order, and 0 for the others.
local function counted(values, rank)
  local n = values.numel
  local positive = values:maximum(0)
  local kept = rank
  if kept == nil then
    local root_sum = positive:sqrt():sum()
    kept = mk.floor(root_sum * root_sum / mk.maximum(positive:sum(), 1e-30))
  elseif kept < 1 then
    kept = math.floor(kept * n)
  end
  local from_top = n - mk.zeros({ n }):rank(1)
  return from_top:lt(mk.maximum(kept, 1)) * positive:gt(positive:max() * 1e-6)
end

local function solved(vectors, rank, time)
  local grams, targets = {}, {}
  for index, vector in ipairs(vectors) do
    local gram = vector:transpose():matmul(vector)
    local square = vector:dot(vector)
    local scale = mk.where(square:gt(0), 1 / square, 0)
    grams[index], targets[index] = gram * scale, vector:matmul(gram) * scale
  end
  local c, sum = sums.of(grams), sums.of(vectors)
  local values, vectors_of_c = c:eigh()
  local kept = counted(values, rank)
  local filter = kept / (values * kept + (1 - kept))
  if time then filter = filter * (1 - (values * -time):exp()) end
  local missing = sums.of(targets) - sum:matmul(c)
  return sum + (missing:matmul(vectors_of_c) * filter):matmul(vectors_of_c:transpose())
end

return mk.method {
  name = "swudi",
  pretty_name = "SWUDI",
  reference = "https://arxiv.org/abs/2606.07289",
  description = "Solves for the difference from the base that does what each model's does on its own inputs.",
  base = "required",
  parameters = {
    rank = { type = "number", range = { 0, math.huge } }, time = { type = "number", range = { 0, math.huge } },
    lambda = 1.0, all_matrices = false,
  },
  merge = function(t)
    return matrices.merged(t, task_vectors.of(t), function(vectors) return solved(vectors, t.rank, t.time) end)
  end,
}
