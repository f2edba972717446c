--- Four merges by CABS in one pass, which differ by their weights: what is kept of the task vectors is the same.

local mk = require "mergekit"
local base, math_, code = mk.model "base", mk.model "math", mk.model "code"
local models = {}
for index, weight in ipairs { 0.2, 0.4, 0.6, 0.8 } do
  models["merge_" .. index] = mk.merge {
    method = "cabs", base = base, parameters = { m = 4 }, dtype = "bfloat16",
    models = { { math_, n = 2, weight = weight }, { code, n = 2, weight = 1 - weight } },
  }
end
return models
