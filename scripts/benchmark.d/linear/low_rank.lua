--- A model and a product of rank 16 on every matrix of its layers.

local mk = require "mergekit"
local factors = mk.model "factors"

return mk.model("base"):map(function(tensor, info)
  if not factors:has(info.name:gsub("weight$", "lora_a")) then return tensor end
  local function factor(part) return factors:tensor((info.name:gsub("weight$", "lora_" .. part))) end
  return tensor + mk.low_rank(factor "b", factor "a", 2)
end)
