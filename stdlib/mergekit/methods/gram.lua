--- Dot products of all pairs of some tensors, from one sweep: what methods on directions need to know.

local core = require "mergekit.core"

--- Runs `f` on the products once they are known, and gives its results as lazy numbers.
-- @param tensors  of one shape
-- @param numbers  further numbers for `f`, lazy or not
-- @param results  how many numbers `f` gives
-- @param f        function(gram, numbers): gram[i][j] is tensors[i] · tensors[j]; numbers are plain
return function(tensors, numbers, results, f)
  local products = {}
  for i, tensor in ipairs(tensors) do
    for j = 1, i do products[#products + 1] = tensor:dot(tensors[j]) end
  end
  local pairs_count = #products
  table.move(numbers, 1, #numbers, pairs_count + 1, products)
  return core.defer(products, function(...)
    local values = { ... }
    local gram, next_value = {}, 1
    for i = 1, #tensors do
      gram[i] = {}
      for j = 1, i do
        gram[i][j], gram[j][i] = values[next_value], values[next_value]
        next_value = next_value + 1
      end
    end
    return f(gram, table.move(values, pairs_count + 1, #values, 1, {}))
  end, results)
end
