-- A method of one's own, by name: "consensus" is consensus.lua beside this file. `method = consensus`,
-- by value, is the same.
--
--   mergekit-lua consensus_merge.lua OUT

local mk = require "mergekit"
local consensus = require "consensus"

local base, math_, code = mk.model "models/base", mk.model "models/math", mk.model "models/code"

local by_name = mk.merge {
  method = "consensus",
  base = base,
  models = { { math_, weight = 0.8 }, code },
  parameters = { density = 0.3 },
}

local by_value = mk.merge {
  method = consensus,
  base = base,
  models = { { math_, weight = 0.8 }, code },
  parameters = { density = 0.3 },
}

-- Both are lazy models, so one can be an input of the next merge; nothing has been computed yet.
return mk.merge { method = "linear", models = { { by_name, weight = 0.5 }, { by_value, weight = 0.5 } } }
