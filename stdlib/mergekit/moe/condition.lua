--- The condition number of a matrix of a few rows: its largest singular value over its smallest.

local gram = require "mergekit.methods.gram"

-- Each sweep squares what is left beside the diagonal; few are needed.
local most_sweeps = 30

--- The eigenvalues of a symmetric matrix, which is overwritten: Jacobi's method with cyclic sweeps (Golub and Van Loan,
--- Matrix Computations, 8.5).
local function eigenvalues(a)
  local n = #a
  for _ = 1, most_sweeps do
    local beside, total = 0, 0
    for i = 1, n do
      for j = 1, n do
        total = total + a[i][j] * a[i][j]
        if i ~= j then beside = beside + a[i][j] * a[i][j] end
      end
    end
    if not (beside > 1e-30 * total) then break end
    for p = 1, n - 1 do
      for q = p + 1, n do
        if a[p][q] ~= 0 then
          local theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
          local t = (theta >= 0 and 1 or -1) / (math.abs(theta) + math.sqrt(theta * theta + 1))
          local c = 1 / math.sqrt(t * t + 1)
          local s = t * c
          for k = 1, n do
            local x, y = a[k][p], a[k][q]
            a[k][p], a[k][q] = c * x - s * y, s * x + c * y
          end
          for k = 1, n do
            local x, y = a[p][k], a[q][k]
            a[p][k], a[q][k] = c * x - s * y, s * x + c * y
          end
        end
      end
    end
  end
  local values = {}
  for i = 1, n do values[i] = a[i][i] end
  return values
end

--- The condition number by the squares of the singular values, of which there are `count` beside those that are zero
--- as the matrix has more rows than columns.
local function condition(squares, count)
  for _, value in ipairs(squares) do
    if value ~= value or value == math.huge then return 0 / 0 end
  end
  table.sort(squares, function(a, b) return a > b end)
  return squares[count] > 0 and math.sqrt(squares[1] / squares[count]) or math.huge
end

--- A lazy number, 1, that is known once `hear` was told the condition number; NaN and ∞ are among what it may be.
-- @param matrix  a tensor of two dimensions
return function(matrix, hear)
  local count, columns = table.unpack(matrix.shape)
  local rows = {}
  for index = 1, count do rows[index] = matrix:narrow(1, index, 1) end
  return gram(rows, {}, 1, function(products)
    local squares = eigenvalues(products)
    hear(condition(squares, math.min(count, columns)))
    return 1
  end)
end
