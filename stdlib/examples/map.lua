-- `model:map`: a function of every tensor makes a new model. This one adds noise to the weights, each
-- tensor's in proportion to its spread; the same seed gives the same file.
--
--   mergekit-lua map.lua OUT --seed 7

local mk = require "mergekit"

return mk.model("models/base"):map(function(tensor, info)
  if info.kind ~= "weight" then return tensor end
  return tensor + 0.05 * tensor:var():sqrt() * mk.randn(tensor.shape)
end)
