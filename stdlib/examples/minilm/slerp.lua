-- all-MiniLM-L6-v2 and its sibling (sibling.lua), further along the arc from layer to layer.

local mk = require "mergekit"

return mk.merge {
  method = "slerp",
  base = mk.model "models/all-MiniLM-L6-v2",
  models = { mk.model "models/minilm-sibling" },
  parameters = { t = { { filter = "attention", value = { 0.1, 0.9 } }, { value = { 0.3, 0.5, 0.7 } } } },
}
