-- From slices.yml
local mk = require "mergekit"

local base = mk.model "models/base"
local math_ = mk.model "models/math"
local code = mk.model "models/code"

return mk.merge {
  method = "ties",
  base = base,
  slices = {
    {
      sources = {
        { base, layers = { 0, 2 }, weight = 0.25, density = { { filter = "mlp", value = 0.5 } } },
        { math_, layers = { 0, 2 }, weight = 0.75 },
      },
    },
    {
      sources = { { math_, layers = { 1, 3 } }, { code, layers = { 2, 4 } } },
      base = code,
      method = "slerp",
      parameters = { t = { 0, 0.5, 1 } },
    },
    { sources = { { code, layers = { 3, 4 }, scale = 0.5 } }, method = "passthrough" },
  },
  parameters = { normalize = true, t = 0.5 },
}
