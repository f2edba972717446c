--- Core space: Panariello et al. 2025, "Accurate and efficient low-rank model merging in core space",
--- https://arxiv.org/abs/2509.17786. The task vectors of N adapters of rank r lie in N·r directions on either side; in
--- the basis of these they are small matrices, which `combine` merges, and which are taken back.
--
-- A method sees task vectors, not adapters: the factors are B = u·√s and A = √s·vt of the `rank` largest singular
-- triples of each. Those of an adapter are of the same directions; its reference bases differ by how B and A share
-- the magnitude, which ties, dare and their like see, and task_arithmetic, iso_c and tsv_m do not. `combine` is tsv_m
-- (the default, the paper's best with iso_c), iso_c, ties, task_arithmetic, dare, dare_ties, della or breadcrumbs.
-- What is no matrix is averaged.

local mk = require "mergekit"
local matrices = require "mergekit.methods.matrices"
local parts = require "mergekit.methods.parts"
local sums = require "mergekit.methods.sums"
local task_vectors = require "mergekit.methods.task_vectors"

--- Orthonormal bases of the columns and of the rows of several matrices of low rank.
local function bases(vectors, rank)
  local columns, rows = {}, {}
  for index, vector in ipairs(vectors) do
    local u, s, vt = vector:svd()
    local root = s:narrow(1, 1, rank):sqrt()
    columns[index] = u:narrow(2, 1, rank) * root
    rows[index] = vt:narrow(1, 1, rank) * root:reshape { -1, 1 }
  end
  local left = mk.cat(columns, 2):svd()
  local _, _, right = mk.cat(rows, 1):svd()
  return left, right
end

return mk.method {
  name = "core_space",
  pretty_name = "Core Space",
  reference = "https://arxiv.org/abs/2509.17786",
  description = "Merges adapters as small matrices in the few directions that they have together.",
  base = "required",
  parameters = {
    combine = "tsv_m", rank = { type = "integer", default = 16, range = { 1, math.huge } }, lambda = 1.0,
    all_matrices = false,
  },
  per_input = { weight = 1.0, density = task_vectors.density },
  merge = function(t)
    local vectors = task_vectors.of(t)
    if not matrices.is_for(t) then
      return t.base + sums.of(task_vectors.weighted(t)) * (t.lambda / #vectors)
    end
    local left, right = bases(vectors, math.min(t.rank, t.shape[1], t.shape[2]))
    local cores = {}
    for index, vector in ipairs(vectors) do
      cores[index] = left:transpose():matmul(vector):matmul(right:transpose())
    end
    return t.base + left:matmul(parts.combination(t)(cores)):matmul(right) * t.lambda
  end,
}
