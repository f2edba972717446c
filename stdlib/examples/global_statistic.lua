-- A program over the whole model: how far each tensor of the fine-tune has moved from the base, compared
-- with the average over all tensors, decides its weight.
--
--   mergekit-lua global_statistic.lua OUT

local mk = require "mergekit"

local base, math_ = mk.model "models/base", mk.model "models/math"

-- Relative change of every tensor: lazy numbers until :item(), which computes.
local change, total, count = {}, 0, 0
for name, tensor in base:tensors() do
  local moved = ((math_:tensor(name) - tensor):norm() / (tensor:norm() + 1e-12)):item()
  change[name], total, count = moved, total + moved, count + 1
end
local average = total / count
print(("the average tensor moved by %.1f %%"):format(100 * average))

return mk.merge {
  method = "task_arithmetic",
  base = base,
  models = { { math_, weight = function(info) return math.min(1, average / change[info.name]) end } },
}
