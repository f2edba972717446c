-- A per-tensor rule: any function of what is known of a tensor can stand for a number.
--
--   mergekit-lua rule.lua OUT

local mk = require "mergekit"

local base, math_, code = mk.model "models/base", mk.model "models/math", mk.model "models/code"

--- Embeddings and norms stay near the base; the MLPs take more of the fine-tune in the middle layers.
local function weight(info)
  if info.kind == "embedding" or info.kind == "head" then return 0.1 end
  if info.kind == "norm" then return 0 end
  if info.name:find("mlp", 1, true) then return 1 - math.abs(2 * info.depth - 1) end
  return 0.4
end

return mk.merge {
  method = "task_arithmetic",
  base = base,
  models = { { math_, weight = weight }, { code, weight = 0.3 } },
}
