--- What methods make of the singular vectors of task vectors, as functions of matrices.
--
-- Singular vectors that belong to lost singular values are zero, so that directions in which no task vector has
-- anything stay empty.

local algebra = require "mergekit.linear_algebra"
local core = require "mergekit.core"
local sums = require "mergekit.methods.sums"

local M = {}

--- Σ over k of u[:, k] · s[k] · vt[k, :].
local function compose(u, s, vt) return (u * s):matmul(vt) end

--- Iso-C: the sum with all singular values made their mean.
function M.iso_c(vectors)
  local u, s, vt = sums.of(vectors):svd()
  return u:matmul(vt) * s:mean()
end

--- The singular triples of several matrices side by side, an equal share of each.
local function side_by_side(matrices, count)
  local us, ss, vts = {}, {}, {}
  for index, matrix in ipairs(matrices) do
    local u, s, vt = matrix:svd()
    us[index], ss[index], vts[index] = u:narrow(2, 1, count), s:narrow(1, 1, count), vt:narrow(1, 1, count)
  end
  return us, ss, vts
end

--- TSV-M: an equal share of the largest singular triples of each, their singular vectors made orthogonal to each other.
function M.tsv_m(vectors)
  local shape = vectors[1].shape
  local count = math.min(shape[1], shape[2]) // #vectors
  if count == 0 then
    core.fail(("%d task vectors of a matrix [%d, %d] have no singular vector each"):format(#vectors, shape[1], shape[2]))
  end
  local us, ss, vts = side_by_side(vectors, count)
  return compose(algebra.polar(core.cat(us, 2)), core.cat(ss, 1), algebra.polar(core.cat(vts, 1)))
end

--- Iso-CTS: a common subspace, the part `common` of the sum's, and an equal share of what each vector has beside it.
function M.iso_cts(vectors, settings)
  local shape, tasks = vectors[1].shape, #vectors
  local size = math.min(shape[1], shape[2])
  -- Halves are rounded to even, as the authors' code does.
  local share = (size - math.floor(size * settings.common)) / tasks
  local own = math.floor(share + 0.5)
  if own - share == 0.5 and own % 2 == 1 then own = own - 1 end
  local rest = size - own * tasks
  local sum = sums.of(vectors)
  if own == 0 then return M.iso_c(vectors) end

  local u, s, vt = sum:svd()
  local us, ss, vts
  if rest > 0 then
    local basis = u:narrow(2, 1, rest)
    local outside = {}
    for index, vector in ipairs(vectors) do
      outside[index] = vector - basis:matmul(basis:transpose():matmul(vector))
    end
    us, ss, vts = side_by_side(outside, own)
    us[#us + 1], ss[#ss + 1], vts[#vts + 1] = basis, s:narrow(1, 1, rest), vt:narrow(1, 1, rest)
  else
    us, ss, vts = side_by_side(vectors, own)
  end
  return algebra.polar(core.cat(us, 2)):matmul(algebra.polar(core.cat(vts, 1))) * core.cat(ss, 1):mean()
end

--- STAR: the largest singular values that make up the part `eta` of their sum, scaled to have that sum.
function M.star(vector, settings)
  local u, s, vt = vector:svd()
  local total = s:sum()
  -- Those before which less than the part has been reached.
  local kept = s * (s:cumsum(1) - s):lt(total * settings.eta)
  return compose(u, kept * core.where(total:gt(0), total / kept:sum(), 1), vt)
end

--- Subspace boosting: singular values below the one at which the part `beta` of their sum is reached are raised to it.
function M.subspace_boosting(vector, settings)
  local u, s, vt = vector:svd()
  local least = (s * s:cumsum(1):ge(s:sum() * settings.beta)):max()
  return compose(u, s:maximum(least), vt)
end

--- Whether a tensor of a merge is a matrix that the methods on singular vectors are for: a weight, or any matrix if
--- `t.all_matrices` is true. Embeddings and heads have a row for each token, and norms none.
function M.is_for(t) return #t.shape == 2 and (t.kind == "weight" or t.all_matrices == true) end

--- The base and, times lambda, what `of_matrix` makes of the task vectors of a matrix; of anything else, their mean.
function M.merged(t, vectors, of_matrix)
  if M.is_for(t) then return t.base + of_matrix(vectors) * t.lambda end
  return t.base + sums.of(vectors) * (t.lambda / #vectors)
end

return M
