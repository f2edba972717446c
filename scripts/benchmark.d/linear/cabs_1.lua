--- CABS, two of every four elements.

local mk = require "mergekit"
return mk.merge {
  method = "cabs", base = mk.model "base",
  models = { { mk.model "math", n = 2, weight = 0.6 }, { mk.model "code", n = 2, weight = 0.4 } },
  parameters = { m = 4 }, dtype = "bfloat16",
}
