--- Sums that methods need.

local core = require "mergekit.core"

local M = {}

--- The sum of some tensors, one at least.
function M.of(tensors)
  local sum = tensors[1]
  for index = 2, #tensors do sum = sum + tensors[index] end
  return sum
end

--- The sum of the inputs' weights, to divide by: fails if it is known to be zero or not finite.
function M.weights(inputs)
  local total, size = 0, 0
  for _, input in ipairs(inputs) do
    total = total + input.weight
    if type(total) == "number" then size = size + math.abs(input.weight) end
  end
  -- Weights such as 0.1, 0.2 and -0.3 leave a rounding error.
  local is_finite = size < math.huge
  if type(total) == "number" and not (is_finite and math.abs(total) > 1e-12 * size) then
    local texts = {}
    for index, input in ipairs(inputs) do texts[index] = tostring(input.weight) end
    core.fail(("weights %s: %s"):format(is_finite and "sum to 0" or "are not finite", table.concat(texts, ", ")))
  end
  return total
end

return M
