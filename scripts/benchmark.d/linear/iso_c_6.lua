--- Six merges by Iso-C in one pass, which differ by one factor.

local mk = require "mergekit"
local base, math_, code = mk.model "base", mk.model "math", mk.model "code"
local models = {}
for index, lambda in ipairs { 0.5, 0.7, 0.9, 1.1, 1.3, 1.5 } do
  models["merge_" .. index] = mk.merge {
    method = "iso_c", base = base, models = { math_, code }, parameters = { lambda = lambda }, dtype = "bfloat16",
  }
end
return models
