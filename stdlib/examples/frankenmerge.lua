-- Layers of two models, one on the other: a deeper model, whose config.json says so. Layers count from 0;
-- { 0, 3 } is layers 0, 1 and 2. The embedding comes from the first model, the final norm and the head from the
-- last.
--
--   mergekit-lua frankenmerge.lua OUT

local mk = require "mergekit"

local math_, code = mk.model "models/math", mk.model "models/code"

return mk.stack {
  { math_, layers = { 0, 3 } },
  { code, layers = { 1, 4 } },
  dtype = "bfloat16",
}
