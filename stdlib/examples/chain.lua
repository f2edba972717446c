-- A chain of merges in one recipe. Every step is a lazy model: the whole chain is computed in one pass
-- over the inputs, with no model in between on disk.
--
--   mergekit-lua chain.lua OUT

local mk = require "mergekit"

local base, math_, code = mk.model "models/base", mk.model "models/math", mk.model "models/code"

local blend = mk.merge { method = "slerp", base = math_, models = { code }, parameters = { t = { 0.3, 0.7 } } }

local tuned = mk.merge {
  method = "task_arithmetic",
  base = base,
  models = { { blend, weight = 0.7 }, { math_, weight = 0.3 } },
}

return mk.merge {
  method = "linear",
  models = { { tuned, weight = 0.9 }, { base, weight = 0.1 } },
  dtype = "bfloat16",
}
