-- A sibling of all-MiniLM-L6-v2: every weight with seeded noise in proportion to its spread. Get the model
-- by scripts/fetch-minilm.
--
--   mergekit-lua sibling.lua models/minilm-sibling --seed 7

local mk = require "mergekit"

return mk.model("models/all-MiniLM-L6-v2"):map(function(tensor, info)
  if info.kind == "norm" or info.kind == "bias" or not mk.is_float(info.dtype) then return tensor end
  return tensor + 0.2 * tensor:var():sqrt() * mk.randn(tensor.shape)
end)
