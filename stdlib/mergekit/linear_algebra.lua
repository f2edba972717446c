--- Linear algebra composed of the primitives `matmul`, `svd`, `eigh` and `solve`.

local core = require "mergekit.core"

local algebra = {}

local function matrix(tensor, name)
  if not core.is_tensor(tensor) or tensor.ndim ~= 2 then core.fail(name .. ": expected a matrix") end
  return tensor
end

--- The identity matrix of a size.
function algebra.eye(size)
  if math.type(size) ~= "integer" or size < 0 then core.fail("eye: expected a whole number") end
  -- Equal elements rank in their order: 1, 2, 3…
  local numbers = core.zeros({ size }):rank(1)
  return numbers:reshape(1, size):eq(numbers:reshape(size, 1))
end

--- The orthogonal factor u · vt of a polar decomposition: the nearest matrix with orthonormal columns, or rows.
function algebra.polar(tensor)
  local u, _, vt = matrix(tensor, "polar"):svd()
  return u:matmul(vt)
end

--- The pseudoinverse (Moore–Penrose). Singular values up to `rtol` times the largest count as zero; by default
-- those that are rounding errors of float32.
function algebra.pinv(tensor, rtol)
  local u, s, vt = matrix(tensor, "pinv"):svd()
  rtol = rtol or math.max(table.unpack(tensor.shape)) * 2.0 ^ -24
  local inverse = core.where(s:gt(s:max() * rtol), 1 / s, 0)
  return vt:transpose():matmul((u * inverse):transpose())
end

--- (s + ridge)^power of a symmetric matrix without negative eigenvalues; powers of zero count as zero.
function algebra.matrix_power(tensor, power, ridge)
  local values, vectors = matrix(tensor, "matrix_power"):eigh()
  values = values + (ridge or 0)
  local least = values:max() * 1e-12
  local powers = core.where(values:gt(least), core.maximum(values, least) ^ power, 0)
  return (vectors * powers):matmul(vectors:transpose())
end

--- s^-½, as whitening needs it.
function algebra.inverse_sqrt(tensor, ridge) return algebra.matrix_power(tensor, -0.5, ridge) end

--- scale · a · b, computed where its elements are wanted: what an adapter adds to a weight.
function algebra.low_rank(a, b, scale)
  local product = matrix(a, "low_rank"):matmul(matrix(b, "low_rank"))
  return scale and product * scale or product
end

return algebra
