--- Truncated singular value decompositions, exact where that costs little.

local M = {}

--- Smaller sides up to this are decomposed whole: it takes less time than the sketches of a large one.
local most_exact = 512

--- u, s and vt of the largest `rank` singular values of a matrix.
-- @param iterations  of a random sketch, where the matrix is large
function M.truncated(matrix, rank, iterations)
  local size = math.min(matrix.shape[1], matrix.shape[2])
  if rank >= size or size > most_exact then return matrix:svd { rank = math.min(rank, size), iterations = iterations } end
  local u, s, vt = matrix:svd()
  return u:narrow(2, 1, rank), s:narrow(1, 1, rank), vt:narrow(1, 1, rank)
end

--- The same of a product b · a with a small inner dimension, exact, and without the product itself.
function M.of_product(b, a, rank)
  local ub, sb, vb = b:svd()
  local ua, sa, va = a:svd()
  local core = (vb * sb:reshape(-1, 1)):matmul(ua * sa)
  local u, s, vt = core:svd()
  rank = math.min(rank, s.numel)
  return ub:matmul(u:narrow(2, 1, rank)), s:narrow(1, 1, rank), vt:narrow(1, 1, rank):matmul(va)
end

return M
