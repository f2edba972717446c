-- From anchors.yml
local mk = require "mergekit"

local base = mk.model "models/base"
local math_ = mk.model "models/math"
local code = mk.model "models/code"
local more = mk.model "models/more"

return mk.merge {
  method = "ties",
  base = base,
  models = {
    base,
    { math_, weight = 0.5, density = 0.4 },
    { code, weight = 0.5, density = 0.8 },
    { more, weight = 0.1, density = 0.4 },
  },
}
