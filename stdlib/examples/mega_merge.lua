-- Several models from one pass. A recipe that returns a table of models gets a directory for each in OUT.
--
--   models/math ──┬── blend (slerp) ──┬── OUT/blend
--                 │                   │
--   models/code ──┼── tied (ties) ────┴── linear ── OUT/final
--                 │
--   models/base ──┘
--
-- What `blend` and `final` have in common is computed once; `tied` is never written.
--
--   mergekit-lua mega_merge.lua OUT

local mk = require "mergekit"

local base, math_, code = mk.model "models/base", mk.model "models/math", mk.model "models/code"

-- `as_stored`: what is made of a stage sees it as if it had been written and read again.
local blend = mk.merge {
  method = "slerp", base = math_, models = { code }, parameters = { t = { 0.3, 0.7 } }, as_stored = true,
}

local tied = mk.merge {
  method = "ties",
  base = base,
  models = { { math_, weight = 0.5, density = 0.5 }, { code, weight = 0.5, density = 0.5 } },
  as_stored = true,
}

local final = mk.merge { method = "linear", models = { { blend, weight = 0.6 }, { tied, weight = 0.4 } } }

return { blend = blend, final = final }
