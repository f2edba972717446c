-- From modules.yml
local mk = require "mergekit"

local a = mk.model "vision/a"
local b = mk.model "vision/b"

return mk.merge {
  method = "linear",
  modules = {
    text_decoder = {
      slices = {
        { sources = { { a, layers = { 0, 16 } }, { b, layers = { 0, 16 } } } },
      },
      parameters = { weight = 0.5 },
    },
    ["vision-tower"] = {
      models = {
        { a, weight = 1 },
        { b, weight = 0 },
      },
    },
  },
}
