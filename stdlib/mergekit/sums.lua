--- Sums that methods need.

local core = require "mergekit.core"

local M = {}

--- The sum of some tensors, one at least.
function M.of(tensors)
  local sum = tensors[1]
  for index = 2, #tensors do sum = sum + tensors[index] end
  return sum
end

--- The sum of the inputs' weights, to divide by: fails if it is known to be zero.
function M.weights(inputs)
  local total, size, texts = 0, 0, {}
  for index, input in ipairs(inputs) do
    total, size, texts[index] = total + input.weight, size + core.abs(input.weight), tostring(input.weight)
  end
  -- Weights such as 0.1, 0.2 and -0.3 leave a rounding error.
  if not core.is_tensor(total) and math.abs(total) <= 1e-12 * size then
    core.fail("weights sum to 0: " .. table.concat(texts, ", "))
  end
  return total
end

return M
